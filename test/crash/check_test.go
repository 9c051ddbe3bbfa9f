// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/scim"
	"github.com/scim-operator/scim-operator/test/harness"
)

// found is what stands in the API server in the end.
type found struct {
	users        map[string]*v1alpha1.ScimUser
	groups       map[string]*v1alpha1.ScimGroup
	members      map[string]map[string]bool // by the SCIM id of the group
	reservations []*v1alpha1.ScimUser
}

// look reads it and reports objects that should not be there whatever was pushed.
func look(t *testing.T, d *harness.Directory) *found {
	t.Helper()
	f := &found{users: map[string]*v1alpha1.ScimUser{}, groups: map[string]*v1alpha1.ScimGroup{}, members: map[string]map[string]bool{}}
	var users v1alpha1.ScimUserList
	var groups v1alpha1.ScimGroupList
	for _, list := range []client.ObjectList{&users, &groups} {
		if err := d.Admin.List(t.Context(), list, client.InNamespace(d.Namespace)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range users.Items {
		u := &users.Items[i]
		switch {
		case u.Spec.UserName == "", !u.DeletionTimestamp.IsZero():
			f.reservations = append(f.reservations, u)
		case !u.Admitted():
			t.Errorf("%s is not admitted", u.Name)
		default:
			f.users[u.SCIMID()] = u
		}
	}
	for i := range groups.Items {
		g := &groups.Items[i]
		if !g.Admitted() || !g.DeletionTimestamp.IsZero() {
			t.Errorf("ScimGroup %s is not admitted, or being deleted", g.Name)
			continue
		}
		all, err := membership.Of(t.Context(), d.Admin, g)
		if err != nil {
			t.Errorf("ScimGroup %s: %v", g.Name, err)
		}
		f.groups[g.SCIMID()], f.members[g.SCIMID()] = g, map[string]bool{}
		for member := range all.All() {
			f.members[g.SCIMID()][member.Value] = true
		}
	}
	return f
}

// check compares everything with the model.
func check(t *testing.T, d *harness.Directory, m *model, apps map[string]*fakeapp.App) {
	t.Helper()
	f := look(t, d)
	checkUsers(t, m, f)
	checkReservations(t, f)
	checkGroups(t, m, f)
	owners := map[string]map[string]bool{crm: {}, wiki: {}}
	for id, p := range m.all() {
		if u := f.users[id]; u != nil {
			checkAccount(t, p, u, crm, p.groups[sales], apps[crm], owners[crm])
			checkAccount(t, p, u, wiki, p.groups[staff], apps[wiki], owners[wiki])
		}
	}
	for name, app := range apps {
		for _, account := range app.Users() {
			if !owners[name][account.ID] && account.Active {
				t.Errorf("%s: the active account %s (%s) belongs to nobody", name, account.ID, account.UserName)
			}
		}
	}
	checkPushed(t, m, f, apps[crm])
	t.Logf("%d users, %d deleted, %d reservations, %d and %d accounts", len(f.users), len(m.deleted), len(f.reservations),
		len(apps[crm].Users()), len(apps[wiki].Users()))
}

// checkUsers: exactly one object per user, none for a deleted one, each Ready.
func checkUsers(t *testing.T, m *model, f *found) {
	t.Helper()
	people := m.all()
	names := map[string]string{}
	for id, u := range f.users {
		name := scim.Fold(u.Spec.UserName)
		if other := names[name]; other != "" {
			t.Errorf("%s and %s have one userName", other, id)
		}
		names[name] = id
		p := people[id]
		if p == nil {
			t.Errorf("%s (%s) was not pushed, or is deleted (%t)", id, name, m.deleted[id])
			continue
		}
		if u.Spec.UserName != p.userName || u.IsActive() == p.inactive || u.Spec.Name == nil || u.Spec.Name.FamilyName != p.family {
			t.Errorf("%s is %+v, want %+v", id, u.Spec, p)
		}
		if !apimeta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionReady) || u.Status.ObservedGeneration != u.Generation {
			t.Errorf("%s (%s) is not Ready: %+v", id, u.Spec.UserName, u.Status)
		}
	}
	for id, p := range people {
		if f.users[id] == nil {
			t.Errorf("%s (%s) is lost", id, p.userName)
		}
	}
}

// checkReservations: each stands for the name of one live user, and no user has two.
func checkReservations(t *testing.T, f *found) {
	t.Helper()
	reserved := map[string]string{}
	for _, r := range f.reservations {
		var holder *v1alpha1.ScimUser
		if r.Spec.Reservation != nil {
			for _, u := range f.users {
				if u.Name == r.Spec.Reservation.User && u.Spec.ID == r.Spec.Reservation.ID {
					holder = u
				}
			}
		}
		switch {
		case holder == nil:
			t.Errorf("%s (deleted %v) reserves nothing: %+v", r.Name, r.DeletionTimestamp, r.Spec)
		case reserved[holder.Name] != "":
			t.Errorf("%s and %s are both reservations for %s", r.Name, reserved[holder.Name], holder.Name)
		default:
			reserved[holder.Name] = r.Name
		}
	}
}

// checkGroups: names and members, no more and no less.
func checkGroups(t *testing.T, m *model, f *found) {
	t.Helper()
	want := map[string]map[string]bool{}
	for name, g := range m.groups {
		members := map[string]bool{}
		for id, p := range m.all() {
			if p.groups[name] {
				members[id] = true
			}
		}
		want[g.id+" "+g.displayName] = members
	}
	have := map[string]map[string]bool{}
	for id, g := range f.groups {
		have[id+" "+g.Spec.DisplayName] = f.members[id]
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("groups (-want +have):\n%s", diff)
	}
}

// checkAccount: exactly one account, as it should be, that nobody else has.
func checkAccount(t *testing.T, p *person, u *v1alpha1.ScimUser, name string, assigned bool, app *fakeapp.App, owners map[string]bool) {
	t.Helper()
	entry := u.Status.Account(name)
	wanted := assigned && !p.inactive
	if entry == nil {
		if wanted {
			t.Errorf("%s: %s has no account", name, p.userName)
		}
		return
	}
	accounts := app.Users()
	i := slices.IndexFunc(accounts, func(a fakeapp.User) bool { return a.ID == entry.RemoteID })
	if i < 0 {
		t.Errorf("%s: the account of %s does not exist: %+v", name, p.userName, entry)
		return
	}
	account := accounts[i]
	if owners[account.ID] {
		t.Errorf("%s: the account %s (%s) has two owners", name, account.ID, account.UserName)
	}
	owners[account.ID] = true
	if account.Active != wanted || (entry.State == v1alpha1.AccountActive) != wanted {
		t.Errorf("%s: the account of %s is active: %t, want %t: %+v", name, p.userName, account.Active, wanted, entry)
	}
	if !wanted {
		return
	}
	have := map[string]any{"userName": account.UserName, "displayName": account.Attributes["displayName"], "name": account.Attributes["name"]}
	want := map[string]any{
		"userName": p.userName, "displayName": p.given + " " + p.family, "name": map[string]any{"givenName": p.given, "familyName": p.family},
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s: account of %s (-want +have):\n%s", name, p.userName, diff)
	}
}

// checkPushed: the app's groups are those that are pushed, with the members who have an active account.
func checkPushed(t *testing.T, m *model, f *found, app *fakeapp.App) {
	t.Helper()
	want := map[string][]string{}
	for name, g := range m.groups {
		if name == staff {
			continue
		}
		members := map[string]bool{}
		for id, p := range m.all() {
			if u := f.users[id]; u != nil && p.groups[name] && p.groups[sales] && !p.inactive {
				if entry := u.Status.Account(crm); entry != nil {
					members[entry.RemoteID] = true
				}
			}
		}
		want[g.displayName] = append([]string{}, slices.Sorted(maps.Keys(members))...)
	}
	have := map[string][]string{}
	for _, g := range app.Groups() {
		have[g.DisplayName] = append([]string{}, g.Members...)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("groups in the app (-want +have):\n%s", diff)
	}
}

// settledStatus is whether every status says that nothing is to come.
func settledStatus(t *testing.T, s *supervisor) bool {
	t.Helper()
	d := s.proxy.directory
	var users v1alpha1.ScimUserList
	if err := d.Admin.List(t.Context(), &users, client.InNamespace(d.Namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range users.Items {
		u := &users.Items[i]
		if u.Spec.UserName != "" && u.DeletionTimestamp.IsZero() && !apimeta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionReady) {
			return false
		}
	}
	return true
}
