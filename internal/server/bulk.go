// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/scim-operator/scim-operator/internal/scim"
)

const (
	// bulkReserve is the time before the end of the request in which no further operation is begun, so that those under way can be finished and reported.
	bulkReserve = 2 * time.Second
	// undoTime is what is left, after the end of the request, for the removal of all that is half-made.
	undoTime = 5 * time.Second
)

// bulk is POST to /Bulk (RFC 7644 3.7). Each operation goes the way of the single request that it stands for, with the same checks, and is answered as that would be.
func (h *handler) bulk(e *exchange) (*response, error) {
	body, err := h.readBody(e)
	if err != nil {
		return nil, err
	}
	b, err := scim.ParseBulk(body, h.limits.BulkOperations, h.options(e))
	if err != nil {
		return nil, err
	}
	return &response{status: http.StatusOK, body: b.Run(&bulkOperations{h: h, e: e})}, nil
}

// bulkOperations does the operations of a bulk request.
type bulkOperations struct {
	h *handler
	// e is the exchange of the bulk request.
	e *exchange
	// failed says that the cause of a failure was logged. Further ones of the same request are like it.
	failed bool
}

// Do implements scim.BulkExecutor.
func (b *bulkOperations) Do(step scim.BulkStep) scim.BulkReply {
	reply := scim.BulkReply{Location: b.Location(step.Path)}
	if !step.Undo && !b.inTime() {
		reply.Err = scim.NewError(http.StatusServiceUnavailable,
			"the operation was not begun, because the time for one request was over: send it again, with fewer others")
		reply.Status = reply.Err.Status
		return reply
	}
	ctx, cancel := b.context(step)
	defer cancel()
	e := b.exchange(ctx, step)
	answer, err := b.answer(e, step)
	if err != nil {
		answer = errorResponse(err, e.id)
		if !b.failed {
			b.h.logFailure(e, answer.status, err)
		}
		b.failed = b.failed || answer.status >= http.StatusInternalServerError
		// The body of every error is one.
		reply.Err, _ = answer.body.(*scim.Error)
	}
	b.h.metrics.operation(e, answer.status)
	if !step.Undo {
		b.h.pushed(e, answer)
	}
	reply.Status, reply.Version = answer.status, answer.header.Get("ETag")
	if made := answer.header.Get("Location"); err == nil && step.Method == http.MethodPost {
		reply.Location, reply.ID = made, made[strings.LastIndexByte(made, '/')+1:]
	}
	return reply
}

func (b *bulkOperations) context(step scim.BulkStep) (context.Context, context.CancelFunc) {
	if !step.Undo {
		return context.WithCancel(b.e.context())
	}
	end, limited := b.e.context().Deadline()
	if !limited {
		end = b.h.now()
	}
	return context.WithDeadline(context.WithoutCancel(b.e.context()), end.Add(undoTime))
}

// exchange makes the single request that the step is.
func (b *bulkOperations) exchange(ctx context.Context, step scim.BulkStep) *exchange {
	header := http.Header{"Content-Type": {"application/scim+json"}}
	if step.IfMatch != "" {
		header.Set("If-Match", step.IfMatch)
	}
	outer := b.e.request
	r := &http.Request{
		Method: step.Method, URL: &url.URL{Path: b.e.target.base() + step.Path}, Header: header, Host: outer.Host, TLS: outer.TLS, RemoteAddr: outer.RemoteAddr,
		Body: io.NopCloser(bytes.NewReader(step.Body)), ContentLength: int64(len(step.Body)),
	}
	e := &exchange{request: r.WithContext(ctx), id: b.e.id, identity: b.e.identity, clientExists: true}
	e.target, _ = parseTarget(b.e.target.base() + step.Path)
	return e
}

func (b *bulkOperations) answer(e *exchange, step scim.BulkStep) (answer *response, err error) {
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, panicError(p)
		}
	}()
	if !isResources(e.target) {
		return nil, scim.NewError(http.StatusNotFound, "an operation of a bulk request is about /Users, /Groups or what is below them; its \"path\" names something else")
	}
	if !step.Undo {
		if err := b.h.withinRate(e.identity); err != nil {
			return nil, err
		}
	}
	return b.h.dispatch(e)
}

// isResources tells what an operation can be about: not about searches or other bulk requests.
func isResources(t target) bool { return t.resourceType() != nil && t.id != endpointSearch }

// inTime tells whether there is time for another operation.
func (b *bulkOperations) inTime() bool {
	end, limited := b.e.context().Deadline()
	return b.e.context().Err() == nil && (!limited || b.h.now().Before(end.Add(-bulkReserve)))
}

// Location implements scim.BulkExecutor.
func (b *bulkOperations) Location(path string) string {
	t, _ := parseTarget(b.e.target.base() + path)
	if !isResources(t) || t.id == "" || t.more {
		return ""
	}
	return b.h.baseURL(b.e) + t.resourceType().Endpoint + "/" + url.PathEscape(t.id)
}
