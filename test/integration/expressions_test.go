// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// selectedBy are subjects of a role mapping.
func selectedBy(expression string) v1alpha1.Subjects {
	return v1alpha1.Subjects{Expression: expression}
}

// pushedRole is a user as Okta pushes one with entitlements and roles.
func pushedRole(userName, attribute, value string) string {
	return withAttribute(harness.UserBody(userName, "Kim", "Tester"), fmt.Sprintf(`%q:[{"value":%q,"display":"As the list shows it"}]`, attribute, value))
}

// TestPushedRolesAndEntitlementsGiveAccounts: what the identity provider pushes in roles and entitlements decides who gets an app and with which role, and taking
// it away takes the account away.
func TestPushedRolesAndEntitlementsGiveAccounts(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	room, desk := d.App(t, "room", fakeapp.CommonRoom, nil), d.App(t, "desk", fakeapp.RService, nil)
	d.Mapping(t, "room-owner", "room", selectedBy(`user.roles.exists(r, r.value == "room.owner")`), "owner")
	d.Mapping(t, "room-editor", "room", selectedBy(`user.roles.exists(r, r.value == "room.editor")`), "editor")
	d.Mapping(t, "desk", "desk", selectedBy(`user.entitlements.exists(e, e.value == "desk-licence")`))
	op := d.Run(t)
	d.AwaitReady(t, "room")
	d.AwaitReady(t, "desk")

	kim := op.Want(t, 201, "POST", "/Users", pushedRole("kim@corp.test", "roles", "room.editor")).ID()
	lee := op.Want(t, 201, "POST", "/Users", pushedRole("lee@corp.test", "entitlements", "desk-licence")).ID()
	pat := op.CreateUser(t, "pat@corp.test")
	d.AwaitAccount(t, kim, "room", v1alpha1.AccountActive)
	d.AwaitAccount(t, lee, "desk", v1alpha1.AccountActive)
	awaitRoles(t, room, "kim@corp.test", "editor")
	if _, exists := desk.User("kim@corp.test"); exists || d.User(t, pat).Status.Account("room") != nil {
		t.Error("somebody has an app without what it takes")
	}

	// Another role in the identity provider is another role in the app.
	op.Want(t, 200, "PUT", "/Users/"+kim, pushedRole("kim@corp.test", "roles", "room.owner"))
	awaitRoles(t, room, "kim@corp.test", "owner")

	// What is pushed comes back as sent (Okta compares).
	answer := op.Want(t, 200, "GET", "/Users/"+lee, "")
	want := []any{map[string]any{"value": "desk-licence", "display": "As the list shows it"}}
	if diff := cmp.Diff(want, answer.JSON["entitlements"]); diff != "" {
		t.Errorf("entitlements (-want +got):\n%s", diff)
	}

	op.Want(t, 200, "PATCH", "/Users/"+kim, harness.PatchBody(`{"op":"remove","path":"roles[value eq \"room.owner\"]"}`))
	op.Want(t, 200, "PUT", "/Users/"+lee, harness.UserBody("lee@corp.test", "Lee", "Tester"))
	awaitActive(t, room, "kim@corp.test", false)
	awaitActive(t, desk, "lee@corp.test", false)

	// Somebody who is there already gets it by the same way.
	op.Want(t, 200, "PATCH", "/Users/"+pat, harness.PatchBody(`{"op":"add","path":"roles","value":[{"value":"room.owner"}]}`))
	awaitActive(t, room, "pat@corp.test", true)
	awaitRoles(t, room, "pat@corp.test", "owner")
}

// TestAChangedExpressionMovesThoseWhomItConcerns: the mapping changes, no user does.
func TestAChangedExpressionMovesThoseWhomItConcerns(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "by-name", "crm", selectedBy(`user.userName == "user-0@corp.test"`))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	bystander(t, d, op, "crm")
	ids := pushUsers(t, op, 3)
	d.AwaitAccount(t, ids[0], "crm", v1alpha1.AccountActive)

	change := func(subjects v1alpha1.Subjects) {
		harness.Change(t, d, "by-name", &v1alpha1.ScimRoleMapping{}, func(m *v1alpha1.ScimRoleMapping) { m.Spec.Subjects = subjects })
	}
	change(selectedBy(`user.userName in ["user-1@corp.test", "user-2@corp.test"]`))
	d.AwaitAccount(t, ids[1], "crm", v1alpha1.AccountActive)
	d.AwaitAccount(t, ids[2], "crm", v1alpha1.AccountActive)
	awaitActive(t, fake, "user-0@corp.test", false)
	harness.Eventually(t, "the mapping counts two users", func() error {
		m := &v1alpha1.ScimRoleMapping{}
		if err := d.Admin.Get(t.Context(), d.Key("by-name"), m); err != nil || m.Status.Users != 2 {
			return fmt.Errorf("status %+v, error %w", m.Status, err)
		}
		return nil
	})
	d.Delete(t, mappingOf(d, "by-name"))
	awaitActive(t, fake, "user-1@corp.test", false)
	awaitActive(t, fake, "user-2@corp.test", false)
}
