// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// operation is an operation of this process or of an earlier one.
type operation struct {
	plan.Operation
	// since is when its outcome became unknown. A late effect is possible until the settle time is over.
	since time.Time
	// digest of what was sent, empty where that is not known.
	digest string
}

// Unsettled is an operation that is not settled.
type Unsettled struct {
	Operation *plan.Operation
	// SettledFrom is from when on an observation settles it: before, a late effect is possible. Zero while the call is under way.
	SettledFrom time.Time
}

// Adopt takes over the operation that an earlier process left: the one in status, or any change where behind says that the spec is newer than the status. It does so once, and
// returns whether it did.
func (l *Ledger) Adopt(id ID, stored *v1alpha1.AccountOperation, behind bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; (stored == nil && !behind) || (e != nil && e.adopted) {
		return false
	}
	e := l.entry(id)
	if e.current != nil || e.unsettled != nil {
		return false
	}
	op := plan.ParseOperation(stored)
	if behind {
		op = plan.Merge(op, &plan.Operation{All: true})
	}
	e.adopted = true
	e.unsettled = &operation{Operation: *op, since: l.started}
	return true
}

// Announced says that this process has written an operation into the status: it is not to be taken over.
func (l *Ledger) Announced(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry(id).adopted = true
}

// NoneStored says that the status has no operation of this or an earlier process: what was taken over is settled, and nothing is left to take over.
func (l *Ledger) NoneStored(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil && e.unsettled == nil && e.current == nil {
		e.adopted = false
		l.dropEmpty(id)
	}
}

// Unsettled returns the operation that is not settled, nil for none.
func (l *Ledger) Unsettled(id ID) *Unsettled {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil || (e.unsettled == nil && e.current == nil) {
		return nil
	}
	if e.current != nil {
		var before *plan.Operation
		if e.unsettled != nil {
			before = &e.unsettled.Operation
		}
		return &Unsettled{Operation: plan.Merge(before, &e.current.Operation)}
	}
	op := e.unsettled.Operation
	return &Unsettled{Operation: &op, SettledFrom: e.unsettled.since.Add(l.settle)}
}

// Begin says that a call for an operation is about to be made. digest is of all that is sent.
func (l *Ledger) Begin(id ID, op *plan.Operation, digest string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.idle = 0
	e.current = &operation{Operation: *op, digest: digest}
}

// Withdraw says that the call of Begin is not made.
func (l *Ledger) Withdraw(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		e.current = nil
		l.dropEmpty(id)
	}
}

// Failed says that the call of Begin certainly had no effect. A former leader that has not noticed may have made the same call: while one of its calls may show up, the
// outcome is unknown.
func (l *Ledger) Failed(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	switch {
	case e == nil:
	case l.clock.Now().Before(l.started.Add(l.settle)):
		l.unknown(e)
	default:
		e.current = nil
		l.dropEmpty(id)
	}
}

// Unknown says that the call of Begin may have taken effect.
func (l *Ledger) Unknown(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		l.unknown(e)
	}
}

func (l *Ledger) unknown(e *entry) {
	if e.current == nil {
		return
	}
	merged := operation{since: l.clock.Now(), digest: e.current.digest}
	var before *plan.Operation
	if e.unsettled != nil {
		before = &e.unsettled.Operation
		if e.unsettled.digest != e.current.digest {
			merged.digest = ""
		}
	}
	merged.Operation = *plan.Merge(before, &e.current.Operation)
	merged.Superseded = false
	e.unsettled, e.current = &merged, nil
}

// Succeeded says that the app has confirmed the call of Begin for a step. It returns the operation that is still not settled: a late effect of an earlier call, nil
// for none.
func (l *Ledger) Succeeded(id ID, step plan.Step) *plan.Operation {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil {
		return nil
	}
	current := e.current
	e.current = nil
	if e.unsettled == nil {
		l.dropEmpty(id)
		return nil
	}
	same := current != nil && current.digest != "" && current.digest == e.unsettled.digest
	// A deactivation says nothing about the attributes that an earlier call may have written.
	over := step.Action != v1alpha1.ActionDeactivate && !l.clock.Now().Before(e.unsettled.since.Add(l.settle))
	if e.unsettled.Repeats(step) || same || over {
		e.unsettled = nil
		l.dropEmpty(id)
		return nil
	}
	// The app may not show this very call yet, either.
	e.unsettled.Superseded, e.unsettled.since = true, l.clock.Now()
	op := e.unsettled.Operation
	return &op
}

// Observed says that an observation has settled the operation.
func (l *Ledger) Observed(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		e.unsettled, e.current = nil, nil
		l.dropEmpty(id)
	}
}

// ExpectLateEffect says that a late effect of an earlier call may still change an account that was found: it is observed once the settle time is over. The call was made for a
// former owner of remoteID, or by an earlier process.
func (l *Ledger) ExpectLateEffect(id ID, remoteID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := l.started
	if left := l.owners.left[remoteID]; left.After(since) {
		since = left
	}
	if !l.clock.Now().Before(since.Add(l.settle)) {
		return
	}
	e := l.entry(id)
	e.adopted = true
	e.unsettled = &operation{Operation: plan.Operation{All: true, Superseded: true}, since: since}
}

// Suspect says that the app may not have an account any more, or another one than the status says: it is observed. It returns false where an operation is not settled: then the
// account is observed anyway.
func (l *Ledger) Suspect(id ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	if e.current != nil || e.unsettled != nil {
		return false
	}
	e.adopted = true
	e.unsettled = &operation{Operation: plan.Operation{All: true, Superseded: true}, since: l.clock.Now().Add(-l.settle)}
	return true
}

// Intended says that this process has written the intent to create: nothing was called before.
func (l *Ledger) Intended(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry(id).intended = true
}

// Sent says that an account was looked up, not found, and that its create is being sent.
func (l *Ledger) Sent(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.sent, e.idle = true, 0
}

// Refused says that the create of Sent certainly made nothing: what is found from then on is not its own, unless an earlier create may have made it.
func (l *Ledger) Refused(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil && e.unknownSince.IsZero() {
		e.sent = false
		l.dropEmpty(id)
	}
}

// WasSent reports whether this process has sent the create.
func (l *Ledger) WasSent(id ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	return e != nil && e.sent
}

// NeverCalled reports whether this process wrote the intent to create, and has made no call for it.
func (l *Ledger) NeverCalled(id ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	return e != nil && e.intended && !e.sent
}

// MarkUnknown says that a create, or a change of a group, may have taken effect.
func (l *Ledger) MarkUnknown(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry(id).unknownSince = l.clock.Now()
}

// KnownAgain says that the create or the change of a group is settled.
func (l *Ledger) KnownAgain(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		e.unknownSince = time.Time{}
		l.dropEmpty(id)
	}
}

// SettleWait is how long to wait until a late effect of a create, or of a change of a group, is no longer possible. announced: the status says that one may have been made;
// if this process did not write so, an earlier one may have called just before this one started.
func (l *Ledger) SettleWait(id ID, announced bool) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var since time.Time
	e := l.entries[id]
	switch {
	case e != nil && !e.unknownSince.IsZero():
		since = e.unknownSince
	case !announced, e != nil && (e.intended || e.sent || e.adopted):
		return 0
	case id.Kind == Account && l.inherited != nil && !l.inherited[id.UID]:
		// Another process has announced the create since this one took over: another one leads, or has led.
		l.entry(id).unknownSince = l.clock.Now()
		return l.settle
	default:
		since = l.started
	}
	return max(0, since.Add(l.settle).Sub(l.clock.Now()))
}
