// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/sync/semaphore"
)

func TestLargeBodiesWaitForMemory(t *testing.T) {
	const room = 4 << 20
	h := &handler{limits: Limits{LargeBodies: room}, largeBodies: semaphore.NewWeighted(room)}
	read := func(ctx context.Context, size int, length int64) (*exchange, error) {
		e := &exchange{request: httptest.NewRequest(http.MethodPut, "/", nil).WithContext(ctx), writer: httptest.NewRecorder()}
		body, err := h.readAll(e, bytes.NewReader(make([]byte, size)), length, room)
		if err == nil && len(body) != size {
			t.Errorf("%d bytes of %d", len(body), size)
		}
		return e, err
	}
	first, err := read(t.Context(), 3<<20, 3<<20)
	if err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	var busy *unavailable
	for _, length := range []int64{2 << 20, -1} {
		if _, err := read(impatient, 2<<20, length); !errors.As(err, &busy) || busy.retryAfter == 0 {
			t.Errorf("a body of length %d: %v, want a 503 that says when to come again", length, err)
		}
	}
	for _, length := range []int64{smallBody, -1} {
		if _, err := read(impatient, smallBody-1, min(length, smallBody-1)); err != nil {
			t.Errorf("a small body has to wait: %v", err)
		}
	}
	first.release()
	second, err := read(t.Context(), 2<<20, -1)
	if err != nil {
		t.Fatal(err)
	}
	second.release()
	if !h.largeBodies.TryAcquire(room) {
		t.Error("something is not given back")
	}
}
