// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// handMade makes a ScimUser as a person does with kubectl: without id, client and finalizer.
func handMade(t *testing.T, d *harness.Directory, name, userName string, managedBy v1alpha1.ManagedBy) {
	t.Helper()
	d.Create(t, &v1alpha1.ScimUser{ObjectMeta: d.Meta(name), Spec: v1alpha1.ScimUserSpec{
		UserName: userName, ManagedBy: managedBy, DisplayName: "Made by hand",
	}})
}

// admitted waits until the operator has admitted a hand-made user, and gives back its SCIM id.
func admitted(t *testing.T, d *harness.Directory, name string) string {
	t.Helper()
	user := &v1alpha1.ScimUser{}
	harness.Eventually(t, name+" is admitted", func() error {
		if err := d.Admin.Get(t.Context(), d.Key(name), user); err != nil {
			return err
		}
		if !user.Admitted() {
			return fmt.Errorf("status is %+v", user.Status)
		}
		return nil
	})
	return user.SCIMID()
}

func TestHandMadeUserIsAdmittedAndProvisioned(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "named", "crm", named("kim@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	handMade(t, d, "kim", "kim@corp.test", "")
	id := admitted(t, d, "kim")
	d.AwaitAccount(t, id, "crm", v1alpha1.AccountActive)
	if answer := op.Want(t, 200, "GET", "/Users/"+id, ""); answer.JSON["userName"] != "kim@corp.test" {
		t.Errorf("the endpoint has %s", answer.Body)
	}

	// A second one of the same name takes nothing away, in whatever letter case, by whatever way.
	handMade(t, d, "kim-again", "KIM@corp.test", "")
	awaitCondition(t, d, &v1alpha1.ScimUser{}, "kim-again", v1alpha1.ConditionReady, "False", v1alpha1.ReasonUserNameConflict)
	op.Want(t, 409, "POST", "/Users", harness.UserBody("Kim@corp.test", "Kim", "Tester"))
	again := &v1alpha1.ScimUser{}
	if err := d.Admin.Get(t.Context(), d.Key("kim-again"), again); err != nil || again.Admitted() || len(again.Status.Accounts) > 0 {
		t.Errorf("the second one is %+v, error %v", again, err)
	}
	if n := fake.Counts()[fakeapp.UsersCreate]; n != 1 || len(fake.Users()) != 1 {
		t.Errorf("the app got %d creates and has %d accounts", n, len(fake.Users()))
	}

	// Nor when it goes.
	d.Delete(t, again)
	fake.ResetCalls()
	noCalls(t, fake, watched)
	d.AwaitAccount(t, id, "crm", v1alpha1.AccountActive)

	d.Delete(t, d.User(t, id))
	awaitGone(t, d, id)
	if account, _ := fake.User("kim@corp.test"); account.Active {
		t.Error("the account of the deleted user is active")
	}
}

// TestUserManagedByGitIsReadOnlyToSCIM: what changes nothing succeeds, a change is refused with the reason.
func TestUserManagedByGitIsReadOnlyToSCIM(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "named", "crm", named("kim@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	handMade(t, d, "kim", "kim@corp.test", v1alpha1.ManagedByGit)
	id := admitted(t, d, "kim")
	d.AwaitAccount(t, id, "crm", v1alpha1.AccountActive)
	before := d.User(t, id)
	fake.ResetCalls()

	found := op.Want(t, 200, "GET", "/Users"+harness.FilterQuery(`userName eq "kim@corp.test"`), "")
	if !strings.Contains(found.Body, id) {
		t.Errorf("the user is not found: %s", found.Body)
	}
	same := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"kim@corp.test","displayName":"Made by hand","active":true}`
	op.Want(t, 200, "PUT", "/Users/"+id, same)
	op.Want(t, 200, "PATCH", "/Users/"+id, harness.PatchBody(harness.SetActive(true)))
	for what, answer := range map[string]harness.Answer{
		"PUT":    op.Want(t, 403, "PUT", "/Users/"+id, strings.Replace(same, "hand", "SCIM", 1)),
		"PATCH":  op.Want(t, 403, "PATCH", "/Users/"+id, harness.PatchBody(harness.SetActive(false))),
		"DELETE": op.Want(t, 403, "DELETE", "/Users/"+id, ""),
	} {
		if detail, _ := answer.JSON["detail"].(string); !strings.Contains(detail, "Git") {
			t.Errorf("%s is refused without the reason: %s", what, answer.Body)
		}
	}
	noCalls(t, fake, watched)
	if after := d.User(t, id); after.ResourceVersion != before.ResourceVersion || after.Generation != before.Generation {
		t.Errorf("the user was written: %+v", after)
	}

	// Git changes it.
	harness.Change(t, d, "kim", &v1alpha1.ScimUser{}, func(u *v1alpha1.ScimUser) { u.Spec.DisplayName = "Changed in Git" })
	harness.Eventually(t, "the change is in the app", func() error {
		if account, _ := fake.User("kim@corp.test"); account.Attributes["displayName"] != "Changed in Git" {
			return fmt.Errorf("the app has %v", account.Attributes)
		}
		return nil
	})
}
