// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"fmt"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// selecting is a mapping that gives crm by an expression.
func selecting(name, expression string, roles ...string) *v1alpha1.ScimRoleMapping {
	mapping := pt.Mapping(name, "crm", nil, roles...)
	mapping.Spec.Subjects.Expression = expression
	return mapping
}

func hasApp(t *testing.T, view *desired.View, user string) bool {
	t.Helper()
	seen, err := view.User(t.Context(), pt.Key(user))
	if err != nil {
		t.Fatal(err)
	}
	return seen != nil && len(seen.Accounts) == 1 && seen.Accounts[0].Desired.Assigned
}

func TestExpressionsFollowUsersAndMappings(t *testing.T) {
	cache := pt.NewCache()
	view := pt.NewView(cache)
	cache.Put(pt.App("crm"))
	mapping := selecting("sales", `user.roles.exists(r, r.value == "crm.user")`)
	cache.Put(mapping)
	kim := pt.User("kim")
	change := func(roles ...v1alpha1.MultiValue) {
		kim.Spec.Roles = roles
		kim.Generation++
		cache.Put(kim)
	}
	cache.Put(kim)
	if hasApp(t, view, "kim") {
		t.Error("a user without the role has the app")
	}
	change(v1alpha1.MultiValue{Value: "crm.user"})
	if !hasApp(t, view, "kim") {
		t.Error("a user with the role does not have the app")
	}

	// Another spec of the mapping.
	mapping.Spec.Subjects.Expression = `user.roles.exists(r, r.value == "crm.admin")`
	cache.Put(mapping)
	if hasApp(t, view, "kim") {
		t.Error("the former expression counts")
	}
	change(v1alpha1.MultiValue{Value: "crm.admin"})
	if !hasApp(t, view, "kim") {
		t.Error("the new expression does not count")
	}
	// Another user by the same name.
	cache.Remove(kim)
	if seen, err := view.User(t.Context(), pt.Key("kim")); seen != nil || err != nil {
		t.Errorf("a user who is gone is seen: %v, %v", seen, err)
	}
	kim.UID, kim.Spec.Roles = "another", nil
	cache.Put(kim)
	if hasApp(t, view, "kim") {
		t.Error("the new user has what the former one had")
	}
}

// BenchmarkRevocations counts an app of 10,000 users who have it by an expression, as the guard does whenever something is to be taken from one of them.
func BenchmarkRevocations(b *testing.B) {
	cache := pt.NewCache()
	view := pt.NewView(cache)
	cache.Put(pt.App("crm"))
	cache.Put(selecting("sales", `user.roles.exists(r, r.value == "crm.user")`))
	for i := range 10_000 {
		user := pt.User(fmt.Sprintf("user%d", i), active("crm", fmt.Sprint(i)))
		user.Spec.Roles = []v1alpha1.MultiValue{{Value: "wiki.reader"}, {Value: "crm.user"}}
		cache.Put(user)
	}
	count := func() {
		census, err := view.Revocations(b.Context(), pt.Key("crm"), pt.Now)
		if err != nil || census.Count.Active != 10_000 || len(census.Revocations) > 0 {
			b.Fatalf("%d active, %d wanted, %v", census.Count.Active, len(census.Revocations), err)
		}
	}
	count()
	for b.Loop() {
		count()
	}
}
