// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// inSync gives the user's account in the app the entry that it has when nothing is to be done.
func inSync(t testing.TB, cache *pt.Cache, view *desired.View, user *v1alpha1.ScimUser, app string) {
	t.Helper()
	_, account, err := view.Account(t.Context(), pt.Key(user.Name), app)
	if err != nil || account == nil {
		t.Fatalf("account %v, error %v", account, err)
	}
	user.Status.Accounts = append(user.Status.Accounts, v1alpha1.Account{
		App: app, State: v1alpha1.AccountActive, RemoteID: "remote-" + user.Name, Roles: account.Wanted.Roles,
		Applied: plan.HashValues(account.Wanted.Values).String(),
	})
	user.Status.ObservedGeneration = user.Generation
	cache.Put(user)
}

func look(t *testing.T, view *desired.View, user, app string) *desired.AccountView {
	t.Helper()
	_, account, err := view.Account(t.Context(), pt.Key(user), app)
	if err != nil {
		t.Fatal(err)
	}
	return account
}

func TestUserHasTheAppsThatMappingsGiveAndThoseOfTheStatus(t *testing.T) {
	cache := pt.NewCache()
	view := desired.NewView(cache)
	kim := pt.User("kim", active("former", "1"), active("gone", "2"))
	sales := pt.Group("sales", pt.Group("inner", kim))
	cache.Put(kim)
	cache.Put(pt.Group("inner", kim))
	cache.Put(sales)
	for _, app := range []string{"direct", "grouped", "former"} {
		cache.Put(pt.App(app))
	}
	invalid := pt.App("invalid")
	invalid.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: "title", Expression: "user."}}
	cache.Put(invalid)
	cache.Put(pt.Mapping("a", "direct", []string{"KIM@corp.test"}))
	cache.Put(pt.GroupMapping("b", "grouped", sales))
	cache.Put(pt.Mapping("c", "invalid", []string{"kim@corp.test"}))
	cache.Put(pt.Mapping("d", "missing", []string{"kim@corp.test"}))

	user, err := view.User(t.Context(), pt.Key("kim"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i := range user.Accounts {
		a := &user.Accounts[i]
		got[a.AppName] = fmt.Sprintf("%s drop=%t gone=%t %s", a.Step.Action, a.Step.Drop, a.Gone, a.Step.Reason)
	}
	want := map[string]string{
		"direct":  "Create drop=false gone=false ",
		"grouped": "Create drop=false gone=false ",
		"former":  "Deactivate drop=false gone=false ",
		"gone":    " drop=true gone=true ",
		"invalid": " drop=false gone=false AppNotReady",
		"missing": " drop=true gone=true ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if none, err := view.User(t.Context(), pt.Key("nobody")); none != nil || err != nil {
		t.Errorf("nobody is %v, error %v", none, err)
	}
	if account := look(t, view, "kim", "unrelated"); account != nil {
		t.Errorf("an app that the user has nothing to do with gave %+v", account)
	}
}

func TestInvalidConfigurationIsTellableFromAnErrorOfTheAPI(t *testing.T) {
	cache := pt.NewCache()
	app := pt.App("crm")
	app.Spec.Profile = "no such vendor"
	cache.Put(app)
	_, err := desired.NewView(cache).App(t.Context(), pt.Key("crm"))
	var invalid *desired.InvalidError
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "spec.profile") {
		t.Errorf("got %v", err)
	}
}

func TestAppIsCompiledAnewForAnotherGenerationOrObject(t *testing.T) {
	cache := pt.NewCache()
	view := desired.NewView(cache)
	app := pt.App("crm")
	has := func() bool {
		t.Helper()
		cache.Put(app)
		compiled, err := view.App(t.Context(), pt.Key("crm"))
		if err != nil {
			t.Fatal(err)
		}
		return compiled.HasFeature(v1alpha1.FeaturePushGroups)
	}
	if has() {
		t.Fatal("PushGroups is on")
	}
	app.Spec.Features = append(app.Spec.Features, v1alpha1.FeaturePushGroups)
	app.Generation++
	if !has() {
		t.Error("a changed spec has no effect")
	}
	app.Spec.Features = nil
	app.UID = "another one"
	if has() {
		t.Error("an app that was deleted and made again has the features of the former one")
	}
	view.ForgetApp(pt.Key("crm"))
	if has() {
		t.Error("the app has features that it has not")
	}
}

