// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
	"github.com/scim-operator/scim-operator/internal/server"
	"github.com/scim-operator/scim-operator/internal/server/servertest"
)

func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{}) }

const testToken = "okta-token-0123456789"

// backend is what all tests share: the API server, and a cache as the operator has it.
type backend struct {
	env    *cptest.Env
	admin  client.Client
	source *clients.Source
	store  *directory.Store
	// informers are what the store reads from.
	informers cache.Cache
}

var shared struct {
	sync.Once
	backend
	err error
}

// sharedBackend starts the cache with the first test. It ends with the process.
func sharedBackend(t *testing.T) backend {
	t.Helper()
	env := cptest.New(t)
	shared.Do(func() { shared.backend, shared.err = newBackend(context.Background(), env) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.backend
}

func newBackend(ctx context.Context, env *cptest.Env) (backend, error) {
	b := backend{env: env}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return b, err
		}
	}
	labelled, err := labels.Parse(v1alpha1.LabelCredentials)
	if err != nil {
		return b, err
	}
	informers, err := cache.New(env.Config, cache.Options{
		Scheme:   scheme,
		ByObject: map[client.Object]cache.ByObject{&corev1.Secret{}: {Label: labelled}},
	})
	if err != nil {
		return b, err
	}
	if err := directory.RegisterIndexes(ctx, informers); err != nil {
		return b, err
	}
	for _, o := range []client.Object{&v1alpha1.ScimClient{}, &v1alpha1.ScimUser{}, &v1alpha1.ScimGroup{}, &corev1.Secret{}} {
		if _, err := informers.GetInformer(ctx, o); err != nil {
			return b, err
		}
	}
	go func() { _ = informers.Start(ctx) }()
	if !informers.WaitForCacheSync(ctx) {
		return b, fmt.Errorf("the cache did not sync")
	}
	if b.admin, err = client.New(env.Config, client.Options{Scheme: scheme}); err != nil {
		return b, err
	}
	b.source = &clients.Source{Reader: informers}
	b.informers = informers
	b.store, err = directory.New(ctx, directory.Options{
		Client: b.admin, Cache: informers, Cursors: testCursors(), Clock: clock.RealClock{}, Random: rand.Reader,
	})
	return b, err
}

// testCursors are the same for all replicas.
func testCursors() *scim.Cursors {
	cursors, err := scim.NewCursors([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		panic(err)
	}
	return cursors
}

// endpoint is a running SCIM endpoint, as one client in a namespace of its own sees it.
type endpoint struct {
	backend
	t         *testing.T
	namespace string
	// origin is https://host:port, base the client's base URL.
	origin, base string
	token        string
	http         *http.Client
	metrics      *prometheus.Registry
	logs         *syncBuffer
}

// start runs the endpoint for a client of the dialect, named "idp".
func start(t *testing.T, dialect v1alpha1.Dialect, change ...func(*server.Options)) *endpoint {
	t.Helper()
	e := &endpoint{backend: sharedBackend(t), t: t, token: testToken, metrics: prometheus.NewRegistry(), logs: &syncBuffer{}}
	e.namespace = e.env.Namespace(t)
	e.create(
		&corev1.Secret{
			ObjectMeta: objectMeta(e.namespace, "idp-token"),
			StringData: map[string]string{"token": testToken + "\n"},
		},
		&v1alpha1.ScimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "idp"},
			Spec:       v1alpha1.ScimClientSpec{Dialect: dialect, Tokens: []v1alpha1.SecretKeyRef{{Name: "idp-token"}}},
		},
	)
	eventually(t, "the cache has the client and its token", func() bool {
		config, err := e.source.Client(t.Context(), e.namespace, "idp")
		return err == nil && len(config.TokenHashes) == 1
	})
	options := server.Options{
		Directory: func(s directory.Scope) server.Directory { return e.store.For(s) },
		Clients:   e.source,
		Log:       funcr.New(func(prefix, args string) { e.logs.line(prefix + args) }, funcr.Options{}),
		Metrics:   e.metrics,
	}
	for _, f := range change {
		f(&options)
	}
	handler, err := server.New(options)
	if err != nil {
		t.Fatal(err)
	}
	e.serve(handler)
	e.base = e.origin + "/" + e.namespace + "/idp/scim/v2"
	return e
}

