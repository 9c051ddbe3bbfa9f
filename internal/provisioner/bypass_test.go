// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
)

// A create that the app refused has made nothing: what is found under the name later is somebody else's.
func TestStrangersAccountThatRefusedOurCreateIsNotOurs(t *testing.T) {
	for name, kind := range map[string]connector.Kind{"conflict": connector.Conflict, "invalid": connector.Invalid} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			kim := w.joiner("kim")
			w.script.Hidden = true
			w.script.Always[connector.OpCreateUser] = failure(connector.OpCreateUser, kind, 409)
			w.write(kim, w.work("kim"))
			w.script.Always[connector.OpCreateUser] = nil
			// An admin of the app has made the account by hand, or the lookup shows it only now.
			w.script.Hidden = false
			w.script.Users = []connector.User{{ID: "r-kim", UserName: "kim@corp.test", Active: true, ActiveShown: true}}
			w.clock.Step(time.Hour)
			w.script.TakeCalls()
			w.give()
			w.work("kim")
			w.count()
			got := w.work("kim")
			if got == nil || !got.Drop || !w.script.User("r-kim").Active {
				t.Errorf("the outcome is %+v, the account %+v, the calls %q", got, w.script.User("r-kim"), w.script.TakeCalls())
			}
		})
	}
}

// The same for a group: it would be deleted in the app with the ScimGroup.
func TestGroupThatRefusedOurCreateIsNotOurs(t *testing.T) {
	w := newWorld(t, pushing)
	group := w.members()
	group.Status.Apps = []v1alpha1.PushedGroupStatus{{App: "crm", State: v1alpha1.GroupCreating}}
	w.cache.Put(group)
	w.worker.ledger.Intended(idOfGroup(group))
	w.script.Errs[connector.OpCreateGroup] = []error{failure(connector.OpCreateGroup, connector.Conflict, 409)}
	w.writeGroup(group, w.push(group))
	w.script.Groups = []connector.Group{{ID: "g1", DisplayName: "Sales", MembersKnown: true}}
	w.clock.Step(2 * time.Hour)
	got := w.push(group)
	if got == nil || got.Entry.Reason != v1alpha1.ReasonAccountConflict || got.Entry.Created {
		t.Errorf("the outcome is %+v", got)
	}
}

// An approval is for one batch: the same users' loss of a group is another change.
func TestApprovedRemovalReleasesNoOther(t *testing.T) {
	w := newWorld(t, pushing)
	users := w.staff(40)
	for _, user := range users {
		id := "r-" + user.Name
		user.Status.Accounts[0].RemoteID = id
		w.put(user)
	}
	w.pushed(users...)
	// They have lost a role by an approval within the hour.
	for _, user := range users {
		w.worker.ledger.AddRevoked(guardIDOf(user), approvedRole(w.clock.Now()))
	}
	group := w.members(users[39])
	w.push(group)
	w.count()
	w.record()
	got := w.push(group)
	if len(w.remoteMembers()) != 40 {
		t.Errorf("the app has %d members, the outcome is %+v", len(w.remoteMembers()), got)
	}
}

// An app that does not show members takes the whole list: what it had is not known, and a list that shrinks by a mass is held.
func TestGroupWhoseMembersTheAppDoesNotShowIsGuarded(t *testing.T) {
	w := newWorld(t, pushing)
	users := w.staff(40)
	w.pushed(users...)
	w.script.Group("g1").MembersKnown = false
	group := w.members()
	group.Status.Apps[0].Members = 40
	w.cache.Put(group)
	w.push(group)
	w.count()
	w.record()
	got := w.push(group)
	if len(w.remoteMembers()) != 40 {
		t.Errorf("the app has %d members, the outcome is %+v", len(w.remoteMembers()), got)
	}
}

// A group that the provider deletes takes the access of all of its members.
func TestDeletedGroupIsGuarded(t *testing.T) {
	w := newWorld(t, pushing)
	users := w.staff(40)
	group := w.pushed(users...)
	now := nowOf(w)
	group.DeletionTimestamp, group.Finalizers = &now, []string{v1alpha1.FinalizerDeprovision}
	w.cache.Put(group)
	w.push(group)
	w.count()
	w.record()
	w.push(group)
	if w.script.Group("g1") == nil {
		t.Errorf("the group with 40 members was deleted: %q", w.script.TakeCalls())
	}
}

// A read that does not find an account is no proof that a role was taken.
func TestNotFoundDoesNotConfirmARevokedRole(t *testing.T) {
	w := newWorld(t, nil)
	user := w.member("kim")
	user.Status.Accounts[0].Roles = []string{"admin"}
	user.Status.Accounts[0].Applied += " roles=abcdefgh"
	w.put(user)
	w.announce(user, v1alpha1.ActionUpdate, "roles")
	w.script.Answer = func(_ string, u *connector.User) { delete(u.Attributes, "roles") }
	w.script.Errs[connector.OpGetUser] = []error{failure(connector.OpGetUser, connector.NotFound, 404)}
	w.work("kim")
	w.count()
	got := w.work("kim")
	t.Logf("%+v %q", got, w.script.TakeCalls())
	if got == nil || got.Event == "Updated" {
		t.Errorf("a 404 was taken for a success: %+v", got)
	}
}
