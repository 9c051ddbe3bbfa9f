// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// exchange is one request on its way to an answer.
type exchange struct {
	request *http.Request
	// writer is there for the limit on the request's body alone.
	writer   http.ResponseWriter
	id       string
	target   target
	identity Identity
	// clientExists says that the target's namespace and client are names of ours, not something that a stranger made up.
	clientExists bool
	// release, if set, gives back what the request has reserved.
	release func()
	// loginFailure is the reason if the log-in failed.
	loginFailure string
}

func (e *exchange) context() context.Context { return e.request.Context() }

// response is an answer. A nil body is none.
type response struct {
	status int
	body   any
	header http.Header
}

// ServeHTTP answers one request, whatever happens, and logs and counts it.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.now()
	ctx, cancel := context.WithTimeout(r.Context(), h.limits.Request)
	defer cancel()
	e := &exchange{request: r.WithContext(ctx), writer: w, id: requestID(r)}

	defer func() {
		if e.release != nil {
			e.release()
		}
	}()

	// What panics once the answer is made cannot be answered any more. net/http would log its value.
	defer func() {
		if p := recover(); p != nil {
			h.logFailure(e, http.StatusInternalServerError, panicError(p))
			panic(http.ErrAbortHandler)
		}
	}()

	answer, err := h.answer(e)
	if err != nil {
		answer = errorResponse(err, e.id)
		h.logFailure(e, answer.status, err)
	}
	h.active(e, answer)
	status := write(w, e, answer)
	took := h.now().Sub(start)
	h.metrics.observe(e, status, took)
	h.log.Info("Request", e.logValues(status, took)...)
}

// logValues describe the exchange without anything that it carried.
func (e *exchange) logValues(status int, took time.Duration) []any {
	values := []any{
		"method", knownMethod(e.request.Method), "route", e.target.pattern(), "status", status, "duration", took.String(), "requestID", e.id,
	}
	if e.clientExists {
		values = append(values, "namespace", e.target.namespace, "client", e.target.client)
	}
	if e.loginFailure != "" {
		values = append(values, "loginFailure", e.loginFailure)
	}
	return values
}

// answer finds out who asks, and for what, and does it. A panic is an error like others: one bad request does not end the process.
func (h *handler) answer(e *exchange) (answer *response, err error) {
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, panicError(p)
		}
	}()
	t, ok := h.targetOf(e.request.URL.EscapedPath())
	if !ok {
		return nil, outsideBase(e.request.URL.EscapedPath())
	}
	e.target = t
	if err := h.authenticate(e); err != nil {
		return nil, err
	}
	return h.dispatch(e)
}

// dispatch does what an authenticated request asks of its target. Operations of a bulk request come here, too, each as the request that it stands for.
func (h *handler) dispatch(e *exchange) (*response, error) {
	actions := e.target.actions()
	if len(actions) == 0 {
		return nil, scim.NewError(http.StatusNotFound, "there is no such endpoint: /ResourceTypes lists those that there are")
	}
	if err := e.permit(); err != nil {
		return nil, err
	}
	method := e.request.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	do, ok := actions[method]
	if !ok {
		return nil, &methodNotAllowed{method: knownMethod(method), allow: allowed(actions)}
	}
	return do(h, e)
}

// panicked is the error that a panic becomes.
type panicked struct {
	text  string
	stack []byte
}

func (p *panicked) Error() string { return "panic: " + p.text }

// panicError keeps the text of the runtime's own panics. Others may hold what the request held.
func panicError(p any) error {
	text := fmt.Sprintf("%T", p)
	if e, ok := p.(runtime.Error); ok {
		text = e.Error()
	}
	return &panicked{text: text, stack: debug.Stack()}
}

// logFailure logs the cause of an answer that does not tell it.
func (h *handler) logFailure(e *exchange, status int, err error) {
	if status < http.StatusInternalServerError || status == http.StatusNotImplemented {
		return
	}
	values := []any{"requestID", e.id, "route", e.target.pattern(), "status", status, "cause", loggable(err)}
	var p *panicked
	if errors.As(err, &p) {
		values = append(values, "stack", string(p.stack))
	}
	h.log.Error(nil, "Request failed", values...)
}

// write sends the answer and gives its status. What cannot be sent is lost: the client has gone.
func write(w http.ResponseWriter, e *exchange, answer *response) (status int) {
	status = answer.status
	var body []byte
	if answer.body != nil {
		var err error
		if body, err = json.Marshal(answer.body); err != nil {
			answer = errorResponse(err, e.id)
			status = answer.status
			// An error body always marshals.
			body, _ = json.Marshal(answer.body)
		}
	}
	header := w.Header()
	for name, values := range answer.header {
		header[name] = values
	}
	header.Set(requestIDHeader, e.id)
	// Answers hold personal data: no proxy on the way keeps them.
	header.Set("Cache-Control", "no-store")
	if answer.body != nil {
		header.Set("Content-Type", answerType(e.request.Header))
		header.Set("Content-Length", strconv.Itoa(len(body)))
		header.Set("X-Content-Type-Options", "nosniff")
	}
	w.WriteHeader(status)
	if answer.body != nil && e.request.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
	return status
}
