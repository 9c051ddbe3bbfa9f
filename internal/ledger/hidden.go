// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"maps"
	"slices"
)

// HiddenMembers returns the members that a group may have whose members the app does not show, sorted. known is false if this process has not written them.
func (l *Ledger) HiddenMembers(id ID) (members []string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil || e.hidden == nil {
		return nil, false
	}
	return slices.Sorted(maps.Keys(e.hidden)), true
}

// MayHideMembers says that a call is about to write these members: until its outcome is known, the group may have them or the former ones. Where those are unknown, they
// remain so.
func (l *Ledger) MayHideMembers(id ID, members []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil && e.hidden != nil {
		for _, member := range members {
			e.hidden[member] = true
		}
	}
}

// HidesMembers says that the group has exactly these members, which the app does not show.
func (l *Ledger) HidesMembers(id ID, members []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.hidden = make(map[string]bool, len(members))
	for _, member := range members {
		e.hidden[member] = true
	}
}

// ForgetHidden says that the app shows the members of the group, or that another group may be linked.
func (l *Ledger) ForgetHidden(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		e.hidden = nil
		l.dropEmpty(id)
	}
}
