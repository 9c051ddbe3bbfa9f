// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// apiCall is a request of an operator to the API server.
type apiCall struct {
	method, resource, subresource, name string
	// manager is the field manager, which the controllers name and the endpoint does not.
	manager string
	body    []byte
	// status of the answer, 0 before there is one.
	status int

	directory *harness.Directory
	before    any
	// steps that the call is.
	steps []*step
}

// Bodies, and what is stored now of an object that a request is about to change. Objects that cannot be read are empty.
func (c *apiCall) user() *v1alpha1.ScimUser         { return decode[v1alpha1.ScimUser](c.body) }
func (c *apiCall) group() *v1alpha1.ScimGroup       { return decode[v1alpha1.ScimGroup](c.body) }
func (c *apiCall) userBefore() *v1alpha1.ScimUser   { return stored(c, &v1alpha1.ScimUser{}) }
func (c *apiCall) groupBefore() *v1alpha1.ScimGroup { return stored(c, &v1alpha1.ScimGroup{}) }

func decode[T any](body []byte) *T {
	into := new(T)
	_ = json.Unmarshal(body, into) // what is none is empty
	return into
}

// proxy stands between operators and the API server: plain HTTP towards them, the credentials of their ServiceAccount towards it. It shows every
// request before it goes on, and again when the API server has answered it but the operator has not heard of it.
type proxy struct {
	directory *harness.Directory
	forward   *httputil.ReverseProxy
	server    *httptest.Server
	// see is told of each call that is no watch, before and after. Where it is true the operator was killed, and the call is cut off.
	see func(c *apiCall, phase phase) (killed bool)

	underWay atomic.Int64
	// lastWrite is when the API server was last written to, events and leases aside: Unix nanoseconds.
	lastWrite atomic.Int64
}

type callKey struct{}

var errCut = errors.New("cut off")

func newProxy(t testing.TB, d *harness.Directory, see func(*apiCall, phase) bool) *proxy {
	t.Helper()
	target, err := url.Parse(d.Env.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(d.Installation(t).Config)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{directory: d, see: see}
	p.forward = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
		ModifyResponse: func(r *http.Response) error {
			call, ok := r.Request.Context().Value(callKey{}).(*apiCall)
			if !ok {
				return nil
			}
			call.status = r.StatusCode
			if p.see(call, after) {
				return errCut
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = httptest.NewServer(p)
	t.Cleanup(func() {
		p.server.CloseClientConnections()
		p.server.Close()
	})
	return p
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") != "" {
		p.forward.ServeHTTP(w, r)
		return
	}
	p.underWay.Add(1)
	defer p.underWay.Add(-1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	call := p.callOf(r, body)
	if r.Method != http.MethodGet && call.resource != "events" && !strings.HasPrefix(call.name, "scim-operator") {
		defer func() { p.lastWrite.Store(time.Now().UnixNano()) }()
	}
	if p.see(call, before) {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callKey{}, call)))
}

func (p *proxy) callOf(r *http.Request, body []byte) *apiCall {
	c := &apiCall{directory: p.directory, method: r.Method, manager: r.URL.Query().Get("fieldManager"), body: body}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	for i, part := range parts {
		if part != "namespaces" || len(parts) < i+3 {
			continue
		}
		rest := append(parts[i+2:], "", "")
		c.resource, c.name, c.subresource = rest[0], rest[1], rest[2]
		break
	}
	return c
}

// quietSince is when the last write to the API server was.
func (p *proxy) quietSince() time.Time { return time.Unix(0, p.lastWrite.Load()) }
