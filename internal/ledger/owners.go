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

// owners knows, of single accounts of the app by remote id, what the cache does not show yet.
type owners struct {
	latest map[string]Ownership
	// held are the accounts that calls are at; left is when such a call ended.
	held map[string]bool
	left map[string]time.Time
}

// Ownership is whom an account was linked to.
type Ownership struct {
	Name string
	UID  types.UID
	at   time.Time
}

func newOwners() owners {
	return owners{latest: map[string]Ownership{}, held: map[string]bool{}, left: map[string]time.Time{}}
}

// Hold keeps all other calls from an account until Release: two users may claim it at once, who had its name and who has it now. since is when what is known of
// the account was read: one that is held, or was since, has to be read again, and Hold is false.
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

// Own remembers who has an account until the cache shows it; active false: that the user has it no longer.
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

// LatestOwner is whom an account was linked to lately.
func (l *Ledger) LatestOwner(remoteID string) (Ownership, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	owner, ok := l.owners.latest[remoteID]
	return owner, ok
}
