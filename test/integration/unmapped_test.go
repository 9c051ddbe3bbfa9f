// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// mapped is an entry of spec.attributes.
func mapped(name, expression string) v1alpha1.AttributeMapping {
	return v1alpha1.AttributeMapping{Name: name, Expression: expression}
}

// TestAttributeThatIsTakenOutOfTheMappingIsForgotten: the app refuses to clear it, and it is not asked to.
func TestAttributeThatIsTakenOutOfTheMappingIsForgotten(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) {
		app.Spec.Attributes = []v1alpha1.AttributeMapping{mapped("title", `"Engineer"`)}
	})
	d.Mapping(t, "everybody", "crm", selectedBy("true"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 3)
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	fake.ResetCalls()

	unmap := func(policy v1alpha1.UnmappedPolicy) {
		harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) {
			app.Spec.Attributes, app.Spec.WhenUnmapped = []v1alpha1.AttributeMapping{mapped("title", "")}, policy
		})
	}
	unmap("")
	if policy := getApp(t, d, "crm").Spec.WhenUnmapped; policy != v1alpha1.UnmappedKeep {
		t.Errorf("whenUnmapped is %q by default, want Keep", policy)
	}
	noWrites(t, fake, watched)

	// Deactivation and reactivation go on, and the attribute stays.
	op.Want(t, 200, "PATCH", "/Users/"+ids[0], harness.PatchBody(harness.SetActive(false)))
	d.AwaitAccount(t, ids[0], "crm", v1alpha1.AccountInactive)
	op.Want(t, 200, "PATCH", "/Users/"+ids[0], harness.PatchBody(harness.SetActive(true)))
	d.AwaitAccount(t, ids[0], "crm", v1alpha1.AccountActive)
	for _, user := range fake.Users() {
		if user.Attributes["title"] != "Engineer" {
			t.Errorf("the app has the title %v, want it as it was", user.Attributes["title"])
		}
	}
}
