// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"net/http"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// unledEvents are what may happen while nobody leads.
var unledEvents = []func(*world) bool{
	(*world).changeTitle, (*world).changeTitle, (*world).deactivateUser, (*world).activateUser, (*world).deleteUser, (*world).createUser, (*world).removeMember,
	(*world).changeRoles, (*world).changeRoles, (*world).changeSubjects, (*world).deleteMapping, (*world).deleteGroup, (*world).toggleFeature, (*world).suspend,
}

// directedKinds are sequences that chance alone rarely makes.
var directedKinds = []eventKind{{3, (*world).interregnum}, {5, (*world).takenBack}, {3, (*world).overtaken}, {20, (*world).freshToken}, {1, (*world).togglePushGroups}, {1, (*world).loseGroups}}

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
	r := w.untilCalled(200, func(c *call) bool {
		account := user.Status.Account(c.app.name)
		return c.method != http.MethodGet && account != nil && account.RemoteID != "" && c.path == "/Users/"+account.RemoteID
	})
	if r == nil {
		return true
	}
	crash := w.chance(.5)
	if !crash && w.chance(.7) {
		w.loseAnswer(r)
	}
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

// loseAnswer lets a call take effect, and loses its answer.
func (w *world) loseAnswer(r *routine) {
	at := r.at
	w.takeEffect(at)
	w.trace("%s: the answer to %s is lost", r.process.name, at.name)
	at.call.app.harmed()
	w.checks.allow(3, 3)
	at.err = errReset
	w.resume(r)
}

func (w *world) activate(i int, active bool) {
	w.editUser(i, "active", func(s *v1alpha1.ScimUserSpec) { s.Active = &active })
}

// overtaken: the admin of an app makes an account for a user while the create of the operator is on its way.
func (w *world) overtaken() bool {
	creates := slices.ContainsFunc(w.api.all("ScimUser"), func(o client.Object) bool {
		return slices.ContainsFunc(o.(*v1alpha1.ScimUser).Status.Accounts, func(a v1alpha1.Account) bool { return a.State == v1alpha1.AccountCreating })
	})
	if !creates {
		return false
	}
	r := w.untilCalled(100, func(c *call) bool { return c.method == http.MethodPost && c.path == "/Users" })
	if r == nil {
		return true
	}
	c := r.at.call
	name := text(object(c.body), "userName")
	number := 0
	for number < w.plan.users && userName(number) != name {
		number++
	}
	if number == w.plan.users || !c.app.unique || c.app.taken(name, "") || c.app.faults.storm != nil {
		return true
	}
	w.trace("EVENT the admin of %s creates an account for u%d, faster than the operator", c.app.name, number)
	w.foreignAccount(c.app, number)
	c.app.harmed()
	// It is refused for certain: where the outcome is not known, nothing tells the account of the admin from our own.
	w.takeEffect(r.at)
	w.answer(r, r.at)
	if w.chance(.5) {
		w.activate(number, false)
	}
	return true
}

// freshToken: a person writes a new token into the Secret of an app that has refused the change of an account.
func (w *world) freshToken() bool {
	name := pickOne(w, w.appNames...)
	refused := func(o client.Object) bool {
		entry := o.(*v1alpha1.ScimUser).Status.Account(name)
		return entry != nil && entry.Reason == v1alpha1.ReasonInsufficientPermissions
	}
	if !slices.ContainsFunc(w.api.all("ScimUser"), refused) {
		return false
	}
	w.workUntil(time.Now().Add(decided + time.Minute))
	w.endFaults(w.apps[name])
	w.apps[name].faults.losses = 0
	w.rotate(name)
	w.workUntil(time.Now().Add(waitedEnough + time.Minute))
	return true
}

// untilCalled lets the engine work until a certain call is on its way to an app, for so many steps at most. It returns who makes the call, nil for none.
func (w *world) untilCalled(steps int, is func(*call) bool) *routine {
	for ; steps > 0 && w.failed == nil; steps-- {
		for _, r := range w.routines {
			if r.at != nil && r.at.call != nil && !r.at.done && is(r.at.call) {
				return r
			}
		}
		actions := w.prepare()
		if len(actions) == 0 {
			next := w.next()
			if time.Until(next) > time.Minute {
				return nil
			}
			w.sleepUntil(next)
			continue
		}
		w.steps++
		w.choose(actions)
	}
	return nil
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
		w.plan.users, w.plan.groups, w.plan.lenient = w.between(8, 14), w.between(1, 2), true
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
