// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/directory"
)

// A person wrote a userName into a user that belongs to another one. Nothing is done for that user, before and after its reconciler has said so; the account says why, and
// only the end of its app ends it.
func TestNothingIsDoneUnderAnothersName(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(kim, lee *v1alpha1.ScimUser)
		acts   bool
	}{
		"the name is its own":   {func(kim, _ *v1alpha1.ScimUser) { kim.Spec.UserName = "kim2@corp.test" }, true},
		"the name is another's": {func(kim, _ *v1alpha1.ScimUser) { kim.Spec.UserName = "LEE@corp.test" }, false},
		"the other one is being deleted": {func(kim, lee *v1alpha1.ScimUser) {
			kim.Spec.UserName = "lee@corp.test"
			lee.DeletionTimestamp = &metav1.Time{}
			lee.DeletionTimestamp.Time = lee.CreationTimestamp.AddDate(1, 0, 0)
		}, true},
		"the reconciler has refused it": {func(kim, lee *v1alpha1.ScimUser) {
			kim.Spec.UserName, lee.Spec.UserName = "lee@corp.test", "elsewhere@corp.test"
			kim.Status.ObservedGeneration = 2
			kim.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "False", Reason: v1alpha1.ReasonUserNameConflict, ObservedGeneration: 2}}
		}, false},
		"what was refused before has another name now": {func(kim, _ *v1alpha1.ScimUser) {
			kim.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "False", Reason: v1alpha1.ReasonUserNameConflict, ObservedGeneration: 1}}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			cache := pt.NewCache()
			view := pt.NewView(cache)
			cache.Put(pt.App("crm"))
			cache.Put(selecting("all", "true"))
			kim, lee := pt.User("kim"), pt.User("lee")
			cache.Put(kim)
			cache.Put(lee)
			inSync(t, cache, view, kim, "crm")
			kim.Generation = 2
			tc.change(kim, lee)
			cache.Put(kim)
			cache.Put(lee)
			_, account, err := view.Account(t.Context(), pt.Key("kim"), "crm")
			if err != nil || account == nil || (account.Step.Reason != v1alpha1.ReasonUserNameConflict) != tc.acts {
				t.Errorf("account %+v, error %v", account, err)
			}
			if !tc.acts && account.Step.Action != "" {
				t.Errorf("the step is %s", account.Step.Action)
			}
		})
	}
}

// The ScimApp is deleted and deprovisions its accounts: that of a user whose userName is another's, too, or the deletion would never finish.
func TestDeletionOfAnAppEndsTheAccountOfARefusedUser(t *testing.T) {
	cache := pt.NewCache()
	view := pt.NewView(cache)
	app, kim, lee := pt.App("crm"), pt.User("kim"), pt.User("lee")
	for _, object := range []client.Object{app, kim, lee, selecting("all", "true")} {
		cache.Put(object)
	}
	inSync(t, cache, view, kim, "crm")
	kim.Spec.UserName, kim.Generation = "lee@corp.test", 2
	kim.Status.ObservedGeneration = 2
	kim.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "False", Reason: v1alpha1.ReasonUserNameConflict, ObservedGeneration: 2}}
	cache.Put(kim)
	app.Spec.DeletionPolicy, app.Finalizers = v1alpha1.DeletionDeprovision, []string{v1alpha1.FinalizerDeprovision}
	app.DeletionTimestamp, app.Generation = &metav1.Time{Time: pt.Now}, 2
	cache.Put(app)

	user, err := view.User(t.Context(), pt.Key("kim"))
	if err != nil {
		t.Fatal(err)
	}
	user.Refuse("lee")
	for where, account := range map[string]*desired.AccountView{"reconciler": &user.Accounts[0], "worker": look(t, view, "kim", "crm")} {
		if account.Step.Action != v1alpha1.ActionDeactivate || !account.Step.Revocation {
			t.Errorf("the step of the %s is %+v", where, account.Step)
		}
	}
	census, err := view.Revocations(t.Context(), pt.Key("crm"), pt.Now)
	if err != nil || len(census.Revocations) != 1 {
		t.Errorf("%v: the guard counts %+v", err, census)
	}
}

// A person renamed a group. It is pushed by that name once the group's reconciler has found it to be the group's.
func TestNothingIsPushedUnderANameThatIsNotAdmitted(t *testing.T) {
	cache := pt.NewCache()
	view := pt.NewView(cache)
	group := pt.Group("Team")
	app := pt.App("crm")
	app.Spec.Features = append(app.Spec.Features, v1alpha1.FeaturePushGroups)
	app.Spec.Groups = []v1alpha1.PushedGroup{{DisplayName: "Team"}}
	app.Status.Groups = []v1alpha1.ResolvedGroup{{DisplayName: "Team", ID: group.SCIMID(), Generation: 1}}
	cache.Put(app)
	for _, step := range []struct {
		change func()
		acts   bool
	}{
		{func() {}, true},
		{func() { group.Spec.DisplayName = "Other team" }, false},
		{func() { group.Labels[v1alpha1.LabelDisplayName] = directory.DisplayNameLabel("Other team") }, true},
	} {
		step.change()
		cache.Put(group)
		_, pushed, err := view.Pushed(t.Context(), pt.Key("Team"), "crm")
		if err != nil || (pushed != nil) != step.acts {
			t.Errorf("%s: %+v, error %v", group.Spec.DisplayName, pushed, err)
		}
	}
}
