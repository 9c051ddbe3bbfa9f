// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// awaitRoles waits until an app's account has these roles.
func awaitRoles(t *testing.T, fake *fakeapp.App, userName string, roles ...string) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("the account has the roles %v", roles), func() error {
		if user, _ := fake.User(userName); !cmp.Equal(user.Roles, roles) {
			return fmt.Errorf("the app has %+v", user)
		}
		return nil
	})
}

func setRoles(t *testing.T, d *harness.Directory, mapping string, roles ...string) {
	t.Helper()
	harness.Change(t, d, mapping, &v1alpha1.ScimRoleMapping{}, func(m *v1alpha1.ScimRoleMapping) { m.Spec.Roles = roles })
}

// TestRolesFollowTheMappings: the Custom Role Assignment of S28, per assignment (S42), with the precedence of mappings.
func TestRolesFollowTheMappings(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "room", fakeapp.CommonRoom, nil)
	for name, priority := range map[string]int32{"editors": 20, "viewers": 10} {
		d.Create(t, &v1alpha1.ScimRoleMapping{ObjectMeta: d.Meta(name), Spec: v1alpha1.ScimRoleMappingSpec{
			App: "room", Subjects: inGroups(name), Roles: []string{strings.TrimSuffix(name, "s")}, Priority: ptr.To(priority),
		}})
	}
	d.Mapping(t, "owner", "room", named("kim@corp.test"), "owner")
	d.Mapping(t, "no-role", "room", named("pat@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "room")
	kim, lee, pat := op.CreateUser(t, "kim@corp.test"), op.CreateUser(t, "lee@corp.test"), op.CreateUser(t, "pat@corp.test")
	op.CreateGroup(t, "editors", kim, lee)
	viewers := op.CreateGroup(t, "viewers", kim, lee)
	awaitRoles(t, fake, "kim@corp.test", "owner")  // named, over all groups
	awaitRoles(t, fake, "lee@corp.test", "viewer") // the lowest priority number
	awaitRoles(t, fake, "pat@corp.test", "viewer") // the app's default
	d.AwaitAccount(t, lee, "room", v1alpha1.AccountActive)
	fake.ResetCalls()

	op.Want(t, 204, "PATCH", "/Groups/"+viewers, harness.PatchBody(harness.RemoveMember(lee)))
	awaitRoles(t, fake, "lee@corp.test", "editor")
	setRoles(t, d, "editors", "viewer")
	awaitRoles(t, fake, "lee@corp.test", "viewer")
	setRoles(t, d, "editors", "Admin") // the vendor's other name for an owner
	awaitRoles(t, fake, "lee@corp.test", "owner")
	harness.Eventually(t, "the role is in the status", func() error {
		if account := d.User(t, lee).Status.Account("room"); !cmp.Equal(account.Roles, []string{"owner"}) {
			return fmt.Errorf("the entry is %+v", account)
		}
		return nil
	})
	d.AwaitAccount(t, kim, "room", v1alpha1.AccountActive)
	d.AwaitAccount(t, pat, "room", v1alpha1.AccountActive)
	if n := len(callsOf(fake, fakeapp.UsersPatch)); n != 3 {
		t.Errorf("%d changes of accounts, want one for each change of a role: %v", n, fake.Counts())
	}
}

// TestUnknownRoleStallsTheMappingAndChangesNobody: a slip of the pen neither takes a role away nor makes an owner of a newcomer.
func TestUnknownRoleStallsTheMappingAndChangesNobody(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "room", fakeapp.CommonRoom, nil)
	d.Mapping(t, "team", "room", inGroups("Team"), "editor")
	op := d.Run(t)
	d.AwaitReady(t, "room")
	ids := pushUsers(t, op, 2)
	group := op.CreateGroup(t, "Team", ids...)
	awaitAll(t, d, ids, "room", v1alpha1.AccountActive)
	fake.ResetCalls()

	setRoles(t, d, "team", "edtor")
	message := awaitCondition(t, d, &v1alpha1.ScimRoleMapping{}, "team", v1alpha1.ConditionStalled, "True", v1alpha1.ReasonRoleUnknown)
	for _, role := range []string{"edtor", "owner", "editor", "viewer"} {
		if !strings.Contains(message, role) {
			t.Errorf("the message does not name %q: %s", role, message)
		}
	}
	newcomer := op.CreateUser(t, "newcomer@corp.test")
	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.AddMembers(newcomer)))
	awaitReason(t, d, newcomer, "room", v1alpha1.ReasonInvalidAttribute)
	noCalls(t, fake, watched)
	for i := range ids {
		if user, _ := fake.User(fmt.Sprintf("user-%d@corp.test", i)); !user.Active || !cmp.Equal(user.Roles, []string{"editor"}) {
			t.Errorf("the app has %+v", user)
		}
	}

	setRoles(t, d, "team", "editor")
	awaitRoles(t, fake, "newcomer@corp.test", "editor")
	awaitAll(t, d, append(ids, newcomer), "room", v1alpha1.AccountActive)
	if fake.Writes() != 1 {
		t.Errorf("write calls other than the newcomer's create: %v", fake.Counts())
	}
}

