// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// linking lets an app link the group Sales.
func linking(app *v1alpha1.ScimApp) {
	pushing(app)
	app.Spec.Features = append(app.Spec.Features, v1alpha1.FeatureGroupLinking)
}

// creating is the group Sales as it is about to be linked.
func (w *world) creating(members ...*v1alpha1.ScimUser) *v1alpha1.ScimGroup {
	group := w.members(members...)
	group.Status.Apps = []v1alpha1.PushedGroupStatus{{App: "crm", State: v1alpha1.GroupCreating}}
	w.cache.Put(group)
	return group
}

func TestGroupOfAnotherScimGroupIsNotLinked(t *testing.T) {
	w := newWorld(t, linking)
	users := w.staff(2)
	group := w.creating(users...)
	other := pt.Group("Marketing")
	other.Status.Apps = []v1alpha1.PushedGroupStatus{{App: "crm", State: v1alpha1.GroupPushed, RemoteID: "g1"}}
	w.cache.Put(other)
	w.script.Groups = []connector.Group{{ID: "g1", DisplayName: "Sales", MembersKnown: true}}
	got := w.push(group)
	if got == nil || got.Entry.Reason != v1alpha1.ReasonAccountConflict || len(w.remoteMembers()) != 0 {
		t.Errorf("the outcome is %+v, the app has %q", got, w.remoteMembers())
	}
}

func TestOwnGroupIsFoundByItsIDInTheStatus(t *testing.T) {
	for name, tc := range map[string]struct {
		created bool
		want    string
	}{
		"created by the operator": {created: true},
		"linked":                  {want: v1alpha1.ReasonAccountConflict},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, pushing)
			group := w.creating(w.staff(2)...)
			group.Status.Apps[0].RemoteID, group.Status.Apps[0].Created = "g1", tc.created
			w.cache.Put(group)
			w.script.Groups = []connector.Group{{ID: "g1", DisplayName: "Sales", MembersKnown: true}}
			if got := w.push(group); got == nil || got.Entry.Reason != tc.want {
				t.Errorf("the outcome is %+v", got)
			}
		})
	}
}

// A linked group has the account of a member that is not linked yet, and a foreign one.
func TestMembersOfALinkedGroupStayWhileAccountsAreLinked(t *testing.T) {
	for name, policy := range map[string]v1alpha1.ForeignMembers{"Remove": v1alpha1.ForeignMembersRemove, "Keep": v1alpha1.ForeignMembersKeep} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(app *v1alpha1.ScimApp) {
				linking(app)
				app.Spec.Groups[0].ForeignMembers = policy
			})
			users := w.staff(20)
			late := users[1]
			account := late.Status.Accounts[0]
			late.Status.Accounts[0] = v1alpha1.Account{App: "crm", State: v1alpha1.AccountCreating, MatchValue: late.Spec.UserName}
			w.put(late)
			group := w.creating(users[:3]...)
			w.script.Groups = []connector.Group{{ID: "g1", DisplayName: "Sales", MembersKnown: true, Members: members([]string{"0", "1", "foreign"})}}
			w.writeGroup(group, w.push(group))
			if diff := cmp.Diff([]string{"0", "1", "2", "foreign"}, w.remoteMembers()); diff != "" {
				t.Fatalf("while an account is to be linked:\n%s", diff)
			}
			late.Status.Accounts[0] = account
			w.put(late)
			w.clock.Step(time.Minute)
			group.Status.Apps[0].Applied = ""
			w.cache.Put(group)
			got := w.push(group)
			if got == nil {
				w.count()
				w.record()
				got = w.push(group)
			}
			want := []string{"0", "1", "2"}
			if policy == v1alpha1.ForeignMembersKeep {
				want = append(want, "foreign")
			}
			if diff := cmp.Diff(want, w.remoteMembers()); diff != "" || got == nil || got.Entry.Applied == "" {
				t.Errorf("the outcome is %+v\n%s", got, diff)
			}
		})
	}
}

// An account that cannot be linked does not keep foreign members in the group for ever: a person decides.
func TestForeignMembersAreHeldWhereAccountsCannotBeLinked(t *testing.T) {
	w := newWorld(t, linking)
	users := w.staff(20)
	late := users[1]
	late.Status.Accounts[0] = v1alpha1.Account{App: "crm", State: v1alpha1.AccountPending}
	w.put(late)
	group := w.creating(users[:3]...)
	w.script.Groups = []connector.Group{{ID: "g1", DisplayName: "Sales", MembersKnown: true, Members: members([]string{"0", "foreign"})}}
	w.writeGroup(group, w.push(group))
	w.clock.Step(awaitMembers + time.Minute)
	w.push(group)
	w.count()
	batch := w.batches(1)[0]
	got := w.push(group)
	if got == nil || got.Entry.HeldBatch != batch || got.Entry.Held != 1 {
		t.Fatalf("the outcome is %+v", got)
	}
	w.writeGroup(group, got)
	w.approve(batch)
	w.count()
	w.record()
	if got := w.push(group); slices.Contains(w.remoteMembers(), "foreign") {
		t.Errorf("after the approval the outcome is %+v, the app has %q", got, w.remoteMembers())
	}
}
