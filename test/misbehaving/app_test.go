// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package misbehaving

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// appName is the name of the ScimApp in every test.
const appName = "crm"

const (
	jsonType = "application/scim+json"
	htmlType = "text/html"
)

// exchange is one request to the app and its answer.
type exchange struct {
	at     time.Time
	method string
	// path below the base URL, such as /Users/1. query is what follows it.
	path  string
	query url.Values
	body  string

	status int
	header http.Header
	answer string
}

// String is for the log of a failed test.
func (x *exchange) String() string {
	target := x.path
	if len(x.query) > 0 {
		target += "?" + x.query.Get("filter") + " " + x.query.Encode()
	}
	return fmt.Sprintf("%s %s %.400s -> %d %.400s", x.method, target, x.body, x.status, x.answer)
}

// is reports whether the request has the method and is for one resource of a collection, such as ("PATCH", "Users"), or for the collection if it is a POST.
func (x *exchange) is(method, collection string) bool {
	rest, ok := strings.CutPrefix(x.path, "/"+collection)
	return ok && x.method == method && (rest == "" || rest[0] == '/') && (x.id() == "") == (method == http.MethodPost)
}

// looksUp reports whether the request is a listing or lookup in a collection.
func (x *exchange) looksUp(collection string) bool {
	return x.method == http.MethodGet && x.path == "/"+collection && x.query.Has("filter")
}

// id is the id of the resource in the path, empty for none.
func (x *exchange) id() string {
	_, id, _ := strings.Cut(strings.TrimPrefix(x.path, "/"), "/")
	return id
}

// writes reports whether the request may change the app.
func (x *exchange) writes() bool { return x.method != http.MethodGet }

// sent and answered are the bodies as JSON, nil if they are none.
func (x *exchange) sent() map[string]any     { return parse(x.body) }
func (x *exchange) answered() map[string]any { return parse(x.answer) }

func parse(body string) (object map[string]any) {
	_ = json.Unmarshal([]byte(body), &object)
	return object
}

// reply sets the answer.
func (x *exchange) reply(status int, contentType, body string) {
	x.status, x.answer = status, body
	x.header = http.Header{"Content-Type": {contentType}}
}

// replyJSON sets the answer's body.
func (x *exchange) replyJSON(status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	x.reply(status, jsonType, string(data))
}

// refuse sets an answer in the error form of RFC 7644 3.12.
func (x *exchange) refuse(status int, scimType, detail string) {
	body := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": strconv.Itoa(status), "detail": detail}
	if scimType != "" {
		body["scimType"] = scimType
	}
	x.replyJSON(status, body)
}

// edit changes the JSON of the answer.
func (x *exchange) edit(change func(object map[string]any)) {
	object := x.answered()
	change(object)
	data, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	x.answer = string(data)
}

// handler answers an exchange. pass has the app answer it, as often as it is called; a handler may change the request before and the answer after.
type handler func(x *exchange, pass func())

// app is a server that misbehaves, in front of a fake app that does not.
type app struct {
	*fakeapp.App
	server *httptest.Server
	client *http.Client

	mu     sync.Mutex
	handle handler
	log    []exchange
}

// start makes the ScimApp with a server in front of its fake app. change, if given, alters the ScimApp before it is made; handle answers, nil passes everything on.
func start(t *testing.T, d *harness.Directory, change func(*v1alpha1.ScimApp), handle handler) *app {
	t.Helper()
	a := &app{handle: handle}
	a.server = httptest.NewTLSServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.server.Close)
	d.Secret(t, "front-ca", map[string]string{
		"ca.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw})),
	})
	a.App = d.App(t, appName, fakeapp.Generic, func(app *v1alpha1.ScimApp) {
		app.Spec.SCIM.BaseURL = a.server.URL + "/scim/v2"
		app.Spec.SCIM.CA = &v1alpha1.SecretKeyRef{Name: "front-ca", Key: "ca.crt"}
		if change != nil {
			change(app)
		}
	})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.CA())
	a.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	t.Cleanup(func() {
		if t.Failed() {
			for _, x := range a.exchanges(nil) {
				t.Log(x.String())
			}
		}
	})
	return a
}

func (a *app) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	x := &exchange{at: time.Now(), method: r.Method, path: strings.TrimPrefix(r.URL.Path, "/scim/v2"), query: r.URL.Query(), body: string(body)}
	a.mu.Lock()
	handle := a.handle
	a.mu.Unlock()
	if pass := func() { a.pass(x, r) }; handle != nil {
		handle(x, pass)
	} else {
		pass()
	}
	a.mu.Lock()
	a.log = append(a.log, *x)
	a.mu.Unlock()
	for name, values := range x.header {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(x.status)
	_, _ = io.WriteString(w, x.answer) // the operator may have given up
}

// pass sends the request to the fake app, and takes its answer.
func (a *app) pass(x *exchange, r *http.Request) {
	target := strings.TrimSuffix(a.URL(), "/scim/v2") + (&url.URL{Path: "/scim/v2" + x.path, RawQuery: strings.ReplaceAll(x.query.Encode(), "+", "%20")}).String()
	request, err := http.NewRequestWithContext(r.Context(), x.method, target, bytes.NewReader([]byte(x.body)))
	if err != nil {
		panic(err)
	}
	request.Header = r.Header.Clone()
	response, err := a.client.Do(request)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	x.status, x.header, x.answer = response.StatusCode, response.Header.Clone(), string(answer)
}

// misbehave replaces the handler; nil ends the misbehaviour.
func (a *app) misbehave(handle handler) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.handle = handle
}

// exchanges are those so far that match; nil matches all.
func (a *app) exchanges(match func(*exchange) bool) []exchange {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(a.log), func(x exchange) bool { return match != nil && !match(&x) })
}

// count is the number of exchanges that match.
func (a *app) count(match func(*exchange) bool) int { return len(a.exchanges(match)) }

// when is a handler for the exchanges that match; the others are passed on.
func when(match func(*exchange) bool, handle handler) handler {
	return func(x *exchange, pass func()) {
		if match(x) {
			handle(x, pass)
			return
		}
		pass()
	}
}

// request is a matcher for requests of a method to one resource of a collection, or for a POST to the collection.
func request(method, collection string) func(*exchange) bool {
	return func(x *exchange) bool { return x.is(method, collection) }
}
