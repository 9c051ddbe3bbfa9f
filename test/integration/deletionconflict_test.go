// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestDeletedAppDeprovisionsTheAccountOfAUserWhoseNameIsTaken: the account is known by its id, so the deletion finishes and nobody stays active.
func TestDeletedAppDeprovisionsTheAccountOfAUserWhoseNameIsTaken(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) { app.Spec.DeletionPolicy = v1alpha1.DeletionDeprovision })
	d.Mapping(t, "named", "crm", named("kim@corp.test", "lee@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	kim, lee := op.CreateUser(t, "kim@corp.test"), op.CreateUser(t, "lee@corp.test")
	awaitAll(t, d, []string{kim, lee}, "crm", v1alpha1.AccountActive)
	renameByHand(t, d, kim, "lee@corp.test")
	awaitCondition(t, d, &v1alpha1.ScimUser{}, d.User(t, kim).Name, v1alpha1.ConditionReady, "False", v1alpha1.ReasonUserNameConflict)

	d.Delete(t, getApp(t, d, "crm"))
	// Both accounts of the app at once are held.
	approveHeld(t, d, "crm")
	harness.Eventually(t, "the ScimApp is gone", func() error {
		if err := d.Admin.Get(t.Context(), d.Key("crm"), &v1alpha1.ScimApp{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("reading the ScimApp: %w", err)
		}
		return nil
	})
	for _, user := range fake.Users() {
		if user.Active {
			t.Errorf("the account %s is active", user.ID)
		}
	}
}
