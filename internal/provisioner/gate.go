// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/guard"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

const (
	// gatherTime is how long the guard waits after a revocation is asked for before it counts: the revocations of one cause are counted together.
	gatherTime = 300 * time.Millisecond
	// heldGatherTime is the same while a batch is held already, so that later revocations form one further batch and not many.
	heldGatherTime = 5 * time.Second
	// maxBatches that are held apart (ScimApp.status.batches has room for one more). Further revocations are held in overflowBatch, which cannot
	// be approved; it becomes a batch of its own when one of the others is settled.
	maxBatches    = 15
	overflowBatch = guard.OverflowBatch
)

// gate runs the mass-change guard of one app. A revocation passes only after all that are to be made were counted together. Its verdicts are in the ledger.
type gate struct {
	worker *Worker
	wake   chan struct{}

	mu sync.Mutex
	// due is when the next count is, zero for none.
	due time.Time
}

// newGate makes a gate that counts once at the start: this restores the held batches of an earlier process.
func newGate(worker *Worker) *gate {
	g := &gate{worker: worker, wake: make(chan struct{}, 1)}
	g.submit()
	return g
}

// submit asks for a count.
func (g *gate) submit() {
	wait := gatherTime
	if len(g.batches()) > 0 {
		wait = heldGatherTime
	}
	g.mu.Lock()
	if g.due.IsZero() {
		g.due = g.worker.clock.Now().Add(wait)
	}
	g.mu.Unlock()
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// pass reports whether a revocation may be made. One that was not counted yet is counted, and so is a held one whose user the provider has made inactive or deleted since:
// it leaves a batch of another cause.
func (g *gate) pass(id ledger.ID, effect string, byProvider bool) bool {
	verdict := g.worker.ledger.Verdict(id, effect)
	otherCause := byProvider && !verdict.Allowed && verdict.Batch != overflowBatch && !guard.OfLeavers(verdict.Batch)
	if verdict == (ledger.Verdict{}) || otherCause {
		g.submit()
	}
	return verdict.Allowed
}

// recount counts a revocation again, because it has changed.
func (g *gate) recount(id ledger.ID) {
	g.worker.ledger.DropVerdict(id)
	g.submit()
}

// approved reports whether a person has released the revocation.
func (g *gate) approved(id ledger.ID) bool {
	return g.worker.ledger.WasApproved(id)
}

// made says that a revocation was made or is no longer desired. One that found no room in a batch may have it now.
func (g *gate) made(id ledger.ID) {
	if g.worker.ledger.DropVerdict(id) && slices.Contains(g.batches(), overflowBatch) {
		g.submit()
	}
}

// GuardDue is how long it takes until the guard counts; false for not at all.
func (w *Worker) GuardDue() (time.Duration, bool) {
	w.gate.mu.Lock()
	defer w.gate.mu.Unlock()
	return max(0, w.gate.due.Sub(w.clock.Now())), !w.gate.due.IsZero()
}

// CountGuard counts all revocations that are to be made, and lets them pass or holds them.
func (w *Worker) CountGuard(ctx context.Context) {
	w.gate.mu.Lock()
	w.gate.due = time.Time{}
	w.gate.mu.Unlock()
	if err := w.gate.count(ctx); err != nil && ctx.Err() == nil {
		w.log.Error(err, "The mass-change guard failed to count; no revocation passes, retrying")
		w.gate.submit()
	}
}

func (g *gate) run(ctx context.Context) {
	for {
		wait, due := g.worker.GuardDue()
		if !due {
			select {
			case <-ctx.Done():
				return
			case <-g.wake:
			}
			continue
		}
		timer := g.worker.clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
			g.worker.CountGuard(ctx)
		}
	}
}

// count decides on every revocation that is to be made.
func (g *gate) count(ctx context.Context) error {
	w := g.worker
	app, err := w.view.App(ctx, w.config.Key)
	if app == nil || err != nil {
		return err
	}
	now := w.clock.Now()
	emptied := w.ledger.EmptiedNames()
	census, err := w.view.Revocations(ctx, w.config.Key, now)
	if err != nil {
		return err
	}
	known := w.ledger.Verdicts()
	revocations := g.withBatches(app, census.Revocations, known)
	limits, _ := guard.InForce(app.Object.Spec.Guard, app.Object.Status.Guard, now)
	census.Count.LeaversPassed = leaversPassed(app, census, revocations, known)
	access, clears := plain(revocations)
	verdict := guard.Decide(limits, census.Count, access)
	attributes := guard.DecideClears(limits, census.Count.Active, census.Cleared, clears)
	verdict.Pass, verdict.Hold, verdict.Held = append(verdict.Pass, attributes.Pass...), append(verdict.Hold, attributes.Hold...), append(verdict.Held, attributes.Held...)
	w.ledger.DropEmptied(settledNames(emptied, revocations))
	g.apply(verdict, revocations, known, now)
	return nil
}

