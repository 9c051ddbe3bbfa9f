// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/guard"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// accountID is the id under which the ledger has the account of a user of desiredtest.
func accountID(name string) ledger.ID {
	return ledger.ID{Kind: ledger.Account, UID: pt.User(name).UID}
}

func TestCensusCountsWhatTheStatusesSay(t *testing.T) {
	cache := pt.NewCache()
	ago := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: pt.Now.Add(-d)} }
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
	view := pt.NewView(cache)
	change := func(user string) desired.HeldChange {
		return desired.HeldChange{Name: user, Effect: "Deactivate", Batch: "b1", Users: 1}
	}
	held := func(names ...string) map[ledger.ID]desired.HeldChange {
		changes := map[ledger.ID]desired.HeldChange{}
		for _, name := range names {
			changes[accountID(name)] = change(name)
		}
		return changes
	}
	census, err := view.Census(t.Context(), pt.Key("crm"), pt.Now, held("held", "unrelated"))
	if err != nil {
		t.Fatal(err)
	}
	want := &desired.AppCensus{
		Active: 3, Open: 5, Done: 1, Pending: 2, Failed: 2, FailedFor: map[string]int{v1alpha1.ReasonMissingRequiredAttribute: 1, v1alpha1.ReasonRejected: 1},
		Held: []desired.HeldChange{change("held")},
	}
	if diff := cmp.Diff(want, census); diff != "" {
		t.Error(diff)
	}
	planned, err := view.Planned(t.Context(), pt.Key("crm"))
	if diff := cmp.Diff([]string{"blocked", "failed", "new", "planned"}, planned); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	view.Book.Ledger(pt.Key("crm")).PutAccount(pt.User("fine").UID, outcome{Entry: v1alpha1.Account{App: "crm", State: v1alpha1.AccountInactive}})
	if census, err = view.Census(t.Context(), pt.Key("crm"), pt.Now, nil); err != nil || census.Active != 2 {
		t.Errorf("an outcome that is not written does not count: %+v, error %v", census, err)
	}

	// A batch is shown as a whole, also while the statuses are written.
	census, err = view.Census(t.Context(), pt.Key("crm"), pt.Now, held("held", "planned"))
	want = &desired.AppCensus{
		Active: 2, Open: 4, Done: 1, Pending: 1, Failed: 2, FailedFor: map[string]int{v1alpha1.ReasonMissingRequiredAttribute: 1, v1alpha1.ReasonRejected: 1}, Closing: true,
		Held: []desired.HeldChange{change("held"), change("planned")},
	}
	if diff := cmp.Diff(want, census); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}

	// So is one of what was held in another batch before, as when accounts are to be deleted now and not deactivated.
	other := desired.HeldChange{Name: "held", Effect: "Delete", Batch: "b2", Users: 1}
	census, err = view.Census(t.Context(), pt.Key("crm"), pt.Now, map[ledger.ID]desired.HeldChange{accountID("held"): other})
	if err != nil || !census.Closing || !slices.Equal(census.Held, []desired.HeldChange{other}) {
		t.Errorf("error %v, %+v", err, census)
	}
}

func TestRevocationTimeOfAClockThatWasAheadCountsForTheWindowAtMost(t *testing.T) {
	for ahead, want := range map[time.Duration]bool{time.Minute: true, guard.Window - time.Second: true, guard.Window: false, 1000 * time.Hour: false, -guard.Window: false} {
		entry := &v1alpha1.Account{RevokedTime: &metav1.Time{Time: pt.Now.Add(ahead)}}
		if got := desired.RevokedLately(entry, pt.Now); got != want {
			t.Errorf("a time %s ahead counts: %t, want %t", ahead, got, want)
		}
	}
}

