// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ledger holds everything that a process remembers of apps beyond the cache, keyed by the UID of the user or group. Durable facts are in etcd; a
// ledger is lost at the end of the term of leadership.
//
// A Ledger belongs to one app and outlives its worker: a new token does not make it forget. A Book has the ledgers of all apps and what is remembered of users and groups as
// a whole. The entries of a user or group end with it, also where the delete event is the last that is heard of it. What is in them, the invariant of each, and what a restart does to it:
//
//	outcome     What a worker decided that is not written yet. Dropped only when a status that holds it was written. Restart: lost; the operation in status, the
//	            state Creating or a spec that is newer than the status says that the app may have it, and it is observed.
//	written     A status that this process wrote and the cache does not show yet. Dropped when the cache shows it. Restart: not needed, a new cache is never older.
//	unsettled   The operation that may have taken effect and is not settled. Every status write of the user holds it. Restart: taken over from status; where the
//	            spec is newer than the status it is "any change". It is settled by an observation after the settle time, or by the success of the same call.
//	current     The operation whose call is in flight. Restart: as unsettled.
//	writing     The users whose status is being written. A call begins before that, and the status holds its operation, or after it. Restart: nothing is being written.
//	intended    This process wrote the intent to create and has made no call for it. Restart: the lookup waits for the settle time.
//	inherited   The users whose create was announced when this process took over. What another process announces since waits for the settle time: two leaders may
//	            overlap. Restart: read from status.
//	sent        This process has looked an account up, did not find it, and has sent its create: an account that is found from then on was created by
//	            the operator, unless the app refused the create. Restart: externalId tells.
//	absent      Since when the app answers that it does not have an account or group. Dropped when it shows it, or is in sync. Restart: the settle time begins anew.
//	attempt     What failed last, so that only the same attempt waits for nextRetryTime. Restart: every entry with a nextRetryTime waits for it, unless its reason is
//	            about credentials, which may be new.
//	backoff     The attempt whose call failed, or found nothing yet, and the time before which it is not made again, whatever enqueues its key. Another attempt is made at
//	            once. Restart: the first attempt is made at once.
//	verdict     What the mass-change guard decided of a revocation. Restart: the batch is in status, the rest is counted again.
//	removals    The users who would lose membership of a pushed group, and those with which its held batch was closed. Restart: the group is read again; the status has a
//	            hash of the members that are held.
//	members     The members that a group may have in the app: those that were written last, and those of a call whose outcome is unknown. Restart: the desired ones
//	            where the group is in sync, else those of the ScimGroupRecord, which is written where the app does not show members; else unknown: where the app does
//	            not show them, all members that the status counts are taken for removed by the next change.
//	revoked     Users who lost access within the guard's window, or may have: the outcome of a call is unknown. Restart: read from the users' statuses and
//	            ScimApp.status.guard; an operation in status that revokes access counts from then on, and an observation that shows its effect writes revokedTime.
//	waits       The owner of the account that a user waits for. Restart: reconciled again.
//	owners      The owner of an account that a stale cache does not show, the call that holds the account, and when such a call ended. Restart: status has the
//	            owner; calls ended.
//	paused      The time before which the app asked for no calls; the latest one wins. Restart: ScimApp.status.pausedUntil.
//	found       What the answers of the app say about attributes. It takes precedence over ScimApp.status.attributes, which the app's reconciler writes from it; it does
//	            not count once the mapping is another one. Restart: read from status; one account may be read again for an attribute that answers do not show.
//	idle        How often a key was reconciled without a call, a write or a wait. Restart: begins at 0.
package ledger

