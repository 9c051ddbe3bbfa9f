// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/guard"
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

// TestAttributeThatBecomesEmptyForManyIsHeld: everything else of these accounts goes on, and a person approves the batch as any other.
func TestAttributeThatBecomesEmptyForManyIsHeld(t *testing.T) {
	t.Parallel()
	const users, allowed = 6, 3
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) {
		guardOf(allowed)(app)
		app.Spec.Attributes = []v1alpha1.AttributeMapping{mapped("title", `"Engineer"`)}
	})
	d.Mapping(t, "everybody", "crm", selectedBy("true"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, users)
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	fake.ResetCalls()

	harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) {
		app.Spec.Attributes = []v1alpha1.AttributeMapping{mapped("title", `user.nickName`)}
	})
	batch := awaitBatch(t, d, "crm", users)
	if !guard.OfAttributes(batch.Digest) || !strings.HasPrefix(batch.Message, "ClearAttributes 6; ") || !strings.Contains(batch.Message, "without a value: title") {
		t.Errorf("the batch is %+v", batch)
	}
	for _, id := range ids {
		awaitReason(t, d, id, "crm", v1alpha1.ReasonHeld)
	}
	noWrites(t, fake, watched)

	// Other attributes are written, and a leaver leaves.
	op.Want(t, 200, "PATCH", "/Users/"+ids[0], harness.PatchBody(`{"op":"replace","path":"name.familyName","value":"Changed"}`))
	harness.Eventually(t, "the app has the new name", func() error {
		user, _ := fake.User("user-0@corp.test")
		if name, _ := user.Attributes["name"].(map[string]any); name["familyName"] != "Changed" || user.Attributes["title"] != "Engineer" {
			return fmt.Errorf("the app has %+v", user)
		}
		return nil
	})
	setActive(t, op, ids[1], false)
	d.AwaitAccount(t, ids[1], "crm", v1alpha1.AccountInactive)

	op.Stop()
	d.Run(t)
	noWritesBut(t, fake, 2)
	if after := awaitBatch(t, d, "crm", users-1); after.Digest != batch.Digest {
		t.Errorf("the batch is %s after a restart, was %s", after.Digest, batch.Digest)
	}
	annotate(t, d, "crm", v1alpha1.AnnotationApproveBatch, batch.Digest)
	awaitNoBatch(t, d, "crm")
	for i := range users {
		name := fmt.Sprintf("user-%d@corp.test", i)
		harness.Eventually(t, "the title of "+name+" is as it should be", func() error {
			user, _ := fake.User(name)
			if _, has := user.Attributes["title"]; has != (i == 1) {
				return fmt.Errorf("the app has %+v", user)
			}
			return nil
		})
	}
	if n := fake.Writes(); n != 2+users-1 {
		t.Errorf("%d writes: %v", n, fake.Counts())
	}
}