// The effect decides what a revocation is: a reactivation that takes a role is one, too.
func TestRevocationsAreChangesThatReduceAccess(t *testing.T) {
	cache := pt.NewCache()
	view := pt.NewView(cache)
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
	users["former"].Status.Accounts[0].RevokedTime = &metav1.Time{Time: pt.Now}
	// It was to be switched on again when the user was switched off: it may be on.
	users["doubtful"].Spec.Active = &off
	users["doubtful"].Status.Accounts[0].State = v1alpha1.AccountInactive
	users["doubtful"].Status.Accounts[0].Operation = &v1alpha1.AccountOperation{Types: []v1alpha1.AccountAction{v1alpha1.ActionReactivate}}
	for _, name := range names {
		cache.Put(users[name])
	}
	mapping.Spec.Subjects.Users = append(userNames[:3:3], userNames[4:]...)
	cache.Put(mapping)

	census, err := view.Revocations(t.Context(), pt.Key("crm"), pt.Now)
	if err != nil {
		t.Fatal(err)
	}
	guardID := func(name string) string { return ledger.GuardID("remote-"+name, "") }
	revocation := func(name, effect, batch string, byProvider bool) desired.Revocation {
		return desired.Revocation{
			Revocation: guard.Revocation{Subject: "user/" + name, Users: []string{guardID(name)}, ByProvider: byProvider, Batch: batch},
			ID:         accountID(name), Name: name, Change: guard.Change{Subject: users[name].SCIMID(), Effect: effect}, Exclusive: name + "@corp.test",
		}
	}
	want := &desired.GuardCensus{
		Count:   guard.Count{Active: 5, Done: map[string]bool{guardID("former"): true}},
		Leavers: map[string]time.Time{guardID("former"): pt.Now},
		Revocations: []desired.Revocation{
			revocation("doubtful", "Deactivate", "", true),
			revocation("leaves", "Deactivate", "b1", true),
			// What was held was another effect: it is no part of the batch.
			revocation("loses-role", "Update", "", false),
			revocation("unassigned", "Deactivate", "", false),
		},
	}
	if diff := cmp.Diff(want, census, cmpopts.IgnoreUnexported(desired.GuardCensus{})); diff != "" {
		t.Error(diff)
	}
	app.Spec.Profile = "no such vendor"
	app.Generation++
	cache.Put(app)
	if _, err := view.Revocations(t.Context(), pt.Key("crm"), pt.Now); err == nil {
		t.Error("an app whose configuration is invalid was counted")
	}
}

func TestOwnerIsAnotherLivingUserWithTheAccount(t *testing.T) {
	cache := pt.NewCache()
	view := pt.NewView(cache)
	cache.Put(pt.User("kim", active("crm", "1")))
	leaver := pt.User("leaver", active("crm", "2"))
	leaver.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	cache.Put(leaver)
	cache.Put(pt.User("released", v1alpha1.Account{App: "crm", State: v1alpha1.AccountOrphaned, RemoteID: "3"}))
	for remote, want := range map[string]string{"1": "kim", "2": "", "3": "", "4": ""} {
		owner, err := view.Owner(t.Context(), pt.Key("crm"), remote, "asking")
		if name := nameOf(owner); err != nil || name != want {
			t.Errorf("the owner of %s is %q, want %q; error %v", remote, name, want, err)
		}
	}
	if owner, err := view.Owner(t.Context(), pt.Key("crm"), "1", "kim"); owner != nil || err != nil {
		t.Errorf("another owner of kim's account is %q, error %v", nameOf(owner), err)
	}
}

func nameOf(user *v1alpha1.ScimUser) string {
	if user == nil {
		return ""
	}
	return user.Name
}

func fill(tb testing.TB, users, apps int) (*pt.Cache, *desired.View) {
	tb.Helper()
	cache := pt.NewCache()
	view := pt.NewView(cache)
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
				if census, err := view.Revocations(b.Context(), key, time.Now()); err != nil || census.Count.Active != users || len(census.Revocations) > 0 {
					b.Fatal(census, err)
				}
			}
		})
	}
}
