// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apps

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/provision"
)

const (
	// gatherTime is how long the guard waits after a revocation is asked for before it counts: what one cause brings comes together.
	gatherTime = 300 * time.Millisecond
	// heldGatherTime is the same while a batch is held already, so that what trickles in makes one further batch and not many.
	heldGatherTime = 5 * time.Second
	// maxBatches that are held apart (ScimApp.status.batches has room for one more). What comes on top is held in overflowBatch, which cannot
	// be approved; it becomes a batch of its own when one of the others is settled.
	maxBatches    = 15
	overflowBatch = "overflow"
)

// gate is the mass-change guard of one app. A revocation is let through only after all that are wanted were counted together: counting
// one by one would let the first ones of a mass through.
type gate struct {
	app  *App
	wake chan struct{}

	mu      sync.Mutex
	allowed map[string]bool
	// held are the batches of users by object name, before and after the reconciler wrote them into the entries.
	held map[string]string
}

func newGate(app *App) *gate {
	return &gate{app: app, wake: make(chan struct{}, 1), allowed: map[string]bool{}, held: map[string]string{}}
}

// submit asks for a count.
func (g *gate) submit() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// pass is whether the user's revocation was let through.
func (g *gate) pass(user string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.allowed[user]
}

// made says that the user's revocation was made or is not wanted any more.
func (g *gate) made(user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.allowed, user)
	delete(g.held, user)
}

func (g *gate) batchOf(user string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held[user]
}

func (g *gate) run(ctx context.Context) {
	defer g.app.workers.Done()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.wake:
		}
		wait := gatherTime
		if g.holds() {
			wait = heldGatherTime
		}
		timer := g.app.clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
		}
		if err := g.count(ctx); err != nil && ctx.Err() == nil {
			g.app.log.Error(err, "The mass-change guard cannot count; it tries again")
			g.submit()
		}
	}
}

func (g *gate) holds() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.held) > 0
}

// count looks at every revocation that is wanted and lets them through or holds them.
func (g *gate) count(ctx context.Context) error {
	app, err := g.app.view.App(ctx, g.app.config.Key)
	if app == nil || err != nil {
		return err
	}
	census, err := g.app.view.Census(ctx, g.app.config.Key, g.app.clock.Now())
	if err != nil {
		return err
	}
	let, hold := g.sort(app, census)
	for _, user := range let {
		g.app.queue.add(Key{Kind: KindAccount, Name: user}, ClassRevocation, "", 0)
	}
	for _, user := range hold {
		key := g.app.config.Key
		key.Name = user
		g.app.notify.User(key)
	}
	if len(hold) > 0 {
		g.app.metrics.heldChanges(g.app.config.Key, len(hold))
		g.app.notify.App(g.app.config.Key)
	}
	return nil
}

// sort divides the revocations into those that may be made and those that are newly held.
func (g *gate) sort(app *provision.App, census *provision.AppCensus) (let, hold []string) {
	approved := app.Object.Annotations[v1alpha1.AnnotationApproveBatch]
	if approved == overflowBatch {
		approved = ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	heldBefore := g.held
	g.held = map[string]string{}
	g.allowed = map[string]bool{}
	batches := map[string]bool{}
	var free []provision.Revocation
	for _, revocation := range census.Revocations {
		batch := revocation.Batch
		if batch == "" {
			batch = heldBefore[revocation.User.Name]
		}
		if batch == overflowBatch {
			batch = ""
		}
		switch {
		case batch == "":
			free = append(free, revocation)
		case batch == approved:
			g.allowed[revocation.User.Name] = true
			let = append(let, revocation.User.Name)
		default:
			g.held[revocation.User.Name] = batch
			batches[batch] = true
		}
	}
	over := plan.Hold(plan.Census{Active: census.Active, Done: census.Done, Held: len(g.held), Pending: len(free)}, app.Object.Spec.Guard)
	if !over {
		for _, revocation := range free {
			g.allowed[revocation.User.Name] = true
			let = append(let, revocation.User.Name)
		}
		return let, nil
	}
	changes := make([]plan.Change, len(free))
	for i, revocation := range free {
		changes[i] = revocation.Change
	}
	digest := plan.Digest(g.app.config.Key.Name, changes)
	if len(batches) >= maxBatches {
		digest = overflowBatch
	}
	for _, revocation := range free {
		g.held[revocation.User.Name] = digest
		if revocation.Batch != digest {
			hold = append(hold, revocation.User.Name)
		}
	}
	return let, hold
}

// batches are the digests of what is held, sorted.
func (g *gate) batches() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Compact(slices.Sorted(maps.Values(g.held)))
}