// withBatches adds the batches that this process knows and the statuses do not show yet, and what is approved.
func (g *gate) withBatches(app *desired.App, revocations []desired.Revocation, known map[ledger.ID]ledger.Verdict) []desired.Revocation {
	for i := range revocations {
		r := &revocations[i]
		before := known[r.ID]
		same := before.Effect == r.Change.Effect
		if r.Batch == "" && same && r.ID.Kind == ledger.Account {
			r.Batch = before.Batch
		}
		if r.Attributes && same && before.Batch != "" && before.Batch != overflowBatch {
			r.Batch = before.Batch
			if !before.Covers(r.Change.Members) {
				// A closed batch never grows: it closes another one.
				r.Batch, r.AlwaysHold = "", true
			}
		}
		if r.Batch == overflowBatch {
			r.Batch = ""
		}
		if r.Locked {
			// It leaves its batch.
			r.Batch = ""
		}
		r.Approved = r.Batch != "" && r.Batch == app.ApprovedBatch()
		r.Allowed = before.Allowed && same && before.Removals == removalsOf(r)
	}
	return revocations
}

// removalsOf returns the members or attributes that a revocation is about, as its verdict keeps them.
func removalsOf(r *desired.Revocation) string {
	if r.Attributes {
		return ledger.RemovalsOfAttributes(r.Change.Members)
	}
	return ledger.RemovalsDigest(r.Change.Members)
}

// leaversPassed is how many leavers lost access since the oldest batch of another cause that is held now was closed.
func leaversPassed(app *desired.App, census *desired.GuardCensus, revocations []desired.Revocation, known map[ledger.ID]ledger.Verdict) int {
	closed := map[string]time.Time{}
	for _, batch := range app.Object.Status.Batches {
		if batch.HeldTime != nil {
			closed[batch.Digest] = batch.HeldTime.Time
		}
	}
	oldest := time.Time{}
	found := false
	for _, r := range revocations {
		if r.Batch == "" || r.Approved || guard.OfLeavers(r.Batch) {
			continue
		}
		// Where it is not known when a batch was closed, every leaver of the window counts.
		at := closed[r.Batch]
		if verdict := known[r.ID]; verdict.Batch == r.Batch && !verdict.Held.IsZero() {
			at = verdict.Held
		}
		if !found || at.Before(oldest) {
			oldest, found = at, true
		}
	}
	passed := 0
	for _, at := range census.Leavers {
		if found && !at.Before(oldest.Truncate(time.Second)) {
			passed++
		}
	}
	return passed
}

// plain returns the revocations of access, and the attributes that become empty.
func plain(revocations []desired.Revocation) (access, clears []guard.Revocation) {
	for i := range revocations {
		if revocations[i].Attributes {
			clears = append(clears, revocations[i].Revocation)
		} else {
			access = append(access, revocations[i].Revocation)
		}
	}
	return access, clears
}

// settledNames returns those of the attributes that no account is about to lose any more.
func settledNames(emptied map[string]bool, revocations []desired.Revocation) map[string]bool {
	for i := range revocations {
		if revocations[i].Attributes {
			for _, name := range revocations[i].Change.Members {
				delete(emptied, name)
			}
		}
	}
	return emptied
}

