// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

func TestPushedUserGetsAccountThroughGroup(t *testing.T) {
	d := harness.NewDirectory(t)
	app := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "sales", "crm", v1alpha1.Subjects{Groups: []string{"Sales"}}, "editor")
	op := d.Run(t)
	d.AwaitReady(t, "crm")

	kim := op.CreateUser(t, "kim@corp.test")
	group := op.CreateGroup(t, "Sales")
	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.AddMembers(kim)))
	user := d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
	account, ok := app.User("kim@corp.test")
	if !ok || !account.Active || account.ID != user.Status.Account("crm").RemoteID {
		t.Fatalf("the app has %+v, the status %+v", account, user.Status)
	}

	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.RemoveMember(kim)))
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountInactive)
	if account, _ := app.User("kim@corp.test"); account.Active {
		t.Error("the account is still active")
	}

	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.AddMembers(kim)))
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
	if n := len(app.Users()); n != 1 {
		t.Errorf("the app has %d accounts", n)
	}

	op.Want(t, 204, "DELETE", "/Users/"+kim, "")
	harness.Eventually(t, "the user is gone and its account inactive", func() error {
		if _, err := d.GetUser(t.Context(), kim); err == nil {
			return fmt.Errorf("the ScimUser is there")
		}
		if account, _ := app.User("kim@corp.test"); account.Active {
			return fmt.Errorf("the account is active")
		}
		return nil
	})
}