func TestOverlayIsLaidOverTheCache(t *testing.T) {
	cache := pt.NewCache()
	view := desired.NewView(cache)
	kim := pt.User("kim")
	cache.Put(kim)
	cache.Put(pt.App("crm"))
	cache.Put(pt.Mapping("crm", "crm", []string{"kim@corp.test"}))
	key := pt.Key("kim")
	for _, tc := range []struct {
		name    string
		outcome outcome
		want    v1alpha1.AccountState
	}{
		{"of the user", outcome{App: "crm", UID: kim.UID, Entry: active("crm", "1")}, v1alpha1.AccountActive},
		{"that it is gone", outcome{App: "crm", UID: kim.UID, Entry: active("crm", "1"), Gone: true}, ""},
		{"of a predecessor", outcome{App: "crm", UID: "predecessor", Entry: active("crm", "1")}, ""},
	} {
		view.Users.Put(key, tc.outcome)
		entry := look(t, view, "kim", "crm").Entry
		if state := stateOf(entry); state != tc.want {
			t.Errorf("an outcome %s: the entry is %q, want %q", tc.name, state, tc.want)
		}
		view.Users.Forget(key)
	}
	view.Users.Written(key, "1000", &v1alpha1.ScimUserStatus{Accounts: []v1alpha1.Account{active("crm", "2")}}, nil)
	user, err := view.User(t.Context(), key)
	if err != nil || !user.Stale || user.User.Status.Account("crm").RemoteID != "2" {
		t.Errorf("what was written last is not seen: %+v, error %v", user, err)
	}
	if user.Cached.Status.Account("crm") != nil {
		t.Error("the overlay is laid over the cached object itself")
	}
}

func stateOf(entry *v1alpha1.Account) v1alpha1.AccountState {
	if entry == nil {
		return ""
	}
	return entry.State
}

