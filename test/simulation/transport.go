// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"syscall"
	"time"
)

// callTimeout is how long the transport lets a call take, as connector.Limits.Timeout does for a real one.
const callTimeout = 20 * time.Second

// call is one HTTP request to an app.
type call struct {
	id      int
	process *process
	app     *app
	method  string
	// path below the base URL, and the query.
	path, query string
	token       string
	body        []byte
	// at is when it was sent.
	at time.Time
	// sent is whether the app may have received it.
	sent bool
	// fault is what the request meets at the app.
	fault  fault
	answer answer
}

type answer struct {
	status int
	header map[string]string
	body   []byte
}

// What a call fails with on its way.
var (
	errRefused = fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	errReset   = fmt.Errorf("read: %w", syscall.ECONNRESET)
	errTimeout = fmt.Errorf("read: %w", os.ErrDeadlineExceeded)
)

// transport is the way of one process to the apps. Each request waits there for the scheduler.
type transport struct {
	w *world
	p *process
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	r := t.w.enter(request.Context())
	if t.p.dead {
		return nil, errDead
	}
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	c, err := t.w.newCall(t.p, request)
	if err != nil {
		return nil, err
	}
	at := &wait{
		name: fmt.Sprintf("call %d %s %s", c.id, c.method, c.target()), ctx: request.Context(), deadline: time.Now().Add(callTimeout), call: c,
		effect: func() { c.answer = c.app.serve(c) },
	}
	t.w.called(r, c)
	t.w.groupsOff(c)
	t.p.respects(r, c)
	r.park(at)
	if c.sent {
		if hooks := httptrace.ContextClientTrace(request.Context()); hooks != nil && hooks.WroteHeaders != nil {
			hooks.WroteHeaders()
		}
	}
	if at.err != nil {
		return nil, at.err
	}
	response := &http.Response{
		StatusCode: c.answer.status, Status: http.StatusText(c.answer.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/scim+json"}}, Body: io.NopCloser(bytes.NewReader(c.answer.body)),
		ContentLength: int64(len(c.answer.body)), Request: request,
	}
	for name, value := range c.answer.header {
		response.Header.Set(name, value)
	}
	return response, nil
}

// CloseIdleConnections implements what http.Client looks for.
func (t *transport) CloseIdleConnections() {}

func (w *world) newCall(p *process, request *http.Request) (*call, error) {
	host, _, _ := strings.Cut(request.URL.Hostname(), ".")
	a := w.apps[host]
	if a == nil {
		return nil, errors.New("no such host")
	}
	w.calls++
	c := &call{
		id: w.calls, process: p, app: a, at: time.Now(), method: request.Method, query: request.URL.RawQuery,
		path: strings.TrimPrefix(request.URL.EscapedPath(), "/scim/v2"), token: strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer "),
	}
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		c.body = body
	}
	return c, nil
}

// target is the path and the query, for the trace.
func (c *call) target() string {
	target := c.app.name + c.path
	if strings.Contains(c.query, "filter") {
		target += "?filter"
	}
	return target
}
