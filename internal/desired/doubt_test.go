// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// doubtful is a user who has crm, whose spec has moved on since its status was written, and who is wanted as the status says.
func doubtful(t *testing.T, generation int64) (*desired.View, *desiredtest.Cache) {
	t.Helper()
	cache := desiredtest.NewCache()
	cache.Put(desiredtest.App("crm"))
	cache.Put(desiredtest.Mapping("named", "crm", []string{"kim@corp.test"}))
	cache.Put(desiredtest.User("kim"))
	// What is written to the app for this user: as it is said by a view of another process.
	_, account, err := desired.NewView(cache).Account(t.Context(), desiredtest.Key("kim"), "crm")
	if err != nil {
		t.Fatal(err)
	}
	entry := active("crm", "1")
	entry.Applied = applied(account)
	user := desiredtest.User("kim", entry)
	user.Generation, user.Status.ObservedGeneration = generation, 1
	cache.Put(user)
	return desired.NewView(cache), cache
}

// applied is what an entry says once everything was written that is wanted.
func applied(account *desired.AccountView) string {
	return plan.HashValues(account.Wanted.Values).String()
}

func stepOf(t *testing.T, view *desired.View) v1alpha1.AccountAction {
	t.Helper()
	_, account, err := view.Account(t.Context(), desiredtest.Key("kim"), "crm")
	if err != nil {
		t.Fatal(err)
	}
	return account.Step.Action
}

func TestStatusBehindTheSpecAtTheStartIsNotTrusted(t *testing.T) {
	view, _ := doubtful(t, 3)
	if got := stepOf(t, view); got != v1alpha1.ActionReactivate {
		t.Errorf("the step is %q, want a Reactivate that writes everything", got)
	}
	// What this process has done itself is certain.
	done := active("crm", "1")
	_, account, err := view.Account(t.Context(), desiredtest.Key("kim"), "crm")
	if err != nil {
		t.Fatal(err)
	}
	done.Applied = applied(account)
	view.Users.Put(desiredtest.Key("kim"), outcome{App: "crm", UID: types.UID("uid-kim"), Entry: done})
	if got := stepOf(t, view); got != "" {
		t.Errorf("the step after the outcome is %q", got)
	}
}

func TestStatusBehindTheSpecLaterIsTrusted(t *testing.T) {
	view, cache := doubtful(t, 1)
	if got := stepOf(t, view); got != "" {
		t.Fatalf("the step of an account that is as it should be is %q", got)
	}
	_, account, err := view.Account(t.Context(), desiredtest.Key("kim"), "crm")
	if err != nil {
		t.Fatal(err)
	}
	user := desiredtest.User("kim", *account.Entry)
	user.Generation, user.Status.ObservedGeneration = 2, 1
	cache.Put(user)
	if got := stepOf(t, view); got != "" {
		t.Errorf("the step after a change of the spec that concerns no app is %q", got)
	}
}
