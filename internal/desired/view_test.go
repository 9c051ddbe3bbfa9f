// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/plan"
)

type outcome = ledger.Outcome[v1alpha1.Account]

func active(app, id string) v1alpha1.Account {
	return v1alpha1.Account{App: app, State: v1alpha1.AccountActive, RemoteID: id}
}

// inSync gives the user's account in the app the entry that it has when nothing is to be done.
func inSync(t testing.TB, cache *pt.Cache, view *desired.View, user *v1alpha1.ScimUser, app string) {
	t.Helper()
	_, account, err := view.Account(t.Context(), pt.Key(user.Name), app)
	if err != nil || account == nil {
		t.Fatalf("account %v, error %v", account, err)
	}
	user.Status.Accounts = append(user.Status.Accounts, v1alpha1.Account{
		App: app, State: v1alpha1.AccountActive, RemoteID: "remote-" + user.Name, Roles: account.Desired.Roles,
		Applied: plan.HashValues(account.Desired.Values).String(),
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
	view := pt.NewView(cache)
	kim := pt.User("kim", active("former", "1"), active("gone", "2"))
	sales := pt.Group("sales", pt.Group("inner", kim))
	cache.Put(kim)
	cache.Put(pt.Group("inner", kim))
	cache.Put(sales)
	for _, app := range []string{"direct", "grouped", "former"} {
		cache.Put(pt.App(app))
	}
	invalid := pt.App("invalid")
	invalid.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: "active", Expression: "true"}}
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
		got[a.AppName] = fmt.Sprintf("%s drop=%t missing=%t %s", a.Step.Action, a.Step.Drop, a.Missing, a.Step.Reason)
	}
	want := map[string]string{
		"direct":  "Create drop=false missing=false ",
		"grouped": "Create drop=false missing=false ",
		"former":  "Deactivate drop=false missing=false ",
		"gone":    " drop=true missing=true ",
		"invalid": " drop=false missing=false AppNotReady",
		"missing": " drop=true missing=true ",
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
	_, err := pt.NewView(cache).App(t.Context(), pt.Key("crm"))
	var invalid *desired.InvalidError
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "spec.profile") {
		t.Errorf("got %v", err)
	}
}

func TestAppIsCompiledAnewForAnotherGenerationOrObject(t *testing.T) {
	cache := pt.NewCache()
	view := pt.NewView(cache)
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

func TestPendingWritesTakePrecedenceOverTheCache(t *testing.T) {
	cache := pt.NewCache()
	view := pt.NewView(cache)
	kim := pt.User("kim")
	cache.Put(kim)
	cache.Put(pt.App("crm"))
	cache.Put(pt.Mapping("crm", "crm", []string{"kim@corp.test"}))
	book := view.Book.Ledger(pt.Key("crm"))
	for _, tc := range []struct {
		name    string
		uid     types.UID
		outcome outcome
		want    v1alpha1.AccountState
	}{
		{"of the user", kim.UID, outcome{Entry: active("crm", "1")}, v1alpha1.AccountActive},
		{"that it is gone", kim.UID, outcome{Entry: active("crm", "1"), Drop: true}, ""},
		{"of a predecessor", "predecessor", outcome{Entry: active("crm", "1")}, ""},
	} {
		book.PutAccount(tc.uid, tc.outcome)
		entry := look(t, view, "kim", "crm").Recorded
		if state := stateOf(entry); state != tc.want {
			t.Errorf("an outcome %s: the entry is %q, want %q", tc.name, state, tc.want)
		}
		book.Forget(ledger.ID{Kind: ledger.Account, UID: tc.uid})
	}
	written := kim.DeepCopy()
	written.ResourceVersion = "1000"
	view.Book.Users.Put(written, &v1alpha1.ScimUserStatus{Accounts: []v1alpha1.Account{active("crm", "2")}})
	user, err := view.User(t.Context(), pt.Key("kim"))
	if err != nil || !user.Stale || user.User.Status.Account("crm").RemoteID != "2" {
		t.Errorf("what was written last is not seen: %+v, error %v", user, err)
	}
	if user.Cached.Status.Account("crm") != nil {
		t.Error("the pending write is laid over the cached object itself")
	}
}

func stateOf(entry *v1alpha1.Account) v1alpha1.AccountState {
	if entry == nil {
		return ""
	}
	return entry.State
}

func TestDesiredAccount(t *testing.T) {
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
			user: func(u *v1alpha1.ScimUser) {
				u.Spec.Active = new(bool)
				u.Status.Accounts = []v1alpha1.Account{{App: "crm", State: v1alpha1.AccountActive, RemoteID: "r1"}}
			},
			check: func(w plan.Desired) string { return fmt.Sprintf("%t,%t,%t", w.Assigned, w.Active, w.Deleted) },
			want:  "false,false,false",
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
			if got := tc.check(look(t, pt.NewView(cache), "kim", "crm").Desired); got != tc.want {
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
	_, pushed, err := pt.NewView(cache).Pushed(t.Context(), pt.Key("Sales"), "crm")
	if err != nil || pushed == nil {
		t.Fatalf("got %v, %v", pushed, err)
	}
	if diff := cmp.Diff([]string{"r1", "r2"}, pushed.Desired.Members); diff != "" {
		t.Errorf("members (-want +got): the id of a former user must give its successor nothing\n%s", diff)
	}
	if pushed.WithoutAccount != 1 || pushed.Creation != v1alpha1.GroupCreate || pushed.Step.Action != v1alpha1.ActionCreate {
		t.Errorf("got %+v", pushed)
	}
}

// TestLeaverWhoseNameIsRefusedLosesItsAccounts: a user whose userName belongs to another one keeps its accounts as they are, unless it is locked, inactive or deleted.
func TestLeaverWhoseNameIsRefusedLosesItsAccounts(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.ScimUser)
		leaves bool
	}{
		"active": {change: func(*v1alpha1.ScimUser) {}},
		"locked": {change: func(u *v1alpha1.ScimUser) { u.Annotations = map[string]string{v1alpha1.AnnotationLock: ""} }, leaves: true},
		"inactive by the provider": {
			change: func(u *v1alpha1.ScimUser) {
				u.Spec.Active = new(bool)
				u.Annotations = map[string]string{v1alpha1.AnnotationDeactivatedBy: "okta"}
			},
			leaves: true,
		},
		"deleted": {
			change: func(u *v1alpha1.ScimUser) {
				u.DeletionTimestamp, u.Finalizers = &metav1.Time{Time: pt.Now}, []string{v1alpha1.FinalizerDeprovision}
			},
			leaves: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			cache := pt.NewCache()
			cache.Put(pt.App("crm"))
			kim := pt.User("kim", active("crm", "r1"))
			kim.Status.ObservedGeneration = kim.Generation
			kim.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUserNameConflict}}
			tc.change(kim)
			cache.Put(kim)
			view := pt.NewView(cache)
			if account := look(t, view, "kim", "crm"); (account.Step.Action == v1alpha1.ActionDeactivate) != tc.leaves {
				t.Errorf("the step of the worker is %+v", account.Step)
			}
			user, err := view.User(t.Context(), pt.Key("kim"))
			if err != nil {
				t.Fatal(err)
			}
			user.Refuse("lee")
			if step := user.Accounts[0].Step; (step.Action == v1alpha1.ActionDeactivate) != tc.leaves {
				t.Errorf("the step of the reconciler is %+v", step)
			}
		})
	}
}
