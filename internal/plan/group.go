// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// DesiredGroup is the desired state of one pushed group.
type DesiredGroup struct {
	// FeatureOff: PushGroups is off, so no call of that kind is made.
	FeatureOff bool
	// Pushed: the app lists the group.
	Pushed bool
	// Deleted: the group itself is being deleted.
	Deleted     bool
	DisplayName string
	// Members are the app's ids of the members that have an account, sorted.
	Members []string
}

// GroupStep is the next change of a pushed group, or why there is none.
type GroupStep struct {
	// Action is ActionCreate, ActionUpdate, ActionDelete, ActionRelease, or empty.
	Action v1alpha1.AccountAction
	// Drop: the entry is to be forgotten.
	Drop bool
	// InSync: the group is as it should be.
	InSync bool
	// Reason and Message say why nothing is done although something should be.
	Reason, Message string
}

// Hash is what an entry's applied is compared with.
func (w DesiredGroup) Hash() string {
	members := make([]any, len(w.Members))
	for i, member := range w.Members {
		members[i] = member
	}
	return HashValues(map[string]any{"displayName": w.DisplayName, "members": members}).String()
}

// DecideGroup is the next step for a pushed group. have is nil where there is no entry.
//
// A group that is no longer pushed stays in the app as it is; one that the identity provider deleted is deleted there too, if the operator
// made it ("unlink and delete" in Okta). Where PushGroups is off, nothing is deleted.
func DecideGroup(w DesiredGroup, have *v1alpha1.PushedGroupStatus) GroupStep {
	switch {
	case have == nil && !w.Pushed:
		return GroupStep{Drop: true, InSync: true}
	case w.Pushed:
		return decidePushed(w, have)
	case have.State == v1alpha1.GroupPending:
		return GroupStep{Drop: true, InSync: true}
	case !w.FeatureOff && (have.State == v1alpha1.GroupCreating || (w.Deleted && have.Created)):
		return GroupStep{Action: v1alpha1.ActionDelete}
	default:
		return GroupStep{Action: v1alpha1.ActionRelease}
	}
}

func decidePushed(w DesiredGroup, have *v1alpha1.PushedGroupStatus) GroupStep {
	if have == nil || have.State != v1alpha1.GroupPushed {
		if w.DisplayName != StorableMatchValue(w.DisplayName) {
			return GroupStep{Reason: v1alpha1.ReasonInvalidAttribute, Message: messageLongGroupName}
		}
		return GroupStep{Action: v1alpha1.ActionCreate}
	}
	if have.Applied != w.Hash() {
		return GroupStep{Action: v1alpha1.ActionUpdate}
	}
	return GroupStep{InSync: true}
}

// MemberState is what is known of the members of a group in an app, by their ids there.
type MemberState struct {
	// Shown are the members that the app shows, Recorded those that the group may have by what was written, Desired those that it shall have.
	Shown, Recorded, Desired []string
	// Hidden: the app is known not to show members.
	Hidden bool
}

// Changes returns what has to be added and removed. An app may show fewer members than the group has: who is recorded and not desired is removed although the app does not
// show it, unless the app shows all recorded members who stay. Where the app shows none although some are recorded, all are added again, once: if it then shows them, they
// were missing.
func (m MemberState) Changes() (add, remove []string) {
	stay := without(m.Recorded, without(m.Recorded, m.Desired))
	trusted := len(stay) > 0 && len(without(stay, m.Shown)) == 0
	have, listed := m.Shown, m.Shown
	if !trusted {
		have = append(slices.Clone(m.Shown), without(m.Recorded, m.Shown)...)
	}
	if m.Hidden && len(m.Shown) == 0 {
		listed = m.Recorded
	}
	return without(m.Desired, listed), without(have, m.Desired)
}

// Difference is what has to be added to have and removed from it to get want.
func Difference(have, want []string) (add, remove []string) {
	return without(want, have), without(have, want)
}

// without is the list less what is in the other one.
func without(list, other []string) []string {
	drop := make(map[string]bool, len(other))
	for _, id := range other {
		drop[id] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(id string) bool { return drop[id] })
}
