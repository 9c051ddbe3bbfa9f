// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/scim"
	"github.com/scim-operator/scim-operator/test/harness"
)

// report is what is not as it should be.
type report struct {
	problems []string
	// summary says how much was compared.
	summary string
}

func (r *report) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// found is what stands in the API server in the end.
type found struct {
	users        map[string]*v1alpha1.ScimUser
	groups       map[string]*v1alpha1.ScimGroup
	members      map[string]map[string]bool // by the SCIM id of the group
	reservations []*v1alpha1.ScimUser
}

// look reads it and reports objects that should not be there whatever was pushed.
func look(ctx context.Context, r *report, d *harness.Directory) (*found, error) {
	f := &found{users: map[string]*v1alpha1.ScimUser{}, groups: map[string]*v1alpha1.ScimGroup{}, members: map[string]map[string]bool{}}
	var users v1alpha1.ScimUserList
	var groups v1alpha1.ScimGroupList
	for _, list := range []client.ObjectList{&users, &groups} {
		if err := d.Admin.List(ctx, list, client.InNamespace(d.Namespace)); err != nil {
			return nil, err
		}
	}
	for i := range users.Items {
		u := &users.Items[i]
		switch {
		case u.Spec.UserName == "", !u.DeletionTimestamp.IsZero():
			f.reservations = append(f.reservations, u)
		case !u.Admitted():
			r.problem("%s is not admitted", u.Name)
		default:
			f.users[u.SCIMID()] = u
		}
	}
	for i := range groups.Items {
		g := &groups.Items[i]
		if !g.Admitted() || !g.DeletionTimestamp.IsZero() {
			r.problem("ScimGroup %s is not admitted, or being deleted", g.Name)
			continue
		}
		all, err := membership.Of(ctx, d.Admin, g)
		if err != nil {
			r.problem("ScimGroup %s: %v", g.Name, err)
		}
		f.groups[g.SCIMID()], f.members[g.SCIMID()] = g, map[string]bool{}
		for member := range all.All() {
			f.members[g.SCIMID()][member.Value] = true
		}
	}
	return f, nil
}

// check compares everything with the model.
func check(ctx context.Context, d *harness.Directory, m *model, apps map[string]*fakeapp.App) (*report, error) {
	r := &report{}
	f, err := look(ctx, r, d)
	if err != nil {
		return nil, err
	}
	checkUsers(r, m, f)
	checkReservations(r, f)
	checkGroups(r, m, f)
	owners := map[string]map[string]bool{crm: {}, wiki: {}}
	for id, p := range m.all() {
		if u := f.users[id]; u != nil {
			checkAccount(r, p, u, crm, p.groups[sales], apps[crm], owners[crm])
			checkAccount(r, p, u, wiki, p.groups[staff], apps[wiki], owners[wiki])
		}
	}
	for name, app := range apps {
		for _, account := range app.Users() {
			if !owners[name][account.ID] && account.Active {
				r.problem("%s: the active account %s (%s) belongs to nobody", name, account.ID, account.UserName)
			}
		}
	}
	checkPushed(r, m, f, apps[crm])
	r.summary = fmt.Sprintf("%d users, %d deleted, %d reservations, %d and %d accounts", len(f.users), len(m.deleted), len(f.reservations),
		len(apps[crm].Users()), len(apps[wiki].Users()))
	return r, nil
}

// checkUsers: exactly one object per user, none for a deleted one, each Ready.
func checkUsers(r *report, m *model, f *found) {
	people := m.all()
	names := map[string]string{}
	for id, u := range f.users {
		name := scim.Fold(u.Spec.UserName)
		if other := names[name]; other != "" {
			r.problem("%s and %s have one userName", other, id)
		}
		names[name] = id
		p := people[id]
		if p == nil {
			r.problem("%s (%s) was not pushed, or is deleted (%t)", id, name, m.deleted[id])
			continue
		}
		if u.Spec.UserName != p.userName || u.IsActive() == p.inactive || u.Spec.Name == nil || u.Spec.Name.FamilyName != p.family {
			r.problem("%s is %+v, want %+v", id, u.Spec, p)
		}
		if !apimeta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionReady) || u.Status.ObservedGeneration != u.Generation {
			r.problem("%s (%s) is not Ready: %+v", id, u.Spec.UserName, u.Status)
		}
	}
	for id, p := range people {
		if f.users[id] == nil {
			r.problem("%s (%s) is lost", id, p.userName)
		}
	}
}

// checkReservations: each stands for the name of one live user, and no user has two.
func checkReservations(r *report, f *found) {
	reserved := map[string]string{}
	for _, slot := range f.reservations {
		var holder *v1alpha1.ScimUser
		if slot.Spec.Reservation != nil {
			for _, u := range f.users {
				if u.Name == slot.Spec.Reservation.User && u.Spec.ID == slot.Spec.Reservation.ID {
					holder = u
				}
			}
		}
		switch {
		case holder == nil:
			r.problem("%s (deleted %v) reserves nothing: %+v", slot.Name, slot.DeletionTimestamp, slot.Spec)
		case reserved[holder.Name] != "":
			r.problem("%s and %s are both reservations for %s", slot.Name, reserved[holder.Name], holder.Name)
		default:
			reserved[holder.Name] = slot.Name
		}
	}
}

// checkGroups: names and members, no more and no less.
func checkGroups(r *report, m *model, f *found) {
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
		r.problem("groups (-want +have):\n%s", diff)
	}
}

// checkAccount: exactly one account, as it should be, that nobody else has.
func checkAccount(r *report, p *person, u *v1alpha1.ScimUser, name string, assigned bool, app *fakeapp.App, owners map[string]bool) {
	entry := u.Status.Account(name)
	wanted := assigned && !p.inactive
	if entry == nil {
		if wanted {
			r.problem("%s: %s has no account", name, p.userName)
		}
		return
	}
	accounts := app.Users()
	i := slices.IndexFunc(accounts, func(a fakeapp.User) bool { return a.ID == entry.RemoteID })
	if i < 0 {
		r.problem("%s: the account of %s does not exist: %+v", name, p.userName, entry)
		return
	}
	account := accounts[i]
	if owners[account.ID] {
		r.problem("%s: the account %s (%s) has two owners", name, account.ID, account.UserName)
	}
	owners[account.ID] = true
	if account.Active != wanted || (entry.State == v1alpha1.AccountActive) != wanted {
		r.problem("%s: the account of %s is active: %t, want %t: %+v", name, p.userName, account.Active, wanted, entry)
	}
	if !wanted {
		return
	}
	have := map[string]any{"userName": account.UserName, "displayName": account.Attributes["displayName"], "name": account.Attributes["name"]}
	want := map[string]any{
		"userName": p.userName, "displayName": p.given + " " + p.family, "name": map[string]any{"givenName": p.given, "familyName": p.family},
	}
	if diff := cmp.Diff(want, have); diff != "" {
		r.problem("%s: account of %s (-want +have):\n%s", name, p.userName, diff)
	}
}

// checkPushed: the app's groups are those that are pushed, with the members who have an active account.
func checkPushed(r *report, m *model, f *found, app *fakeapp.App) {
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
		r.problem("groups in the app (-want +have):\n%s", diff)
	}
}
