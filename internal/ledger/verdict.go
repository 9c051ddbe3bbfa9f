// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Verdict is what the mass-change guard decided of a revocation.
type Verdict struct {
	// Name of the ScimUser or ScimGroup.
	Name string
	// Effect that the verdict is about: another one is counted anew. Removals are the members that it is about, as RemovalsDigest, or the names of attributes, as
	// RemovalsOfAttributes.
	Effect   string
	Removals string
	// Allowed: it may be made.
	Allowed bool
	// Batch in which it is or was held, empty for none. Approved: a person has released the batch.
	Batch    string
	Approved bool
	// Held is when the batch was closed, and Cause what a person is told of it beside the effect.
	Held  time.Time
	Cause string
}

// Verdict returns what the guard decided, the zero Verdict where it has not counted the revocation with this effect.
func (l *Ledger) Verdict(id ID, effect string) Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil || e.verdict.Effect != effect {
		return Verdict{}
	}
	return e.verdict
}

// WasApproved reports whether a person has released the revocation, whatever its effect.
func (l *Ledger) WasApproved(id ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	return e != nil && e.verdict.Approved
}

// ReplaceVerdicts replaces all verdicts by those of a new count.
func (l *Ledger) ReplaceVerdicts(verdicts map[ID]Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.entries {
		if _, again := verdicts[id]; !again && e.verdict != (Verdict{}) {
			l.setVerdict(e, Verdict{})
			l.dropEmpty(id)
		}
	}
	for id, verdict := range verdicts {
		l.setVerdict(l.entry(id), verdict)
	}
}

// setVerdict keeps a verdict, and how many wait in each batch.
func (l *Ledger) setVerdict(e *entry, verdict Verdict) {
	if batch := e.verdict.waitsIn(); batch != "" {
		if l.waiting[batch]--; l.waiting[batch] == 0 {
			delete(l.waiting, batch)
		}
	}
	e.verdict = verdict
	if batch := verdict.waitsIn(); batch != "" {
		l.waiting[batch]++
	}
}

// waitsIn returns the batch in which the revocation waits for an approval, empty for none.
func (v Verdict) waitsIn() string {
	if v.Approved {
		return ""
	}
	return v.Batch
}

// WaitingBatches returns the batches that wait for an approval, sorted.
func (l *Ledger) WaitingBatches() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.waiting))
}

// Verdicts returns all verdicts.
func (l *Ledger) Verdicts() map[ID]Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[ID]Verdict{}
	for id, e := range l.entries {
		if e.verdict != (Verdict{}) {
			all[id] = e.verdict
		}
	}
	return all
}

// AskEmptied says that an account is about to lose the values of attributes.
func (l *Ledger) AskEmptied(names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range names {
		l.emptied[name] = true
	}
}

// EmptiedNames returns the attributes of which an account is about to lose the value.
func (l *Ledger) EmptiedNames() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.emptied)
}

// DropEmptied says that no account is about to lose the values of these attributes any more.
func (l *Ledger) DropEmptied(names map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range names {
		delete(l.emptied, name)
	}
}

// DropVerdict says that a revocation was made or is no longer desired. It returns whether it was held.
func (l *Ledger) DropVerdict(id ID) (held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil {
		return false
	}
	held = e.verdict.Batch != ""
	l.setVerdict(e, Verdict{})
	l.dropEmpty(id)
	return held
}

// Removals are the members that a pushed group is to lose, as its last read showed.
type Removals struct {
	// Name of the group.
	Name string
	// Members by the app's ids, and the users that they stand for, as the guard counts them.
	Members, Users []string
	// Empties: no member would be left of MinEmptied or more.
	Empties bool
}

// SetRemovals keeps the members that a group is to lose, nil for none.
func (l *Ledger) SetRemovals(id ID, removals *Removals) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.removals = removals
	if removals == nil {
		e.closed = closedRemovals{}
	}
	l.dropEmpty(id)
}

// RemovalsDigest returns a short hash of members that a group is to lose, in whatever order; empty for none.
func RemovalsDigest(members []string) string {
	if len(members) == 0 {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", slices.Sorted(slices.Values(members))))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// RemovalsOfAttributes returns the form in which a verdict keeps the names of attributes that become empty.
func RemovalsOfAttributes(names []string) string {
	return strings.Join(slices.Sorted(slices.Values(names)), ",")
}

// Covers reports whether the verdict is about all of these attributes.
func (v Verdict) Covers(names []string) bool {
	covered := strings.Split(v.Removals, ",")
	return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(covered, name) })
}

// CloseRemovals says that the removals of these members are held in a batch: exactly these, and none that come later.
func (l *Ledger) CloseRemovals(id ID, batch string, members []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil && e.removals != nil {
		e.closed = closedRemovals{batch: batch, members: members}
	}
}

// RemovalsBatch returns the batch in which the removals of a group are held, empty for none. outside: a batch is held, and not all of the removals are among those with
// which it was closed. stored and digest are the batch and its members as the status has them, for a batch of an earlier process.
func (l *Ledger) RemovalsBatch(id ID, removals Removals, stored, digest string) (batch string, outside bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil || e.removals == nil {
		return "", false
	}
	if e.closed.batch == "" && stored != "" {
		if RemovalsDigest(removals.Members) != digest {
			return "", true
		}
		e.closed = closedRemovals{batch: stored, members: removals.Members}
	}
	if !e.closed.all(removals.Members) {
		return "", true
	}
	return e.closed.batch, false
}

// HeldRemovals returns the digest of those removals of a group that its batch has: of the present ones, or, if others have come, of those with which it was closed.
func (l *Ledger) HeldRemovals(id ID) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil || e.removals == nil || e.closed.batch == "" {
		return ""
	}
	if e.closed.all(e.removals.Members) {
		return RemovalsDigest(e.removals.Members)
	}
	return RemovalsDigest(e.closed.members)
}

// closedRemovals are the members whose removal is held in a batch.
type closedRemovals struct {
	batch   string
	members []string
}

// all reports whether the batch has all of the members, or there is no batch.
func (c closedRemovals) all(members []string) bool {
	closed := make(map[string]bool, len(c.members))
	for _, member := range c.members {
		closed[member] = true
	}
	return c.batch == "" || !slices.ContainsFunc(members, func(member string) bool { return !closed[member] })
}

// AllRemovals returns the removals of all groups.
func (l *Ledger) AllRemovals() map[ID]Removals {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[ID]Removals{}
	for id, e := range l.entries {
		if e.removals != nil {
			all[id] = *e.removals
		}
	}
	return all
}
