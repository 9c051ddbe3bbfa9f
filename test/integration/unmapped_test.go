// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"strings"
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
	setActive(t, op, ids[0], false)
	d.AwaitAccount(t, ids[0], "crm", v1alpha1.AccountInactive)
	setActive(t, op, ids[0], true)
	d.AwaitAccount(t, ids[0], "crm", v1alpha1.AccountActive)
	for _, user := range fake.Users() {
		if user.Attributes["title"] != "Engineer" {
			t.Errorf("the app has the title %v, want it as it was", user.Attributes["title"])
		}
	}
}

// TestAttributeExpressionThatDoesNotCompileChangesNoAccount: an unclosed quote in spec.attributes leaves that attribute as it is, and a leaver does not wait for its correction.
func TestAttributeExpressionThatDoesNotCompileChangesNoAccount(t *testing.T) {
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

	harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) {
		app.Spec.Attributes = []v1alpha1.AttributeMapping{mapped("title", `"Engineer`)}
	})
	message := awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionReady, "False", v1alpha1.ReasonInvalidConfiguration)
	if !strings.Contains(message, `spec.attributes: attribute "title": 1:`) {
		t.Errorf("the message is %q", message)
	}
	noWrites(t, fake, watched)
	setActive(t, op, ids[0], false)
	d.AwaitAccount(t, ids[0], "crm", v1alpha1.AccountInactive)
	d.AwaitAccount(t, op.CreateUser(t, "joiner@corp.test"), "crm", v1alpha1.AccountActive)
	for _, user := range fake.Users() {
		if got, _ := user.Attributes["title"].(string); (got == "Engineer") != (user.UserName != "joiner@corp.test") {
			t.Errorf("the app has the title %q of %s", got, user.UserName)
		}
	}
}
