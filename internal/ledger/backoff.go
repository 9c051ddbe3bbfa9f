// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Attempt is a digest of everything that the result of a call depends on and that the operator knows.
type Attempt [sha256.Size]byte

// AttemptOf returns the digest of the parts.
func AttemptOf(parts ...any) Attempt { return sha256.Sum256(fmt.Appendf(nil, "%q", parts)) }

// MaxWait bounds a nextRetryTime, from when this process first saw it: it may come from a clock that was ahead.
const MaxWait = 70 * time.Minute

// Wait is how long an attempt has to wait for the nextRetryTime of its status, if at all. The wait is for the same attempt alone: a revocation does not wait because an
// update was refused, and what a person or the identity provider has fixed is tried at once. changed: the status was written for another change; it tells where an
// earlier process failed.
func (l *Ledger) Wait(id ID, what Attempt, changed bool, next *metav1.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if next == nil {
		return 0
	}
	e := l.entry(id)
	if !e.tried {
		e.tried, e.triedAt = true, l.clock.Now()
		if !changed {
			e.attempt = what
		}
	}
	if e.attempt != what {
		return 0
	}
	until := next.Time
	if latest := e.triedAt.Add(MaxWait); until.After(latest) {
		until = latest
	}
	return until.Sub(l.clock.Now())
}

// Tried says which attempt has just failed.
func (l *Ledger) Tried(id ID, what Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.attempt, e.tried, e.triedAt = what, true, l.clock.Now()
}

// backoff is the time before which an attempt is not made again.
type backoff struct {
	attempt Attempt
	until   time.Time
}

// BackOff keeps an attempt from being made again before a time. Whatever enqueues its key does not shorten the wait; another attempt does not wait.
func (l *Ledger) BackOff(id ID, what Attempt, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry(id).backoff = backoff{attempt: what, until: until}
}

// BackOffLeft is how long an attempt still has to wait for BackOff, 0 for not at all.
func (l *Ledger) BackOffLeft(id ID, what Attempt) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil || e.backoff == (backoff{}) {
		return 0
	}
	left := e.backoff.until.Sub(l.clock.Now())
	if left <= 0 {
		e.backoff = backoff{}
		l.dropEmpty(id)
	}
	if left <= 0 || e.backoff.attempt != what {
		return 0
	}
	return left
}

// CountFailure counts a failure that is the app's, and returns how many there were in a row.
func (l *Ledger) CountFailure(id ID) int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.failures = min(e.failures+1, 1000)
	return int32(e.failures)
}

// Failures is how many failures in a row were the app's.
func (l *Ledger) Failures(id ID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		return e.failures
	}
	return 0
}

// ClearFailures says that the app has answered a call for the key.
func (l *Ledger) ClearFailures(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		e.failures = 0
		l.dropEmpty(id)
	}
}

// WaitFor says that a user waits for the account of another one.
func (l *Ledger) WaitFor(user ID, name string, owner types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(user)
	e.name, e.waitsFor = name, owner
}

// Wake returns the names of the users who wait for an account of the owner; their back-off ends.
func (l *Ledger) Wake(owner types.UID) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wake(owner)
}

func (l *Ledger) wake(owner types.UID) (names []string) {
	for _, e := range l.entries {
		if e.waitsFor == owner && owner != "" {
			e.waitsFor = ""
			e.woken++
			names = append(names, e.name)
		}
	}
	slices.Sort(names)
	return names
}

// Woken counts how often a user was woken: it is part of an Attempt.
func (l *Ledger) Woken(id ID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		return e.woken
	}
	return 0
}

// Pause keeps the app from being called until a time. The latest one wins.
func (l *Ledger) Pause(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.paused) {
		l.paused = until
	}
}

// PausedUntil is until when the app asked not to be called; zero or past for not at all.
func (l *Ledger) PausedUntil() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.paused
}
