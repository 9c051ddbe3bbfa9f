// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"slices"
	"strings"
	"time"
)

// This file lets a simulation take the steps of the running apps one by one, in place of their goroutines.

// manual is what an app knows that a simulation drives.
type manual struct {
	// ctx ends when the app is stopped.
	ctx context.Context //nolint:containedctx // as the goroutines have it that are not there
	// due is when the guard counts next, zero while nobody has asked for it.
	due time.Time
	// registry is told when the app was stopped and the last look at a key has ended.
	registry *Registry
	looks    int
	stopped  bool
}

// Begin is Start without goroutines. The registry must be Manual.
func (r *Registry) Begin(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ctx = ctx
}

// Workers are the running apps, sorted by namespace and name.
func (r *Registry) Workers() []*App {
	r.mu.Lock()
	defer r.mu.Unlock()
	apps := make([]*App, 0, len(r.running))
	for _, app := range r.running {
		apps = append(apps, app)
	}
	slices.SortFunc(apps, func(a, b *App) int { return strings.Compare(a.config.Key.String(), b.config.Key.String()) })
	return apps
}

// Name of the app.
func (a *App) Name() string { return a.config.Key.Name }

// Pick takes the next key to work on out of the queue. If there is none, it says how long it takes until there may be one.
func (a *App) Pick() (key Key, wait time.Duration, ok bool) { return a.queue.pick() }

// Handle is one look at a key that was picked, with everything that follows from it. It may run beside others of the same app.
func (a *App) Handle(ctx context.Context, key Key) {
	a.manual.looks++
	defer func() {
		a.manual.looks--
		if a.manual.stopped && a.manual.looks == 0 {
			a.config.Connector.Close()
			a.manual.registry.ended(a.config.Key)
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.manual.ctx, cancel)()
	a.look(ctx, key)
}

// endManually ends a stopped app once no look at a key is under way. The lock of the registry is held.
func (a *App) endManually() {
	a.manual.stopped = true
	if a.manual.looks == 0 {
		a.config.Connector.Close()
		delete(a.manual.registry.ending, a.config.Key)
		a.notify.App(a.config.Key)
	}
}

// GuardDue is how long it takes until the guard has to count, false if nobody has asked for that.
func (a *App) GuardDue() (time.Duration, bool) {
	select {
	case <-a.gate.wake:
		if a.manual.due.IsZero() {
			a.manual.due = a.clock.Now().Add(a.gate.gather())
		}
	default:
	}
	if a.manual.due.IsZero() || a.manual.ctx.Err() != nil {
		return 0, false
	}
	return a.manual.due.Sub(a.clock.Now()), true
}

// CountGuard makes the guard count.
func (a *App) CountGuard(ctx context.Context) {
	a.manual.due = time.Time{}
	if err := a.gate.count(ctx); err != nil {
		a.log.Error(err, "The mass-change guard cannot count; it lets nothing through and tries again")
		a.gate.submit()
	}
}
