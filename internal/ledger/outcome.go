// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Outcome is the result of a reconcile of an account or group by a worker: the status that is to be written.
type Outcome[E any] struct {
	Entry E
	// Drop: the app does not have the account or group, or nothing is left to manage there: its status is to be dropped.
	Drop bool
	// At is when it came. Event names the change that was made, empty for none.
	At    time.Time
	Event string
	// Revoked: a user lost access, and the guard has to remember that before the entry is dropped.
	Revoked bool

	serial uint64
}

// EventNotFound means that the account or group was not found in the app. All other events name the change, such as Created.
const EventNotFound = "NotFound"

// EventAbsenceConfirmed means that a person confirmed that the app does not have the account or group.
const EventAbsenceConfirmed = "AbsenceConfirmed"

// PutAccount keeps the outcome of an account until a status that holds it is written. A newer outcome replaces an older one.
func (l *Ledger) PutAccount(uid types.UID, outcome Outcome[v1alpha1.Account]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serial++
	outcome.serial = l.serial
	l.accounts[uid] = outcome
	l.progress(ID{Account, uid})
}

// PutGroup does the same for a pushed group.
func (l *Ledger) PutGroup(uid types.UID, outcome Outcome[v1alpha1.PushedGroupStatus]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serial++
	outcome.serial = l.serial
	l.groups[uid] = outcome
	l.progress(ID{Group, uid})
}

// AccountOutcome is the outcome of an account that is not written yet.
func (l *Ledger) AccountOutcome(uid types.UID) (Outcome[v1alpha1.Account], bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	outcome, ok := l.accounts[uid]
	return outcome, ok
}

// GroupOutcome is the outcome of a pushed group that is not written yet.
func (l *Ledger) GroupOutcome(uid types.UID) (Outcome[v1alpha1.PushedGroupStatus], bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	outcome, ok := l.groups[uid]
	return outcome, ok
}

// HasOutcome reports whether there is an outcome that is not written yet.
func (l *Ledger) HasOutcome(id ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, account := l.accounts[id.UID]
	_, group := l.groups[id.UID]
	return id.Kind == Account && account || id.Kind == Group && group
}

// AccountWritten says that a status which holds the outcome was written, or needed no write. It does nothing if a newer one has come.
func (l *Ledger) AccountWritten(uid types.UID, outcome Outcome[v1alpha1.Account]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.accounts[uid].serial == outcome.serial {
		delete(l.accounts, uid)
	}
}

// GroupWritten does the same for a pushed group.
func (l *Ledger) GroupWritten(uid types.UID, outcome Outcome[v1alpha1.PushedGroupStatus]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.groups[uid].serial == outcome.serial {
		delete(l.groups, uid)
	}
}

// NewerAccount reports whether another outcome than this one, or none, waits to be written.
func (l *Ledger) NewerAccount(uid types.UID, outcome Outcome[v1alpha1.Account], had bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, has := l.accounts[uid]
	return has && (!had || now.serial != outcome.serial)
}

// maxIdle is how often a key may be reconciled without a call, a write or a wait. More is a bug.
const maxIdle = 20

// CountIdle counts a reconcile of a key without a call, a write or a wait, and returns whether there were too many: the caller then waits, and reports it.
func (l *Ledger) CountIdle(id ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.idle++
	if e.idle <= maxIdle {
		return false
	}
	e.idle = 0
	l.dropEmpty(id)
	return true
}

// Progress resets the count of CountIdle: a call, a write or a wait followed.
func (l *Ledger) Progress(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress(id)
}

func (l *Ledger) progress(id ID) {
	if e := l.entries[id]; e != nil {
		e.idle = 0
		l.dropEmpty(id)
	}
}