func (e *endpoint) serve(handler http.Handler) {
	e.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(e.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatal(err)
	}
	certificate, pool := servertest.Certificate(e.t)
	s := &server.Server{
		Listener: listener, Handler: handler, Log: logr.Discard(),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil },
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Start(ctx) }()
	e.t.Cleanup(func() {
		e.http.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			e.t.Error(err)
		}
	})
	e.origin = "https://" + listener.Addr().String()
	e.http = &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

func (e *endpoint) create(objects ...client.Object) {
	e.t.Helper()
	for _, o := range objects {
		if err := e.admin.Create(e.t.Context(), o); err != nil {
			e.t.Fatal(err)
		}
	}
}

// answer is what came back.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// do sends a request below the base URL, as Okta does: with its User-Agent and Content-Type. header is name, value, name, value.
func (e *endpoint) do(method, path, body string, header ...string) *answer {
	e.t.Helper()
	return e.send(method, e.base+path, body, append([]string{"Authorization", "Bearer " + e.token}, header...)...)
}

func (e *endpoint) send(method, url, body string, header ...string) *answer {
	e.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(e.t.Context(), method, url, content)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("User-Agent", "Okta SCIM Client 1.0.0")
	req.Header.Set("Accept", "application/scim+json")
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := e.http.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	a := &answer{t: e.t, what: method + " " + req.URL.RequestURI(), status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	if len(raw) > 0 {
		want := "application/scim+json; charset=utf-8"
		if req.Header.Get("Accept") == "application/json" {
			want = "application/json; charset=utf-8"
		}
		if got := resp.Header.Get("Content-Type"); got != want {
			e.t.Errorf("%s: Content-Type %q", a.what, got)
		}
		if err := json.Unmarshal(raw, &a.body); err != nil {
			e.t.Errorf("%s: the body is not a JSON object: %v", a.what, err)
		}
	}
	return a
}

// want ends the test unless the answer has the status.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d\n%s", a.what, a.status, status, a.raw)
	}
	if status == http.StatusNoContent && a.raw != "" {
		a.t.Errorf("%s: a 204 with the body %s", a.what, a.raw)
	}
	return a
}

// refused checks that the answer is a SCIM error (RFC 7644 3.12) whose detail has the parts.
func (a *answer) refused(status int, scimType string, detail ...string) {
	a.t.Helper()
	a.want(status)
	if got, want := fmt.Sprint(a.body["schemas"]), "[urn:ietf:params:scim:api:messages:2.0:Error]"; got != want {
		a.t.Errorf("%s: schemas %s", a.what, got)
	}
	if got := a.body["status"]; got != fmt.Sprint(status) {
		a.t.Errorf("%s: the body's status is %v, want the string %d", a.what, got, status)
	}
	if got, _ := a.body["scimType"].(string); got != scimType {
		a.t.Errorf("%s: scimType %q, want %q\n%s", a.what, got, scimType, a.raw)
	}
	text, _ := a.body["detail"].(string)
	for _, part := range detail {
		if !strings.Contains(text, part) {
			a.t.Errorf("%s: the detail %q does not say %q", a.what, text, part)
		}
	}
	if text == "" {
		a.t.Errorf("%s: no detail", a.what)
	}
}