func TestWantedAccount(t *testing.T) {
	roles := func(app *v1alpha1.ScimApp) {
		app.Spec.Roles = &v1alpha1.AppRoles{Allowed: []string{"Editor", "Viewer"}, Default: []string{"Viewer"}}
	}
	for name, tc := range map[string]struct {
		app     func(*v1alpha1.ScimApp)
		mapping func(*v1alpha1.ScimRoleMapping)
		user    func(*v1alpha1.ScimUser)
		check   func(plan.Desired) string
		want    string
	}{
		"has the default role": {
			app:   roles,
			check: func(w plan.Desired) string { return fmt.Sprint(w.Roles, w.Values["roles"]) },
			want:  "[Viewer] [map[primary:true value:Viewer]]",
		},
		"has the mapping's role by the app's name": {
			app:     roles,
			mapping: func(m *v1alpha1.ScimRoleMapping) { m.Spec.Roles = []string{"editor"} },
			check:   func(w plan.Desired) string { return fmt.Sprint(w.Roles) },
			want:    "[Editor]",
		},
		"has its role as a string": {
			app:   func(app *v1alpha1.ScimApp) { roles(app); app.Spec.Roles.Form = v1alpha1.RoleFormString },
			check: func(w plan.Desired) string { return fmt.Sprint(w.Values["roles"]) },
			want:  "Viewer",
		},
		"is not given another role than the one that is unknown": {
			app:     roles,
			mapping: func(m *v1alpha1.ScimRoleMapping) { m.Spec.Roles = []string{"owner"} },
			check:   func(w plan.Desired) string { return fmt.Sprint(w.Roles, " ", w.Problems["roles"]) },
			want:    "[] the app does not know the role owner",
		},
		"has the mapping's value over the user's own": {
			mapping: func(m *v1alpha1.ScimRoleMapping) {
				m.Spec.Attributes = []v1alpha1.AttributeValue{{Name: "title", Value: "Guest"}, {Name: "unmapped", Value: "x"}, {Name: "roles", Value: "owner"}}
			},
			user: func(u *v1alpha1.ScimUser) { u.Spec.Title = "Engineer" },
			check: func(w plan.Desired) string {
				return fmt.Sprint(w.Values["title"], " ", w.Values["unmapped"], w.Values["roles"])
			},
			want: "Guest <nil> <nil>",
		},
		"is not active for a user who is not": {
			user:  func(u *v1alpha1.ScimUser) { u.Spec.Active = new(bool) },
			check: func(w plan.Desired) string { return fmt.Sprintf("%t,%t,%t", w.Assigned, w.Active, w.Deleted) },
			want:  "true,false,false",
		},
		"is released where it may not be revoked, when the app goes": {
			app:   func(app *v1alpha1.ScimApp) { app.DeletionTimestamp = &metav1.Time{Time: time.Now()} },
			check: func(w plan.Desired) string { return fmt.Sprintf("%t,%t,%t", w.Assigned, w.Active, w.Deleted) },
			want:  "false,true,true",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cache := pt.NewCache()
			app, mapping, user := pt.App("crm"), pt.Mapping("crm", "crm", []string{"kim@corp.test"}), pt.User("kim")
			if tc.app != nil {
				tc.app(app)
			}
			if tc.mapping != nil {
				tc.mapping(mapping)
			}
			if tc.user != nil {
				tc.user(user)
			}
			cache.Put(app)
			cache.Put(mapping)
			cache.Put(user)
			if got := tc.check(look(t, desired.NewView(cache), "kim", "crm").Wanted); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestPushedGroupHasTheMembersWithAnAccount(t *testing.T) {
	cache := pt.NewCache()
	app := pt.App("crm")
	app.Spec.Features = append(app.Spec.Features, v1alpha1.FeaturePushGroups)
	app.Spec.Groups = []v1alpha1.PushedGroup{{DisplayName: "Sales"}}
	kim, lee, inactive, successor := pt.User("kim", active("crm", "r1")), pt.User("lee", active("crm", "r2")), pt.User("ina"), pt.User("suc", active("crm", "r3"))
	inactive.Status.Accounts = []v1alpha1.Account{{App: "crm", State: v1alpha1.AccountInactive, RemoteID: "r4"}}
	former := successor.DeepCopy()
	former.Spec.ID = "id-of-the-former"
	inner := pt.Group("inner", lee)
	sales := pt.Group("Sales", kim, inner, inactive, former)
	inner.Spec.Members = append(inner.Spec.Members, v1alpha1.GroupMember{Value: sales.SCIMID(), Type: v1alpha1.MemberTypeGroup})
	app.Status.Groups = []v1alpha1.ResolvedGroup{{DisplayName: "Sales", ID: sales.SCIMID()}}
	cache.Put(app)
	for _, user := range []*v1alpha1.ScimUser{kim, lee, inactive, successor} {
		cache.Put(user)
	}
	cache.Put(inner)
	cache.Put(sales)
	_, pushed, err := desired.NewView(cache).Pushed(t.Context(), pt.Key("Sales"), "crm")
	if err != nil || pushed == nil {
		t.Fatalf("got %v, %v", pushed, err)
	}
	if diff := cmp.Diff([]string{"r1", "r2"}, pushed.Wanted.Members); diff != "" {
		t.Errorf("members (-want +got): the id of a former user must give its successor nothing\n%s", diff)
	}
	if pushed.WithoutAccount != 1 || pushed.Creation != v1alpha1.GroupCreate || pushed.Step.Action != v1alpha1.ActionCreate {
		t.Errorf("got %+v", pushed)
	}
}

func TestCensusCountsWhatTheStatusesSay(t *testing.T) {
	cache := pt.NewCache()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(-d)} }
	for name, entry := range map[string]v1alpha1.Account{
		"fine":    {State: v1alpha1.AccountActive},
		"planned": {State: v1alpha1.AccountActive, Planned: v1alpha1.ActionUpdate},
		"new":     {State: v1alpha1.AccountCreating, Planned: v1alpha1.ActionCreate},
		"failed":  {State: v1alpha1.AccountCreating, Planned: v1alpha1.ActionCreate, Attempts: 2, Reason: v1alpha1.ReasonRejected},
		"blocked": {State: v1alpha1.AccountPending, Reason: v1alpha1.ReasonMissingRequiredAttribute},
		"held":    {State: v1alpha1.AccountActive, Planned: v1alpha1.ActionDeactivate, HeldBatch: "b1", Reason: v1alpha1.ReasonHeld},
		"left":    {State: v1alpha1.AccountInactive, RevokedTime: ago(time.Minute)},
		"earlier": {State: v1alpha1.AccountInactive, RevokedTime: ago(time.Hour)},
	} {
		entry.App = "crm"
		cache.Put(pt.User(name, entry, active("other", "1")))
	}
	cache.Put(pt.User("unrelated", active("other", "1")))
	view := desired.NewView(cache)
	change := func(user string) desired.HeldChange {
		return desired.HeldChange{User: user, Action: v1alpha1.ActionDeactivate, Batch: "b1"}
	}
	census, err := view.Census(t.Context(), pt.Key("crm"), now, map[string]desired.HeldChange{"held": change("held"), "unrelated": change("unrelated")})
	if err != nil {
		t.Fatal(err)
	}
	want := &desired.AppCensus{
		Active: 3, Open: 5, Done: 1, Pending: 2, Failed: 2,
		Held: []desired.HeldChange{change("held")},
	}
	if diff := cmp.Diff(want, census); diff != "" {
		t.Error(diff)
	}
	planned, err := view.Planned(t.Context(), pt.Key("crm"))
	if diff := cmp.Diff([]string{"failed", "new", "planned"}, planned); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	view.Users.Put(pt.Key("fine"), outcome{App: "crm", UID: "uid-fine", Entry: v1alpha1.Account{App: "crm", State: v1alpha1.AccountInactive}})
	if census, err = view.Census(t.Context(), pt.Key("crm"), now, nil); err != nil || census.Active != 2 {
		t.Errorf("an outcome that is not written does not count: %+v, error %v", census, err)
	}

	// A batch is shown as a whole, also while the statuses are written.
	census, err = view.Census(t.Context(), pt.Key("crm"), now, map[string]desired.HeldChange{"held": change("held"), "planned": change("planned")})
	want = &desired.AppCensus{
		Active: 2, Open: 4, Done: 1, Pending: 1, Failed: 2, Closing: true,
		Held: []desired.HeldChange{change("held"), change("planned")},
	}
	if diff := cmp.Diff(want, census); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}

	// So is one of what was held in another batch before, as when accounts are to be deleted now and not deactivated.
	other := desired.HeldChange{User: "held", Action: v1alpha1.ActionDelete, Batch: "b2"}
	census, err = view.Census(t.Context(), pt.Key("crm"), now, map[string]desired.HeldChange{"held": other})
	if err != nil || !census.Closing || !slices.Equal(census.Held, []desired.HeldChange{other}) {
		t.Errorf("error %v, %+v", err, census)
	}
}

