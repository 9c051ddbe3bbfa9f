// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/guard"
)

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
	r.At = notAfter(r.At, l.clock.Now())
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

// Reactivated says that the user's account is active again: the approval of its revocation says nothing about a later one.
func (l *Ledger) Reactivated(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.revoked[user].Approved {
		delete(l.revoked, user)
	}
}

// RevocationApproved reports whether what the user lost within the window was approved.
func (l *Ledger) RevocationApproved(user string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimRevoked()
	return l.revoked[user].Approved
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

// RecordRevoked returns the records of ScimApp.status.guard with those users added that are not recorded yet, without those outside of the window, and the
// users that were added. There is one record a minute at most.
func RecordRevoked(records []v1alpha1.RevokedUsers, revoked map[string]Revoked, now time.Time) (after []v1alpha1.RevokedUsers, added []string) {
	after = recordsWithin(records, now)
	for _, user := range slices.Sorted(maps.Keys(revoked)) {
		r := revoked[user]
		minute, counts := minuteOf(r.At, now)
		if !r.Record || r.Recorded || r.Approved || !counts {
			continue
		}
		field := user
		if r.Leaver {
			field += "!"
		}
		after = addRecord(after, minute, []string{field}, 0)
		added = append(added, user)
	}
	return after, added
}

// recordsWithin returns the records of the window, the oldest first. One of a time in the future counts from now on.
func recordsWithin(records []v1alpha1.RevokedUsers, now time.Time) (within []v1alpha1.RevokedUsers) {
	for i := range records {
		if minute, counts := minuteOf(records[i].Time.Time, now); counts {
			within = addRecord(within, minute, strings.Fields(records[i].Users), records[i].More)
		}
	}
	return within
}

func addRecord(records []v1alpha1.RevokedUsers, minute metav1.Time, users []string, more int32) []v1alpha1.RevokedUsers {
	at := func(have v1alpha1.RevokedUsers) bool { return have.Time.Equal(&minute) }
	if !slices.ContainsFunc(records, at) {
		records = append(records, v1alpha1.RevokedUsers{Time: minute})
		slices.SortFunc(records, func(a, b v1alpha1.RevokedUsers) int { return a.Time.Compare(b.Time.Time) })
	}
	record := &records[slices.IndexFunc(records, at)]
	fields := strings.Fields(record.Users)
	record.More += more
	for _, user := range users {
		switch {
		case slices.Contains(fields, user):
		case len(fields) >= maxRecorded:
			record.More++
		default:
			fields = append(fields, user)
		}
	}
	record.Users = strings.Join(fields, " ")
	return records
}

// ParseRecords returns the users that the records of ScimApp.status.guard tell of within the window, and how many more there are.
func ParseRecords(records []v1alpha1.RevokedUsers, now time.Time) (users map[string]Revoked, more int) {
	users = map[string]Revoked{}
	for _, record := range recordsWithin(records, now) {
		more += int(record.More)
		for _, field := range strings.Fields(record.Users) {
			user, leaver := strings.CutSuffix(field, "!")
			// The end of the minute: it may have been then.
			users[user] = Revoked{At: record.Time.Add(time.Minute), Leaver: leaver, Record: true, Recorded: true}
		}
	}
	return users, more
}

// minuteOf returns the minute of a revocation and whether it counts.
func minuteOf(at, now time.Time) (minute metav1.Time, counts bool) {
	at = notAfter(at, now)
	return metav1.NewTime(at.UTC().Truncate(time.Minute)), now.Sub(at) < guard.Window+time.Minute
}

// notAfter bounds the time of a revocation. One in the future comes from a clock that was ahead.
func notAfter(at, now time.Time) time.Time {
	if at.After(now) {
		return now
	}
	return at
}
