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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/guard"
)

// Verdict is what the mass-change guard decided of a revocation.
type Verdict struct {
	// Name of the ScimUser or ScimGroup.
	Name string
	// Effect that the verdict is about: another one is counted anew. Removals are the members that it is about, as RemovalsDigest.
	Effect   string
	Removals string
	// Allowed: it may be made.
	Allowed bool
	// Batch in which it is or was held, empty for none. Approved: a person has released the batch.
	Batch    string
	Approved bool
	// Held is when the batch was closed.
	Held time.Time
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

// ReplaceVerdicts replaces all verdicts by those of a new count.
func (l *Ledger) ReplaceVerdicts(verdicts map[ID]Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.entries {
		if _, again := verdicts[id]; !again && e.verdict != (Verdict{}) {
			e.verdict = Verdict{}
			l.dropEmpty(id)
		}
	}
	for id, verdict := range verdicts {
		l.entry(id).verdict = verdict
	}
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

// DropVerdict says that a revocation was made or is no longer desired. It returns whether it was held.
func (l *Ledger) DropVerdict(id ID) (held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil {
		return false
	}
	held = e.verdict.Batch != ""
	e.verdict = Verdict{}
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

// HasRemovals reports whether it is known which members the group is to lose.
func (l *Ledger) HasRemovals(id ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	return e != nil && e.removals != nil
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

// Revoked is a user who lost access within the guard's window without an approval.
type Revoked struct {
	At time.Time
	// Leaver: the provider made the user inactive or deleted it.
	Leaver bool
	// Record: the user's status will not show the revocation, so ScimApp.status.guard has to. Recorded: it does.
	Record, Recorded bool
	// Approved: a person released it, and it does not count. Ended: the account was deactivated or deleted; where that was approved, the removal of the account from
	// groups, which follows from it, does not count either.
	Approved, Ended bool
	// Waiting are the objects that wait for the record.
	Waiting []Waiting

	// recordedAt is the time of the revocation that the record tells of.
	recordedAt time.Time
}

// Waiting is an object that waits.
type Waiting struct {
	Kind Kind
	Name string
}

// recordAge is how much older than a revocation the record of an earlier one of the same user may be: the record ends that much too early.
const recordAge = 5 * time.Minute

// recordedFor reports whether the record tells of a revocation at that time.
func (r Revoked) recordedFor(at time.Time) bool {
	return r.Recorded && at.Sub(r.recordedAt) < recordAge
}

// AddRevoked says that a user lost access, or is about to. What was recorded before stays so.
func (l *Ledger) AddRevoked(user string, r Revoked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimRevoked()
	before := l.revoked[user]
	r.Record, r.Recorded, r.recordedAt = r.Record || before.Record, before.recordedFor(r.At), before.recordedAt
	r.Waiting = before.Waiting
	r.Approved = r.Approved && (before.At.IsZero() || before.Approved)
	r.Ended = r.Ended || before.Ended
	l.revoked[user] = r
}

// AskRecord asks for a revocation, which may be one of an earlier process, to be recorded in ScimApp.status.guard, and returns whether it is. One that was approved
// needs no record. who is notified when it is recorded.
func (l *Ledger) AskRecord(user string, r Revoked, who Waiting) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimRevoked()
	have, ok := l.revoked[user]
	switch {
	case !ok:
		have = r
	case have.Recorded && !have.Approved && !have.recordedFor(r.At):
		have.At, have.Recorded = r.At, false
	}
	have.Record = true
	done := have.Recorded || have.Approved
	if !done && !slices.Contains(have.Waiting, who) {
		have.Waiting = append(have.Waiting, who)
	}
	l.revoked[user] = have
	return done
}

// EndWasApproved reports whether the user's account was deactivated or deleted by an approval within the window. An approved loss of a role, or of a group, says nothing about
// other groups.
func (l *Ledger) EndWasApproved(user string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimRevoked()
	return l.revoked[user].Approved && l.revoked[user].Ended
}

// RevokedUsers returns the users who lost access within the window without an approval, as this process knows.
func (l *Ledger) RevokedUsers() map[string]Revoked {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimRevoked()
	counted := maps.Clone(l.revoked)
	maps.DeleteFunc(counted, func(_ string, r Revoked) bool { return r.Approved })
	return counted
}

// MarkRecorded says that ScimApp.status.guard records the users. It returns the objects that waited for that.
func (l *Ledger) MarkRecorded(users []string) []Waiting {
	l.mu.Lock()
	defer l.mu.Unlock()
	var waiting []Waiting
	for _, user := range users {
		if have, ok := l.revoked[user]; ok {
			waiting = append(waiting, have.Waiting...)
			have.Recorded, have.recordedAt, have.Waiting = true, have.At, nil
			l.revoked[user] = have
		}
	}
	return waiting
}

func (l *Ledger) trimRevoked() {
	now := l.clock.Now()
	maps.DeleteFunc(l.revoked, func(_ string, r Revoked) bool { return now.Sub(r.At) >= guard.Window })
}

// maxRecorded bounds the users whose ids a record has (RevokedUsers.users: 9 characters each, 10 for a leaver). More are counted only.
const maxRecorded = 200

// maxRecords bounds the records (GuardStatus.revoked); a minute each, and the hour has 60.
const maxRecords = 64

// RecordRevoked returns the records of ScimApp.status.guard with those users added that are not recorded yet, without those outside of the window, and the
// users that were added.
func RecordRevoked(records []v1alpha1.RevokedUsers, revoked map[string]Revoked, now time.Time) (after []v1alpha1.RevokedUsers, added []string) {
	for _, record := range records {
		if inWindow(record.Time.Time, now) {
			after = append(after, *record.DeepCopy())
		}
	}
	for _, user := range slices.Sorted(maps.Keys(revoked)) {
		r := revoked[user]
		if !r.Record || r.Recorded || r.Approved || !inWindow(r.At, now) {
			continue
		}
		after = addRecord(after, user, r)
		added = append(added, user)
	}
	if len(after) > maxRecords {
		after = after[len(after)-maxRecords:]
	}
	return after, added
}

func addRecord(records []v1alpha1.RevokedUsers, user string, r Revoked) []v1alpha1.RevokedUsers {
	minute := metav1.NewTime(r.At.UTC().Truncate(time.Minute))
	i := slices.IndexFunc(records, func(have v1alpha1.RevokedUsers) bool { return have.Time.Equal(&minute) })
	if i < 0 {
		records = append(records, v1alpha1.RevokedUsers{Time: minute})
		slices.SortFunc(records, func(a, b v1alpha1.RevokedUsers) int { return a.Time.Compare(b.Time.Time) })
		i = slices.IndexFunc(records, func(have v1alpha1.RevokedUsers) bool { return have.Time.Equal(&minute) })
	}
	fields := strings.Fields(records[i].Users)
	if len(fields) >= maxRecorded {
		records[i].More++
		return records
	}
	if r.Leaver {
		user += "!"
	}
	records[i].Users = strings.Join(append(fields, user), " ")
	return records
}

// ParseRecords returns the users that the records of ScimApp.status.guard tell of within the window, and how many more there are.
func ParseRecords(records []v1alpha1.RevokedUsers, now time.Time) (users map[string]Revoked, more int) {
	users = map[string]Revoked{}
	for _, record := range records {
		if !inWindow(record.Time.Time, now) {
			continue
		}
		more += int(record.More)
		for _, field := range strings.Fields(record.Users) {
			user, leaver := strings.CutSuffix(field, "!")
			// The end of the minute: it may have been then.
			users[user] = Revoked{At: record.Time.Add(time.Minute), Leaver: leaver, Record: true, Recorded: true}
		}
	}
	return users, more
}

// inWindow reports whether a revocation counts. A time in the future comes from a clock that was ahead, and counts for the window at most.
func inWindow(at, now time.Time) bool {
	age := now.Sub(at)
	return age < guard.Window+time.Minute && age > -guard.Window
}