func TestRevocationsAreWhatTakesSomethingFromAUser(t *testing.T) {
	cache := pt.NewCache()
	view := desired.NewView(cache)
	app := pt.App("crm")
	cache.Put(app)
	names := []string{"stays", "leaves", "loses-role", "unassigned", "renamed", "former", "doubtful"}
	userNames := make([]string, len(names))
	for i, name := range names {
		userNames[i] = name + "@corp.test"
	}
	mapping := pt.Mapping("crm", "crm", userNames, "editor", "viewer")
	cache.Put(mapping)
	users := map[string]*v1alpha1.ScimUser{}
	for _, name := range names {
		users[name] = pt.User(name)
		cache.Put(users[name])
		inSync(t, cache, view, users[name], "crm")
	}
	off := false
	users["leaves"].Spec.Active = &off
	users["leaves"].Status.Accounts[0].Planned, users["leaves"].Status.Accounts[0].HeldBatch = v1alpha1.ActionDeactivate, "b1"
	users["loses-role"].Status.Accounts[0].Roles = []string{"editor", "owner", "viewer"}
	users["loses-role"].Status.Accounts[0].Applied, users["loses-role"].Status.Accounts[0].Reason = "", v1alpha1.ReasonHeld
	users["loses-role"].Status.Accounts[0].Planned, users["loses-role"].Status.Accounts[0].HeldBatch = v1alpha1.ActionDeactivate, "b1"
	users["renamed"].Spec.Title = "Engineer"
	users["former"].Spec.Active = &off
	users["former"].Status.Accounts[0].State = v1alpha1.AccountInactive
	users["former"].Status.Accounts[0].RevokedTime = &metav1.Time{Time: time.Now()}
	// It was to be switched on again when the user was switched off: it may be on.
	users["doubtful"].Spec.Active = &off
	users["doubtful"].Status.Accounts[0].State, users["doubtful"].Status.Accounts[0].Planned = v1alpha1.AccountInactive, v1alpha1.ActionReactivate
	for _, name := range names {
		cache.Put(users[name])
	}
	mapping.Spec.Subjects.Users = append(userNames[:3:3], userNames[4:]...)
	cache.Put(mapping)

	census, err := view.Revocations(t.Context(), pt.Key("crm"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want := &desired.GuardCensus{
		Active: 5, Revoked: []string{"former"},
		Wanted: []desired.Revocation{
			{User: "doubtful", Change: plan.Change{User: users["doubtful"].SCIMID(), Action: "Deactivate"}, Exclusive: "doubtful@corp.test"},
			{User: "leaves", Change: plan.Change{User: users["leaves"].SCIMID(), Action: "Deactivate"}, Batch: "b1", Exclusive: "leaves@corp.test"},
			// What was held was another action: it is no part of the batch.
			{User: "loses-role", Change: plan.Change{User: users["loses-role"].SCIMID(), Action: "Update"}, Exclusive: "loses-role@corp.test"},
			{User: "unassigned", Change: plan.Change{User: users["unassigned"].SCIMID(), Action: "Deactivate"}, Exclusive: "unassigned@corp.test"},
		},
	}
	if diff := cmp.Diff(want, census); diff != "" {
		t.Error(diff)
	}
	app.Spec.Profile = "no such vendor"
	app.Generation++
	cache.Put(app)
	if _, err := view.Revocations(t.Context(), pt.Key("crm"), time.Now()); err == nil {
		t.Error("an app whose configuration is invalid was counted")
	}
}

func TestOwnerIsAnotherLivingUserWithTheAccount(t *testing.T) {
	cache := pt.NewCache()
	view := desired.NewView(cache)
	cache.Put(pt.User("kim", active("crm", "1")))
	leaver := pt.User("leaver", active("crm", "2"))
	leaver.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	cache.Put(leaver)
	cache.Put(pt.User("released", v1alpha1.Account{App: "crm", State: v1alpha1.AccountOrphaned, RemoteID: "3"}))
	for remote, want := range map[string]string{"1": "kim", "2": "", "3": "", "4": ""} {
		owner, err := view.Owner(t.Context(), pt.Key("crm"), remote, "asking")
		if err != nil || owner != want {
			t.Errorf("the owner of %s is %q, want %q; error %v", remote, owner, want, err)
		}
	}
	if owner, err := view.Owner(t.Context(), pt.Key("crm"), "1", "kim"); owner != "" || err != nil {
		t.Errorf("another owner of kim's account is %q, error %v", owner, err)
	}
}

func fill(tb testing.TB, users, apps int) (*pt.Cache, *desired.View) {
	tb.Helper()
	cache := pt.NewCache()
	view := desired.NewView(cache)
	group := pt.Group("everybody")
	for i := range users {
		group.Spec.Members = append(group.Spec.Members, v1alpha1.GroupMember{Value: pt.User(fmt.Sprintf("user-%d", i)).SCIMID()})
	}
	cache.Put(group)
	for i := range apps {
		app := pt.App(fmt.Sprintf("app-%d", i))
		cache.Put(app)
		cache.Put(pt.GroupMapping(app.Name, app.Name, group, "editor"))
	}
	for i := range users {
		user := pt.User(fmt.Sprintf("user-%d", i))
		cache.Put(user)
		for j := range apps {
			inSync(tb, cache, view, user, fmt.Sprintf("app-%d", j))
		}
	}
	return cache, view
}

func BenchmarkUserWithFiveApps(b *testing.B) {
	_, view := fill(b, 10, 5)
	for b.Loop() {
		if _, err := view.User(b.Context(), pt.Key("user-7")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCensus(b *testing.B) {
	for _, users := range []int{1000, 10_000} {
		_, view := fill(b, users, 1)
		key := types.NamespacedName{Namespace: pt.Namespace, Name: "app-0"}
		b.Run(fmt.Sprintf("%d users counted", users), func(b *testing.B) {
			for b.Loop() {
				if census, err := view.Census(b.Context(), key, time.Now(), nil); err != nil || census.Active != users {
					b.Fatal(census, err)
				}
			}
		})
		b.Run(fmt.Sprintf("%d users guarded", users), func(b *testing.B) {
			for b.Loop() {
				if census, err := view.Revocations(b.Context(), key, time.Now()); err != nil || census.Active != users || len(census.Wanted) > 0 {
					b.Fatal(census, err)
				}
			}
		})
	}
}
