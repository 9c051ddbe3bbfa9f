// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"iter"
	"math/rand/v2"
	"time"
)

// A pace says how often something is tried again that others got in the way of. Waits are random, so that those who collided once do not do so again.
type pace struct {
	clock Clock
	// tries of a change. With 30, the waits add up to some 10 s on average; an identity provider closes the socket after 60 s.
	tries int
	// polls of a write that is under way, before it is made to fail.
	polls int
}

const (
	tries     = 30
	polls     = 8
	shortWait = 10 * time.Millisecond
	longWait  = time.Second
	// fences is how often a write may turn out to have changed its object just before it was fenced.
	fences = 4
)

// attempts yields the wait before the next attempt.
func (p pace) attempts() iter.Seq[func(context.Context) error] {
	return func(yield func(func(context.Context) error) bool) {
		limit := shortWait
		for range p.tries {
			wait := func(ctx context.Context) error { return p.wait(ctx, limit) }
			if !yield(wait) {
				return
			}
			limit = min(2*limit, longWait)
		}
	}
}

// patience yields a wait as long as patience lasts, then nil a few times.
func (p pace) patience() iter.Seq[func(context.Context) error] {
	return func(yield func(func(context.Context) error) bool) {
		limit := shortWait
		for i := range p.polls + fences {
			wait := func(ctx context.Context) error { return p.wait(ctx, limit) }
			if i >= p.polls {
				wait = nil
			}
			if !yield(wait) {
				return
			}
			limit = min(2*limit, 10*shortWait)
		}
	}
}

// wait takes between half of d and d.
func (p pace) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.clock.After(d/2 + rand.N(d/2)):
		return nil
	}
}
