// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Between being told to end and ending, a replica answers, and has connections closed.
func TestAReplicaGoesOnForAWhileWhenItIsToldToEnd(t *testing.T) {
	told, tell := context.WithCancel(t.Context())
	const delay = 200 * time.Millisecond
	d := drainAfter(told, delay)
	server := httptest.NewServer(d.handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answer") })))
	defer server.Close()
	// closes asks something, and says whether the connection is to be closed.
	closes := func() bool {
		t.Helper()
		resp, err := http.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "answer" {
			t.Fatalf("answer %q, %v", body, err)
		}
		return resp.Close
	}
	if closes() {
		t.Error("before: connections are closed")
	}
	began := time.Now()
	tell()
	for !closes() {
		if d.Err() != nil {
			t.Fatal("it ended, and kept connections until then")
		}
	}
	<-d.Done()
	if took := time.Since(began); took < delay {
		t.Errorf("it ended after %s, want %s at least", took, delay)
	}
	if told.Err() == nil {
		t.Error("it ended by itself")
	}
}