const costCenter = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// TestGroupDefaultsFillWhatAUserDoesNotHave: the default values of S66 and the VIP flag of S67.
func TestGroupDefaultsFillWhatAUserDoesNotHave(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "desk", fakeapp.RService, nil)
	d.Create(t, &v1alpha1.ScimRoleMapping{ObjectMeta: d.Meta("zurich"), Spec: v1alpha1.ScimRoleMappingSpec{
		App: "desk", Subjects: inGroups("Zurich"), Attributes: []v1alpha1.AttributeValue{
			{Name: "preferredLanguage", Value: "de-CH"}, {Name: "timezone", Value: "Europe/Zurich"}, {Name: "userType", Value: "VIP"},
			{Name: costCenter + ":costCenter", Value: "4711"},
		},
	}})
	op := d.Run(t)
	d.AwaitReady(t, "desk")
	without := op.CreateUser(t, "without@corp.test")
	body := harness.UserBody("with@corp.test", "with", "Tester")
	body = withAttribute(body, `"preferredLanguage":"fr-CH","`+costCenter+`":{"costCenter":"42"}`)
	with := op.Want(t, 201, "POST", "/Users", body).ID()
	op.CreateGroup(t, "Zurich", without, with)
	awaitAll(t, d, []string{without, with}, "desk", v1alpha1.AccountActive)
	want := map[string][]string{"without@corp.test": {"de-CH", "Europe/Zurich", "VIP", "4711"}, "with@corp.test": {"fr-CH", "Europe/Zurich", "VIP", "42"}}
	for userName, values := range want {
		user, _ := fake.User(userName)
		extension, _ := user.Attributes[costCenter].(map[string]any)
		got := []string{}
		for _, value := range []any{user.Attributes["preferredLanguage"], user.Attributes["timezone"], user.Attributes["userType"], extension["costCenter"]} {
			got = append(got, fmt.Sprint(value))
		}
		if diff := cmp.Diff(values, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", userName, diff)
		}
	}

	// A user who gets a value of its own has that.
	op.Want(t, 200, "PUT", "/Users/"+without, withAttribute(harness.UserBody("without@corp.test", "without", "Tester"), `"timezone":"Asia/Tokyo"`))
	harness.Eventually(t, "the user's own time zone is in the app", func() error {
		if user, _ := fake.User("without@corp.test"); user.Attributes["timezone"] != "Asia/Tokyo" || user.Attributes["preferredLanguage"] != "de-CH" {
			return fmt.Errorf("the app has %v", user.Attributes)
		}
		return nil
	})
}

// TestRenamedSubjectGroupIsFollowedAndItsNameIsNotHandedOn: an identity provider's admin who renames groups gives nobody anything.
func TestRenamedSubjectGroupIsFollowedAndItsNameIsNotHandedOn(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "sales", "crm", inGroups("Sales"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 3)
	group := op.CreateGroup(t, "Sales", ids[0], ids[1])
	awaitAll(t, d, ids[:2], "crm", v1alpha1.AccountActive)
	awaitCondition(t, d, &v1alpha1.ScimRoleMapping{}, "sales", v1alpha1.ConditionSubjectsResolved, "True", v1alpha1.ReasonSucceeded)
	fake.ResetCalls()

	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(`{"op":"replace","value":{"id":"`+group+`","displayName":"Field Sales"}}`))
	awaitCondition(t, d, &v1alpha1.ScimRoleMapping{}, "sales", v1alpha1.ConditionSubjectsResolved, "True", v1alpha1.ReasonSubjectRenamed)
	noCalls(t, fake, watched)

	op.CreateGroup(t, "Sales", ids[2])
	awaitCondition(t, d, &v1alpha1.ScimRoleMapping{}, "sales", v1alpha1.ConditionSubjectsResolved, "False", v1alpha1.ReasonSubjectChanged)
	noCalls(t, fake, watched)
	if entry := d.User(t, ids[2]).Status.Account("crm"); entry != nil {
		t.Errorf("the member of the new group got %+v", entry)
	}
	if n := len(fake.Users()); n != 2 {
		t.Errorf("the app has %d accounts", n)
	}
	// Who joins the group that was meant gets the app, whatever the group is called.
	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.AddMembers(ids[2])))
	d.AwaitAccount(t, ids[2], "crm", v1alpha1.AccountActive)
}
