// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/plan"
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
	// held are the changes in batches by the user's object name, before and after the reconciler wrote them into the entries.
	held map[string]heldChange
}

// heldChange is a change in a closed batch. An approved one keeps its batch until it is made: it is not to be counted anew.
type heldChange struct {
	batch, action string
	approved      bool
}

// newGate makes a gate that counts once by itself: what an earlier process held is known from then on.
func newGate(app *App) *gate {
	g := &gate{app: app, wake: make(chan struct{}, 1), allowed: map[string]bool{}, held: map[string]heldChange{}}
	g.submit()
	return g
}

// submit asks for a count.
func (g *gate) submit() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// pass is whether the user's revocation was let through. If it was neither let through nor held, it is counted.
func (g *gate) pass(user, action string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.allowed[user] {
		return true
	}
	if g.held[user].action != action {
		g.submit()
	}
	return false
}

// passes is whether the user's revocation was let through.
func (g *gate) passes(user string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.allowed[user]
}

// made says that the user's revocation was made or is not wanted any more. What found no room in a batch may have it now.
func (g *gate) made(user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, held := g.held[user]
	delete(g.allowed, user)
	delete(g.held, user)
	if held && slices.ContainsFunc(slices.Collect(maps.Values(g.held)), func(h heldChange) bool { return h.batch == overflowBatch }) {
		g.submit()
	}
}

// batchOf is the batch of the user's change, if it is that action.
func (g *gate) batchOf(user, action string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if held := g.held[user]; held.action == action {
		return held.batch
	}
	return ""
}

func (g *gate) run(ctx context.Context) {
	defer g.app.workers.Done()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.wake:
		}
		timer := g.app.clock.NewTimer(g.gather())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
		}
		if err := g.count(ctx); err != nil && ctx.Err() == nil {
			g.app.log.Error(err, "The mass-change guard cannot count; it lets nothing through and tries again")
			g.submit()
		}
	}
}

// gather is how long to wait before a count.
func (g *gate) gather() time.Duration {
	if len(g.batches()) > 0 {
		return heldGatherTime
	}
	return gatherTime
}

// count looks at every revocation that is wanted and lets them through or holds them.
func (g *gate) count(ctx context.Context) error {
	app, err := g.app.view.App(ctx, g.app.config.Key)
	if app == nil || err != nil {
		return err
	}
	census, err := g.app.view.Revocations(ctx, g.app.config.Key, g.app.clock.Now())
	if err != nil {
		return err
	}
	let, hold := g.sort(app, census)
	for _, revocation := range let {
		g.app.queue.add(Key{Kind: KindAccount, Name: revocation.User}, ClassRevocation, revocation.Exclusive, 0)
	}
	for _, revocation := range hold {
		key := g.app.config.Key
		key.Name = revocation.User
		g.app.notify.User(key)
	}
	if len(hold) > 0 {
		g.app.metrics.heldChanges(g.app.config.Key, len(hold))
		g.app.notify.App(g.app.config.Key)
	}
	return nil
}

// sort divides the revocations into those that may be made and those that are newly held.
func (g *gate) sort(app *desired.App, census *desired.GuardCensus) (let, hold []desired.Revocation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	let, free, closed := g.keepBatches(app, census)
	done := g.app.recent.count(census.Revoked, g.app.clock.Now())
	over := plan.Hold(plan.Census{Active: census.Active, Done: done, Held: closed, Pending: len(free)}, app.Object.Spec.Guard)
	if !over {
		for _, revocation := range free {
			g.allowed[revocation.User] = true
		}
		return append(let, free...), nil
	}
	digest := g.digest(free)
	for _, revocation := range free {
		g.held[revocation.User] = heldChange{batch: digest, action: revocation.Change.Action}
		if revocation.Batch != digest {
			hold = append(hold, revocation)
		}
	}
	return let, hold
}

// keepBatches starts over with the batches that are closed. It returns what is approved, what is in no batch, and how many changes wait for
// a person.
func (g *gate) keepBatches(app *desired.App, census *desired.GuardCensus) (approved, free []desired.Revocation, closed int) {
	before := g.held
	g.held, g.allowed = map[string]heldChange{}, map[string]bool{}
	for _, revocation := range census.Wanted {
		user, batch := revocation.User, revocation.Batch
		if known := before[user]; batch == "" && known.action == revocation.Change.Action {
			batch = known.batch
		}
		if batch == "" || batch == overflowBatch {
			free = append(free, revocation)
			continue
		}
		held := heldChange{batch: batch, action: revocation.Change.Action, approved: batch == app.ApprovedBatch()}
		g.held[user] = held
		if held.approved {
			g.allowed[user] = true
			approved = append(approved, revocation)
			continue
		}
		closed++
	}
	return approved, free, closed
}

// digest of a new batch.
func (g *gate) digest(revocations []desired.Revocation) string {
	if len(g.closed()) >= maxBatches {
		return overflowBatch
	}
	changes := make([]plan.Change, len(revocations))
	for i, revocation := range revocations {
		changes[i] = revocation.Change
	}
	return plan.Digest(g.app.config.Key.Name, g.app.clock.Now(), changes)
}

// batches are the digests of what waits for a person, sorted.
func (g *gate) batches() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed()
}

// changes are what waits for a person, by the user's object name.
func (g *gate) changes() map[string]desired.HeldChange {
	g.mu.Lock()
	defer g.mu.Unlock()
	changes := map[string]desired.HeldChange{}
	for user, held := range g.held {
		if !held.approved {
			changes[user] = desired.HeldChange{User: user, Action: v1alpha1.AccountAction(held.action), Batch: held.batch}
		}
	}
	return changes
}

func (g *gate) closed() []string {
	digests := map[string]bool{}
	for _, held := range g.held {
		if !held.approved {
			digests[held.batch] = true
		}
	}
	return slices.Sorted(maps.Keys(digests))
}

// recentRevocations are those that this process has made in the guard's window. The statuses of the users have them too, but not those of
// users and accounts that are gone since.
type recentRevocations struct {
	mu    sync.Mutex
	times map[string]time.Time
}

func (r *recentRevocations) add(user string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times == nil {
		r.times = map[string]time.Time{}
	}
	r.times[user] = now
}

// givenBack says that the user has again what was taken: it does not count any more.
func (r *recentRevocations) givenBack(user string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.times, user)
}

// count is how many users something was taken from in the guard's window: those that the statuses tell of, and those that were.
func (r *recentRevocations) count(told []string, now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.times, func(_ string, at time.Time) bool { return now.Sub(at) >= desired.GuardWindow })
	n := len(r.times)
	for _, user := range told {
		if _, known := r.times[user]; !known {
			n++
		}
	}
	return n
}
