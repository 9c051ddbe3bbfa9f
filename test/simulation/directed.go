// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"net/http"
	"slices"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// unledEvents are what may happen while nobody leads.
var unledEvents = []func(*world) bool{
	(*world).changeTitle, (*world).changeTitle, (*world).deactivateUser, (*world).activateUser, (*world).deleteUser, (*world).createUser, (*world).removeMember,
	(*world).changeRoles, (*world).changeRoles, (*world).changeSubjects, (*world).deleteMapping, (*world).deleteGroup, (*world).toggleFeature, (*world).suspend,
}

// directedKinds are sequences that chance alone rarely makes.
var directedKinds = []eventKind{{3, (*world).interregnum}, {5, (*world).takenBack}, {1, (*world).togglePushGroups}, {1, (*world).loseGroups}}

// groupKinds happen more often in seeds with many members of pushed groups.
var groupKinds = []eventKind{{8, (*world).fillGroup}, {6, (*world).emptyGroup}, {4, (*world).deleteGroup}, {8, (*world).createGroup}, {3, (*world).loseGroups}}

// smallKinds happen more often in seeds with small apps.
var smallKinds = []eventKind{{6, (*world).loseApp}, {8, (*world).createMapping}}

// interregnum: nobody leads for a while, and things happen in it.
func (w *world) interregnum() bool {
	w.trace("EVENT nobody leads")
	w.killAll()
	for range w.between(1, 3) {
		pickOne(w, unledEvents...)(w)
	}
	w.advance(pickOne(w, time.Second, time.Minute))
	w.concernAll()
	w.start()
	return true
}

func (w *world) killAll() {
	for _, p := range slices.Clone(w.processes) {
		w.kill(p, true)
	}
}

// takenBack: a change is made, and taken back once a call for it is on its way. In between the operator may crash.
func (w *world) takenBack() bool {
	i, user, ok := w.someUser()
	if !ok || len(user.Status.Accounts) == 0 {
		return false
	}
	before := *user.Spec.DeepCopy()
	switch {
	case !user.IsActive():
		w.activate(i, true)
	case w.chance(.6):
		w.activate(i, false)
	default:
		w.editUser(i, "title d", func(s *v1alpha1.ScimUserSpec) { s.Title = "d" })
	}
	if !w.untilCalled(200) {
		return true
	}
	crash := w.chance(.6)
	if crash {
		w.trace("EVENT the operator crashes")
		w.killAll()
	}
	w.editUser(i, "as before", func(s *v1alpha1.ScimUserSpec) { s.Active, s.Title = before.Active, before.Title })
	if crash {
		w.concernAll()
		w.start()
	}
	return true
}

func (w *world) activate(i int, active bool) {
	w.editUser(i, "active", func(s *v1alpha1.ScimUserSpec) { s.Active = &active })
}

// untilCalled lets the engine work until a change is on its way to an app, for so many steps at most. It returns whether one is.
func (w *world) untilCalled(steps int) bool {
	for ; steps > 0 && w.failed == nil; steps-- {
		if slices.ContainsFunc(w.routines, func(r *routine) bool { return r.at != nil && r.at.call != nil && r.at.call.method != http.MethodGet }) {
			return true
		}
		actions := w.prepare()
		if len(actions) == 0 {
			next := w.next()
			if time.Until(next) > time.Minute {
				return false
			}
			w.sleepUntil(next)
			continue
		}
		w.steps++
		w.choose(actions)
	}
	return false
}

// emptyGroup: the identity provider removes all members of a group at once.
func (w *world) emptyGroup() bool {
	group, ok := w.someGroup()
	if !ok || len(w.membersOf(group)) < 2 {
		return false
	}
	w.trace("EVENT the identity provider empties %s", group.Name)
	w.checks.concern(w, w.plan.users)
	return w.setMembers(group, nil)
}

// fillGroup: the identity provider makes everybody a member of a group.
func (w *world) fillGroup() bool {
	group, ok := w.someGroup()
	if !ok {
		return false
	}
	w.trace("EVENT the identity provider fills %s", group.Name)
	w.checks.concern(w, w.plan.users)
	var members []v1alpha1.GroupMember
	for i := range w.plan.users {
		if user := w.user(i); user != nil && user.DeletionTimestamp.IsZero() {
			members = append(members, memberOf(user))
		}
	}
	return w.setMembers(group, members)
}

// togglePushGroups: a person switches the pushing of groups off, or on again.
func (w *world) togglePushGroups() bool {
	name := pickOne(w, w.appNames...)
	return len(w.scimApp(name).Spec.Groups) > 0 && w.toggle(name, v1alpha1.FeaturePushGroups)
}

// loseGroups: pushing of groups is off for long, and a group is deleted meanwhile.
func (w *world) loseGroups() bool {
	name := pickOne(w, w.appNames...)
	if !w.scimApp(name).HasFeature(v1alpha1.FeaturePushGroups) {
		return false
	}
	w.toggle(name, v1alpha1.FeaturePushGroups)
	w.workUntil(time.Now().Add(2 * decided))
	w.deleteGroup()
	w.workUntil(time.Now().Add(decided))
	return true
}

// themed gives every fourth seed small apps, and another fourth many members of pushed groups.
func (w *world) themed() {
	w.kinds = slices.Concat(eventKinds, directedKinds)
	w.plan.sliced = w.plan.groups > 0 && w.chance(.4)
	if w.plan.sliced {
		w.kinds = append(w.kinds, eventKind{3, (*world).dropSlices})
	}
	switch w.options.Seed % 4 {
	case 1:
		w.plan.users, w.plan.groups = w.between(8, 14), w.between(1, 2)
		w.kinds = slices.Concat(w.kinds, groupKinds)
	case 3:
		w.plan.users, w.plan.mappings = w.between(3, 5), w.between(1, 2)
		w.kinds = slices.Concat(w.kinds, smallKinds)
	}
}

// loseApp: nothing happens for some minutes, and then a role mapping is deleted.
func (w *world) loseApp() bool {
	w.workUntil(time.Now().Add(10 * time.Minute))
	return w.deleteMapping()
}
