// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestSuccessorOfADeletedUserHasTheAccountInTheEnd: the freed name is free at once, whatever the app does meanwhile, and whichever of the
// two comes first there. Where the app's guide does not demand the same record, a person confirms that the inactive account of the deleted user is the successor's.
func TestSuccessorOfADeletedUserHasTheAccountInTheEnd(t *testing.T) {
	t.Parallel()
	for _, flavour := range []fakeapp.Flavour{fakeapp.Generic, fakeapp.CommonRoom, fakeapp.RService} {
		t.Run(string(flavour), func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", flavour, nil)
			d.Mapping(t, "named", "crm", named("kim@corp.test"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			before := op.CreateUser(t, "kim@corp.test")
			d.AwaitAccount(t, before, "crm", v1alpha1.AccountActive)

			fake.Inject(fakeapp.Fault{Hang: true})
			op.Want(t, 204, "DELETE", "/Users/"+before, "")
			after := op.CreateUser(t, "kim@corp.test")
			if after == before {
				t.Error("the id was given again")
			}
			harness.Eventually(t, "a call hangs", func() error {
				if fake.Hanging() == 0 {
					return fmt.Errorf("none yet")
				}
				return nil
			})
			if _, err := d.GetUser(t.Context(), before); err != nil {
				t.Errorf("the deleted user does not wait for the app: %v", err)
			}
			fake.ClearFaults()
			if flavour == fakeapp.Generic {
				confirmAccount(t, d, after, "crm")
			}
			user := d.AwaitAccount(t, after, "crm", v1alpha1.AccountActive)
			harness.Eventually(t, "nothing is left to do for the deleted user", func() error {
				user, err := d.GetUser(t.Context(), before)
				if err == nil && !meta.IsStatusConditionTrue(user.Status.Conditions, v1alpha1.ConditionReady) {
					return fmt.Errorf("its status is %+v", user.Status)
				}
				return client.IgnoreNotFound(err)
			})
			holdsFor(t, watched, func() error {
				accounts := fake.Users()
				if len(accounts) != 1 || !accounts[0].Active || accounts[0].ID != user.Status.Account("crm").RemoteID {
					return fmt.Errorf("the app has %+v, the status %+v", accounts, user.Status)
				}
				return nil
			})
			d.AwaitAccount(t, after, "crm", v1alpha1.AccountActive)

			// The object of the deleted user may stay while the successor has its name by way of it, but not longer.
			op.Want(t, 204, "DELETE", "/Users/"+after, "")
			awaitGone(t, d, after)
			awaitGone(t, d, before)
			if account, _ := fake.User("kim@corp.test"); account.Active {
				t.Error("the account of the deleted successor is active")
			}
		})
	}
}

// confirmAccount says that the account of the user's name is the user's, if the operator asks for it. It does not ask where the successor comes first.
func confirmAccount(t *testing.T, d *harness.Directory, id, app string) {
	t.Helper()
	var user *v1alpha1.ScimUser
	harness.Eventually(t, "the account is the user's, or a person is asked", func() error {
		user = d.User(t, id)
		account := user.Status.Account(app)
		if account == nil || (account.Reason != v1alpha1.ReasonAdoptionUnconfirmed && account.State != v1alpha1.AccountActive) {
			return fmt.Errorf("the status is %+v", user.Status)
		}
		return nil
	})
	_, command, asked := strings.Cut(user.Status.Account(app).Message, v1alpha1.AnnotationConfirmAccount+"=")
	if value, _, _ := strings.Cut(command, "'"); asked {
		harness.Change(t, d, user.Name, &v1alpha1.ScimUser{}, func(u *v1alpha1.ScimUser) { setAnnotation(u, v1alpha1.AnnotationConfirmAccount, value) })
	}
}
