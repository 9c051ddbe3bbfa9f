// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"io"
	"time"
)

const (
	// smallBody is the size up to which a body is read without asking, in bytes: that of most requests by far.
	smallBody = 1 << 20
	// largeBodyWait is how long a large body waits for others to be done with.
	largeBodyWait = 10 * time.Second
)

// readAll reads a body of that length, -1 if it is not known. Large ones, up to the limit, are not read before there is memory for them: what was made of one takes
// about four times its size until the request is answered.
func (h *handler) readAll(e *exchange, body io.Reader, length, limit int64) ([]byte, error) {
	if length > smallBody {
		if err := h.reserve(e, length); err != nil {
			return nil, err
		}
		return io.ReadAll(body)
	}
	begin, err := io.ReadAll(io.LimitReader(body, smallBody))
	if err != nil || length >= 0 || len(begin) < smallBody {
		return begin, err
	}
	if err := h.reserve(e, limit); err != nil {
		return nil, err
	}
	rest, err := io.ReadAll(body)
	return append(begin, rest...), err
}

// reserve waits until a large body may be read. It is given back at the end of the exchange.
func (h *handler) reserve(e *exchange, size int64) error {
	if e.writer == nil {
		// An operation of a bulk request, whose body is in memory already.
		return nil
	}
	size = min(size, h.limits.LargeBodies)
	ctx, cancel := context.WithTimeout(e.context(), largeBodyWait)
	defer cancel()
	if err := h.largeBodies.Acquire(ctx, size); err != nil {
		return &unavailable{cause: errors.New("too many large bodies at once"), retryAfter: wholeSeconds(largeBodyWait)}
	}
	e.release = func() { h.largeBodies.Release(size) }
	return nil
}
