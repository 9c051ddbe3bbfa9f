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

// addAccount puts an account of an earlier life into an app.
func addAccount(t *testing.T, fake *fakeapp.App, userName string) string {
	t.Helper()
	id, err := fake.AddUser(map[string]any{
		"userName": userName, "active": true, "profileUrl": "https://intranet.corp.test/1", "nickName": "by the admin",
		"name":   map[string]any{"givenName": "Old", "familyName": "Name"},
		"emails": []any{map[string]any{"value": userName, "type": "work", "primary": true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestExistingAccountIsLinkedAndWhatIsNotMappedStays: neither linking nor a later change touches what the app's admin keeps there.
func TestExistingAccountIsLinkedAndWhatIsNotMappedStays(t *testing.T) {
	t.Parallel()
	for _, flavour := range []fakeapp.Flavour{fakeapp.Generic, fakeapp.RService} {
		t.Run(string(flavour), func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", flavour, nil)
			remote := addAccount(t, fake, "Kim@corp.test")
			d.Mapping(t, "named", "crm", named("kim@corp.test"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			kim := op.CreateUser(t, "kim@corp.test")
			user := d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
			if id := user.Status.Account("crm").RemoteID; id != remote || len(fake.Users()) != 1 {
				t.Errorf("the account is %s, want %s; the app has %d accounts", id, remote, len(fake.Users()))
			}
			account := fake.Users()[0]
			if account.Attributes["displayName"] != "kim Tester" || account.Attributes["profileUrl"] != "https://intranet.corp.test/1" {
				t.Errorf("the linked account is %v", account.Attributes)
			}

			if err := fake.EditUser("kim@corp.test", func(attributes map[string]any) { attributes["profileUrl"] = "https://intranet.corp.test/2" }); err != nil {
				t.Fatal(err)
			}
			op.Want(t, 200, "PUT", "/Users/"+kim, withAttribute(harness.UserBody("kim@corp.test", "kim", "Tester"), `"title":"Engineer"`))
			harness.Eventually(t, "the title is in the app", func() error {
				if account = fake.Users()[0]; account.Attributes["title"] != "Engineer" {
					return fmt.Errorf("the app has %v", account.Attributes)
				}
				return nil
			})
			if account.Attributes["profileUrl"] != "https://intranet.corp.test/2" {
				t.Errorf("what the app's admin set was overwritten: %v", account.Attributes)
			}
		})
	}
}

// TestAdoptionNeverLeavesExistingAccountsAlone until a person allows it.
func TestAdoptionNeverLeavesExistingAccountsAlone(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) { app.Spec.Adoption = v1alpha1.AdoptionNever })
	remote := addAccount(t, fake, "kim@corp.test")
	d.Mapping(t, "named", "crm", named("kim@corp.test", "lee@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	before := fake.Users()
	kim := op.CreateUser(t, "kim@corp.test")
	awaitReason(t, d, kim, "crm", v1alpha1.ReasonAccountConflict)
	noWrites(t, fake, watched)
	if diff := cmp.Diff(before, fake.Users()); diff != "" {
		t.Errorf("the account changed (-before +after):\n%s", diff)
	}
	d.AwaitAccount(t, op.CreateUser(t, "lee@corp.test"), "crm", v1alpha1.AccountActive) // who has none gets one

	harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) { app.Spec.Adoption = v1alpha1.AdoptionLink })
	user := d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
	if id := user.Status.Account("crm").RemoteID; id != remote {
		t.Errorf("the account is %s, want %s", id, remote)
	}
}

func TestProtectedAccountIsNeverTouched(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) { app.Spec.ProtectedAccounts = []string{"Root@corp.test"} })
	addAccount(t, fake, "root@corp.test")
	d.Mapping(t, "named", "crm", named("root@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	before := fake.Users()
	root := op.CreateUser(t, "root@corp.test")
	awaitReason(t, d, root, "crm", v1alpha1.ReasonAccountProtected)
	op.Want(t, 200, "PATCH", "/Users/"+root, harness.PatchBody(harness.SetActive(false)))
	noWrites(t, fake, watched)
	op.Want(t, 204, "DELETE", "/Users/"+root, "")
	awaitGone(t, d, root)
	noWrites(t, fake, watched)
	if diff := cmp.Diff(before, fake.Users()); diff != "" {
		t.Errorf("the account changed (-before +after):\n%s", diff)
	}
}

// TestAccountHasOneOwner: two users whose names lead to the same account do not share it.
func TestAccountHasOneOwner(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) {
		app.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: "userName", Expression: "user.title"}}
	})
	d.Mapping(t, "named", "crm", named("first@corp.test", "second@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	create := func(userName string) string {
		body := withAttribute(harness.UserBody(userName, userName, "Tester"), `"title":"shared@corp.test"`)
		return op.Want(t, 201, "POST", "/Users", body).ID()
	}
	first := create("first@corp.test")
	d.AwaitAccount(t, first, "crm", v1alpha1.AccountActive)
	before := fake.Users()
	fake.ResetCalls()
	second := create("second@corp.test")
	awaitReason(t, d, second, "crm", v1alpha1.ReasonAccountConflict)
	noWrites(t, fake, watched)

	// The one without account takes nothing away when it goes.
	op.Want(t, 204, "DELETE", "/Users/"+second, "")
	awaitGone(t, d, second)
	noWrites(t, fake, watched)
	if diff := cmp.Diff(before, fake.Users()); diff != "" {
		t.Errorf("the account changed (-before +after):\n%s", diff)
	}
	d.AwaitAccount(t, first, "crm", v1alpha1.AccountActive)
}
