// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/server"
)

func directoryOf(b backend) func(directory.Scope) server.Directory {
	return func(s directory.Scope) server.Directory { return b.store.For(s) }
}

func logrTo(logs *syncBuffer) logr.Logger {
	return funcr.New(func(prefix, args string) { logs.line(prefix + args) }, funcr.Options{})
}

func newRegistry() *prometheus.Registry { return prometheus.NewRegistry() }

// setClock is a clock that a test sets.
type setClock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *setClock { return &setClock{now: time.Now()} }

func (c *setClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *setClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
