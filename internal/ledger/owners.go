// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// ownerMemory is how long an owner, and the end of a call, are remembered: the cache shows it long before.
const ownerMemory = time.Minute

// owners has, for single accounts of the app by remote id, what a stale cache does not show.
type owners struct {
	latest map[string]Ownership
	// held are the accounts that a call holds; left is when such a call ended.
	held map[string]bool
	left map[string]time.Time
}

// Ownership is the user to which an account was linked.
type Ownership struct {
	Name string
	UID  types.UID
	at   time.Time
}

func newOwners() owners {
	return owners{latest: map[string]Ownership{}, held: map[string]bool{}, left: map[string]time.Time{}}
}

// Hold reserves an account for one call until Release: the former and the present owner of its name may claim it at once. since is when the account was read.
// Hold returns false if another call holds it, or held it after since: the account then has to be read again.
func (l *Ledger) Hold(remoteID string, since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owners.held[remoteID] || l.owners.left[remoteID].After(since) {
		return false
	}
	l.owners.held[remoteID] = true
	return true
}

// Release ends Hold.
func (l *Ledger) Release(remoteIDs []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	maps.DeleteFunc(l.owners.left, func(_ string, at time.Time) bool { return now.Sub(at) > ownerMemory })
	for _, remoteID := range remoteIDs {
		delete(l.owners.held, remoteID)
		l.owners.left[remoteID] = now
	}
}

// Own records the owner of an account until the cache shows it; active is false if the user no longer has it.
func (l *Ledger) Own(remoteID, name string, uid types.UID, active bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	maps.DeleteFunc(l.owners.latest, func(_ string, o Ownership) bool { return now.Sub(o.at) > ownerMemory })
	if active {
		l.owners.latest[remoteID] = Ownership{Name: name, UID: uid, at: now}
	} else if l.owners.latest[remoteID].UID == uid {
		delete(l.owners.latest, remoteID)
	}
}

// LatestOwner returns the user to which an account was last linked.
func (l *Ledger) LatestOwner(remoteID string) (Ownership, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	owner, ok := l.owners.latest[remoteID]
	return owner, ok
}