import (
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Kind of the object that an entry is about.
type Kind string

const (
	// Account: a ScimUser's account.
	Account Kind = "Account"
	// Group: a pushed ScimGroup.
	Group Kind = "Group"
)

// ID of an entry.
type ID struct {
	Kind Kind
	UID  types.UID
}

// Ledger is what this process remembers of one app. Its methods may be called concurrently.
type Ledger struct {
	clock clock.PassiveClock

	mu sync.Mutex
	// started is when this process took over: calls of an earlier one may arrive until the settle time is over.
	started time.Time
	settle  time.Duration
	// inherited are the users whose create was announced when this process took over, nil while they are not known.
	inherited map[types.UID]bool
	entries   map[ID]*entry
	// outcomes by UID, counted by serial.
	serial   uint64
	accounts map[types.UID]Outcome[v1alpha1.Account]
	groups   map[types.UID]Outcome[v1alpha1.PushedGroupStatus]
	owners   owners
	revoked  map[string]Revoked
	paused   time.Time
	// waiting is how many revocations wait for an approval, by batch.
	waiting map[string]int
	found   findings
}

// entry is what is remembered of one account or pushed group.
type entry struct {
	name      string
	unsettled *operation
	current   *operation
	// adopted: the operation in status was taken over from an earlier process, or is this process's own.
	adopted  bool
	intended bool
	sent     bool
	// unknownSince is when the outcome of a create, or of any change of a group, became unknown.
	unknownSince time.Time
	// absentSince is when the app first answered that it does not have the account or group.
	absentSince time.Time
	attempt     Attempt
	tried       bool
	triedAt     time.Time
	failures    int
	backoff     backoff
	woken       int
	verdict     Verdict
	removals    *Removals
	closed      closedRemovals
	members     *Members
	waitsFor    types.UID
	idle        int
}

func (e *entry) empty() bool {
	return e.unsettled == nil && e.current == nil && !e.adopted && !e.intended && !e.sent && e.unknownSince.IsZero() && e.absentSince.IsZero() && !e.tried && e.failures == 0 &&
		e.backoff == backoff{} && e.woken == 0 && e.verdict == Verdict{} && e.removals == nil && e.members == nil && e.waitsFor == "" && e.idle == 0
}

func newLedger(clk clock.PassiveClock, started time.Time) *Ledger {
	return &Ledger{
		clock: clk, started: started, entries: map[ID]*entry{},
		accounts: map[types.UID]Outcome[v1alpha1.Account]{}, groups: map[types.UID]Outcome[v1alpha1.PushedGroupStatus]{},
		owners: newOwners(), revoked: map[string]Revoked{},
		waiting: map[string]int{},
	}
}

// begin says when this process took over, and which users' creates were announced then.
func (l *Ledger) begin(started time.Time, creating map[types.UID]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started, l.inherited = started, creating
}

// SetSettle says how long the app may not show a write.
func (l *Ledger) SetSettle(settle time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle = settle
}

func (l *Ledger) entry(id ID) *entry {
	e := l.entries[id]
	if e == nil {
		e = &entry{}
		l.entries[id] = e
	}
	return e
}

func (l *Ledger) dropEmpty(id ID) {
	if e := l.entries[id]; e != nil && e.empty() {
		delete(l.entries, id)
	}
}

// Forget drops everything about an object that does not exist any more, but for the revocations that count for the guard. It returns who waited for it.
func (l *Ledger) Forget(id ID) (waiting []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		l.setVerdict(e, Verdict{})
		delete(l.entries, id)
	}
	if id.Kind == Group {
		delete(l.groups, id.UID)
		return nil
	}
	delete(l.accounts, id.UID)
	return l.wake(id.UID)
}

// Settled drops what was remembered of an account or group that is in sync, or whose change was made: everything but an unsettled operation, and its verdict.
func (l *Ledger) Settled(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil {
		return
	}
	e.intended, e.sent, e.tried, e.failures, e.backoff, e.woken, e.waitsFor, e.idle = false, false, false, 0, backoff{}, 0, "", 0
	// What the app answered to a change that is made, or not desired any more, says nothing about a later one.
	e.absentSince = time.Time{}
	l.dropEmpty(id)
}

// AbsentSince returns since when the app says that it does not have the account or group: since now if it has not said so before.
func (l *Ledger) AbsentSince(id ID) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	if e.absentSince.IsZero() {
		e.absentSince = l.clock.Now()
	}
	return e.absentSince
}

// IsAbsent reports whether the app has said that it does not have the account or group.
func (l *Ledger) IsAbsent(id ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	return e != nil && !e.absentSince.IsZero()
}

// Present says that the app has the account or group, or that its absence is proven and nothing is left to remember.
func (l *Ledger) Present(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		e.absentSince = time.Time{}
		l.dropEmpty(id)
	}
}

// Len is how many entries there are.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries) + len(l.accounts) + len(l.groups)
}

// GuardID is the short hash, 8 characters, by which the guard counts an account: of its id in the app, or of the user's UID where there is none yet. A member of a
// pushed group and the user's own account have the same.
func GuardID(remoteID string, uid types.UID) string {
	text := "remote:" + remoteID
	if remoteID == "" {
		text = "user:" + string(uid)
	}
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}