// get walks through objects by name and arrays by index.
func (a *answer) get(path ...any) any {
	var v any = a.body
	for _, step := range path {
		switch step := step.(type) {
		case string:
			o, _ := v.(map[string]any)
			v = o[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

// has checks a value.
func (a *answer) has(want any, path ...any) *answer {
	a.t.Helper()
	if got := a.get(path...); got != want {
		a.t.Errorf("%s: %v is %#v, want %#v\n%s", a.what, path, got, want, a.raw)
	}
	return a
}

func (a *answer) id() string {
	a.t.Helper()
	id, _ := a.body["id"].(string)
	if id == "" {
		a.t.Fatalf("%s: no id in %s", a.what, a.raw)
	}
	return id
}

// rows checks a ListResponse and gives its rows.
func (a *answer) rows(total int) []any {
	a.t.Helper()
	a.want(http.StatusOK)
	a.has("urn:ietf:params:scim:api:messages:2.0:ListResponse", "schemas", 0)
	a.has(float64(total), "totalResults")
	rows, ok := a.body["Resources"].([]any)
	if !ok {
		a.t.Fatalf("%s: Resources is no array: %s", a.what, a.raw)
	}
	a.has(float64(len(rows)), "itemsPerPage")
	return rows
}

// members are the ids of the members that a GET shows, sorted.
func (e *endpoint) members(group string) []string {
	e.t.Helper()
	a := e.do("GET", "/Groups/"+group, "").want(200)
	ids := []string{}
	list, _ := a.body["members"].([]any)
	for i := range list {
		ids = append(ids, fmt.Sprint(a.get("members", i, "value")))
	}
	slices.Sort(ids)
	return ids
}

func (e *endpoint) wantMembers(group string, want ...string) {
	e.t.Helper()
	want = append([]string{}, want...)
	slices.Sort(want)
	if got := e.members(group); !slices.Equal(got, want) {
		e.t.Errorf("the group has the members %v, want %v", got, want)
	}
}

// newUser pushes a user as Okta does and gives its id.
func (e *endpoint) newUser(userName string) string {
	e.t.Helper()
	return e.do("POST", "/Users", fill(oktaNewUser, "userName", userName, "givenName", "Kim", "familyName", "Lee")).want(201).id()
}

func (e *endpoint) newGroup(displayName string, members ...string) string {
	e.t.Helper()
	body := fill(oktaNewGroup, "displayName", displayName)
	body = strings.Replace(body, `"members": []`, `"members": `+memberList(members...), 1)
	return e.do("POST", "/Groups", body).want(201).id()
}

func memberList(ids ...string) string {
	list := []string{}
	for _, id := range ids {
		list = append(list, fmt.Sprintf(`{"value": %q, "display": "kim@corp.test"}`, id))
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// fill puts values in the place of {{name}}.
func fill(template string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		template = strings.ReplaceAll(template, "{{"+pairs[i]+"}}", pairs[i+1])
	}
	return template
}

func filter(expression string) string {
	return "?filter=" + url.QueryEscape(expression) + "&startIndex=1&count=100"
}

// written is the state of everything that a request could write, to compare.
func (e *endpoint) written() string {
	e.t.Helper()
	var all []string
	for _, list := range []client.ObjectList{&v1alpha1.ScimUserList{}, &v1alpha1.ScimGroupList{}, &coordinationv1.LeaseList{}} {
		if err := e.admin.List(e.t.Context(), list, client.InNamespace(e.namespace)); err != nil {
			e.t.Fatal(err)
		}
		raw, err := json.Marshal(list)
		if err != nil {
			e.t.Fatal(err)
		}
		var plain struct {
			Items []struct {
				Metadata struct{ Name, ResourceVersion string }
			}
		}
		if err := json.Unmarshal(raw, &plain); err != nil {
			e.t.Fatal(err)
		}
		for _, item := range plain.Items {
			all = append(all, fmt.Sprintf("%T %s@%s", list, item.Metadata.Name, item.Metadata.ResourceVersion))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// writesNothing checks that what f does leaves every object as it is.
func (e *endpoint) writesNothing(what string, f func()) {
	e.t.Helper()
	before := e.written()
	f()
	if after := e.written(); after != before {
		e.t.Errorf("%s: objects were written\nbefore:\n%s\nafter:\n%s", what, before, after)
	}
}

// syncBuffer collects log lines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) line(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.WriteString(s + "\n")
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// objectMeta is that of a Secret that the operator reads.
func objectMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelCredentials: ""}}
}