// apply puts the verdicts into the ledger, and wakes what passes and what is newly held.
func (g *gate) apply(verdict guard.Verdict, revocations []desired.Revocation, known map[ledger.ID]ledger.Verdict, now time.Time) {
	w := g.worker
	bySubject := make(map[string]*desired.Revocation, len(revocations))
	for i := range revocations {
		bySubject[revocations[i].Subject] = &revocations[i]
	}
	verdicts := make(map[ledger.ID]ledger.Verdict, len(revocations))
	digests := g.digests(verdict, bySubject, now)
	put := func(subject string, next ledger.Verdict) {
		r := bySubject[subject]
		next.Name, next.Effect, next.Removals = r.Name, r.Change.Effect, removalsOf(r)
		if next.Batch != "" {
			next.Cause = r.Cause
		}
		verdicts[r.ID] = next
	}
	for _, r := range verdict.Held {
		held := bySubject[r.Subject]
		put(r.Subject, ledger.Verdict{Batch: r.Batch, Held: known[held.ID].Held})
		if held.ID.Kind == ledger.Group && known[held.ID] == (ledger.Verdict{}) {
			// A group waits for the count; whoever joins is added beside a held removal.
			w.notifyOf(held.ID.Kind, held.Name)
		}
	}
	for _, r := range verdict.Hold {
		put(r.Subject, ledger.Verdict{Batch: digests[r.Kind()], Held: now})
	}
	for _, r := range verdict.Pass {
		next := ledger.Verdict{Allowed: true}
		if r.Approved || r.Locked {
			next.Batch, next.Approved = r.Batch, true
		}
		put(r.Subject, next)
	}
	w.ledger.ReplaceVerdicts(verdicts)
	for _, r := range verdict.Pass {
		g.release(bySubject[r.Subject])
	}
	for _, r := range verdict.Hold {
		held := bySubject[r.Subject]
		w.ledger.CloseRemovals(held.ID, digests[r.Kind()], held.Change.Members)
		w.notifyOf(held.ID.Kind, held.Name)
	}
	if len(verdict.Hold) > 0 {
		w.metrics.heldChanges(w.config.Key, len(verdict.Hold))
		w.notify.App(w.config.Key)
	}
}

// release enqueues the key that makes a revocation. Members of groups are recorded as revoked first: no status shows them if the process crashes during the
// call.
func (g *gate) release(r *desired.Revocation) {
	w := g.worker
	if r.ID.Kind == ledger.Group && !w.askRecord(r.Users, r.Approved, ledger.Waiting{Kind: r.ID.Kind, Name: r.Name}) {
		return
	}
	class := ClassRevocation
	if r.Attributes {
		class = ClassChange
	}
	w.queue.add(Key{Kind: r.ID.Kind, Name: r.Name}, class, r.Exclusive, 0)
}

// askRecord asks for users who lose access to be recorded in the status of the app, and returns whether they are.
func (w *Worker) askRecord(users []string, approved bool, who ledger.Waiting) bool {
	recorded := true
	for _, user := range users {
		recorded = w.ledger.AskRecord(user, ledger.Revoked{At: w.clock.Now(), Approved: approved}, who) && recorded
	}
	if !recorded {
		w.notify.App(w.config.Key)
	}
	return recorded
}

// notifyOf asks for a reconcile of the user or group.
func (w *Worker) notifyOf(kind Kind, name string) {
	object := w.config.Key
	object.Name = name
	if kind == KindGroup {
		w.notify.Group(object)
		return
	}
	w.notify.User(object)
}

// digests of the new batches, one of each kind.
func (g *gate) digests(verdict guard.Verdict, bySubject map[string]*desired.Revocation, now time.Time) map[guard.Kind]string {
	changes := map[guard.Kind][]guard.Change{}
	for i := range verdict.Hold {
		r := &verdict.Hold[i]
		changes[r.Kind()] = append(changes[r.Kind()], bySubject[r.Subject].Change)
	}
	open := map[string]bool{}
	for _, r := range verdict.Held {
		open[r.Batch] = true
	}
	digests := map[guard.Kind]string{}
	for _, kind := range []guard.Kind{guard.Revocations, guard.Leavers, guard.Attributes} {
		if len(changes[kind]) == 0 {
			continue
		}
		digests[kind] = overflowBatch
		if len(open)+len(digests) <= maxBatches {
			digests[kind] = guard.Digest(g.worker.config.Key.Name, now, kind, changes[kind])
		}
	}
	return digests
}

// batches are the digests of what waits for an approval, sorted.
func (g *gate) batches() []string { return g.worker.ledger.WaitingBatches() }

// changes are what waits for an approval.
func (g *gate) changes() map[ledger.ID]desired.HeldChange {
	removals := g.worker.ledger.AllRemovals()
	changes := map[ledger.ID]desired.HeldChange{}
	for id, verdict := range g.worker.ledger.Verdicts() {
		if verdict.Batch == "" || verdict.Approved {
			continue
		}
		change := desired.HeldChange{Name: verdict.Name, Effect: verdict.Effect, Batch: verdict.Batch, Held: verdict.Held, Users: 1, Cause: verdict.Cause}
		if lost, ok := removals[id]; ok {
			change.Users = len(lost.Users)
		}
		changes[id] = change
	}
	return changes
}
