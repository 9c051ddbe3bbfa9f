// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// showEvery is how often the tables are looked at.
const showEvery = 500 * time.Millisecond

// getter gets the table of a kind.
type getter interface {
	get(ctx context.Context, kind string) (*table, error)
}

// watch shows what changes in the tables, as kubectl get --watch does: the rows that changed, under their header.
type watch struct {
	tables getter

	mu     sync.Mutex // guards what follows, so that lines do not mix
	out    io.Writer
	before map[string]*table
}

func newWatch(out io.Writer, tables getter) *watch {
	return &watch{tables: tables, out: out, before: map[string]*table{}}
}

// say prints a line between the tables.
func (w *watch) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = fmt.Fprintf(w.out, format+"\n", args...)
}

// start shows changes until stop, which returns when nothing more is printed.
func (w *watch) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The first error that is not the end is the API server's end, which somebody else reports.
		_ = w.until(ctx)
	}()
	return func() { cancel(); <-done }
}

// until shows changes until the context ends.
func (w *watch) until(ctx context.Context) error {
	ticker := time.NewTicker(showEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := w.changes(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// changes shows what changed since the last look.
func (w *watch) changes(ctx context.Context) error {
	for _, kind := range kinds {
		now, err := w.tables.get(ctx, kind)
		if err != nil {
			return err
		}
		w.change(kind, now)
	}
	return nil
}

func (w *watch) change(kind string, now *table) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.before[kind]
	if before == nil {
		before = &table{}
	}
	w.before[kind] = now
	rows, gone := now.changed(before)
	if len(rows) > 0 {
		_, _ = fmt.Fprintf(w.out, "\n%s:\n", kind)
		now.print(w.out, rows)
	}
	if len(gone) > 0 {
		_, _ = fmt.Fprintf(w.out, "\n%s: gone: %s\n", kind, strings.Join(gone, ", "))
	}
}

// all shows the whole tables.
func (w *watch) all(ctx context.Context) error {
	for _, kind := range kinds {
		now, err := w.tables.get(ctx, kind)
		if err != nil {
			return err
		}
		w.mu.Lock()
		w.before[kind] = now
		_, _ = fmt.Fprintf(w.out, "\n%s:\n", kind)
		now.print(w.out, nil)
		w.mu.Unlock()
	}
	return nil
}
