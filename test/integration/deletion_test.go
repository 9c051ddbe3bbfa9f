// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestDeletedUserIsDeprovisionedByPolicy: and leaves the groups, and is gone.
func TestDeletedUserIsDeprovisionedByPolicy(t *testing.T) {
	t.Parallel()
	for _, policy := range []v1alpha1.Deprovisioning{v1alpha1.DeprovisionDeactivate, v1alpha1.DeprovisionDelete, v1alpha1.DeprovisionOrphan} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) { app.Spec.Deprovisioning = policy })
			d.Mapping(t, "team", "crm", inGroups("Team"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			ids := pushUsers(t, op, 2)
			group := op.CreateGroup(t, "Team", ids...)
			awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
			fake.ResetCalls()

			op.Want(t, 204, "DELETE", "/Users/"+ids[0], "")
			op.Want(t, 404, "GET", "/Users/"+ids[0], "")
			awaitGone(t, d, ids[0])
			account, there := fake.User("user-0@corp.test")
			if there != (policy != v1alpha1.DeprovisionDelete) || account.Active != (policy == v1alpha1.DeprovisionOrphan) {
				t.Errorf("the app has %+v", account)
			}
			if policy == v1alpha1.DeprovisionOrphan && len(fake.Calls()) > 0 {
				t.Errorf("the app was called %v", fake.Counts())
			}
			harness.Eventually(t, "the group has lost the member", func() error {
				if answer := op.Want(t, 200, "GET", "/Groups/"+group, ""); strings.Contains(answer.Body, ids[0]) || !strings.Contains(answer.Body, ids[1]) {
					return fmt.Errorf("the group is %s", answer.Body)
				}
				return nil
			})
			if account, _ := fake.User("user-1@corp.test"); !account.Active {
				t.Error("the other account is not active any more")
			}
		})
	}
}

// TestNamespaceGoesAlthoughTheAppIsDown: its accounts stay as they are. Where the operator's rights are Roles in it, they go with it.
func TestNamespaceGoesAlthoughTheAppIsDown(t *testing.T) {
	t.Parallel()
	for rights, install := range map[string]func(*testing.T, *harness.Directory) *harness.Installation{
		"of the cluster": func(t *testing.T, d *harness.Directory) *harness.Installation { return harness.Install(t, d.Env) },
		"in it": func(t *testing.T, d *harness.Directory) *harness.Installation {
			return harness.InstallWith(t, d.Env, "rbac.namespaceDeletion=true", d.Namespace)
		},
	} {
		t.Run("rights "+rights, func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			d.Use(install(t, d))
			namespaceGoes(t, d)
		})
	}
}

func namespaceGoes(t *testing.T, d *harness.Directory) {
	t.Helper()
	fake := d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) {
		pushing([]string{"Team"})(app)
		app.Spec.DeletionPolicy = v1alpha1.DeletionDeprovision
	})
	d.Mapping(t, "team", "crm", inGroups("Team"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 3)
	op.CreateGroup(t, "Team", ids...)
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	awaitMembers(t, fake, "Team", remoteIDs(t, d, ids, "crm")...)
	if err := fake.Refuse(true); err != nil {
		t.Fatal(err)
	}
	d.Delete(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: d.Namespace}})
	harness.Eventually(t, "the namespace is gone", func() error {
		namespace := &corev1.Namespace{}
		err := d.Admin.Get(t.Context(), client.ObjectKey{Name: d.Namespace}, namespace)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("status %+v, error %w", namespace.Status, err)
	})
	for _, user := range fake.Users() {
		if !user.Active {
			t.Errorf("the account %s was deactivated", user.ID)
		}
	}
	if group, ok := fake.Group("Team"); !ok || len(group.Members) != 3 {
		t.Errorf("the app's group is %+v", group)
	}
}

// TestDeletedAppLeavesItsAccountsOrDeprovisionsThem as its policy says.
func TestDeletedAppLeavesItsAccountsOrDeprovisionsThem(t *testing.T) {
	t.Parallel()
	for _, policy := range []v1alpha1.DeletionPolicy{v1alpha1.DeletionOrphan, v1alpha1.DeletionDeprovision} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) { app.Spec.DeletionPolicy = policy })
			d.Mapping(t, "team", "crm", inGroups("Team"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			ids := pushUsers(t, op, 3)
			op.CreateGroup(t, "Team", ids...)
			awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
			fake.ResetCalls()
			d.Delete(t, getApp(t, d, "crm"))
			if policy == v1alpha1.DeletionDeprovision {
				// All accounts of a small app at once are held, whatever the threshold.
				approveHeld(t, d, "crm")
			}
			harness.Eventually(t, "the ScimApp is gone and no user has an account of it", func() error {
				err := d.Admin.Get(t.Context(), d.Key("crm"), &v1alpha1.ScimApp{})
				if !apierrors.IsNotFound(err) {
					return fmt.Errorf("reading the ScimApp: %w", err)
				}
				for _, id := range ids {
					if accounts := d.User(t, id).Status.Accounts; len(accounts) > 0 {
						return fmt.Errorf("a user has %+v", accounts)
					}
				}
				return nil
			})
			for _, user := range fake.Users() {
				if user.Active != (policy == v1alpha1.DeletionOrphan) {
					t.Errorf("the account %s is active: %t", user.ID, user.Active)
				}
			}
			if policy == v1alpha1.DeletionOrphan {
				noCalls(t, fake, watched)
			}
		})
	}
}

// TestDeletionOfAnAppThatDeprovisionsIsGuarded: deleting it is one slip of the hand.
func TestDeletionOfAnAppThatDeprovisionsIsGuarded(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) {
		guardOf(2)(app)
		app.Spec.DeletionPolicy = v1alpha1.DeletionDeprovision
	})
	d.Mapping(t, "team", "crm", inGroups("Team"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 3)
	op.CreateGroup(t, "Team", ids...)
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	fake.ResetCalls()
	d.Delete(t, getApp(t, d, "crm"))
	var entry v1alpha1.Account
	for _, id := range ids {
		entry = awaitReason(t, d, id, "crm", v1alpha1.ReasonHeld)
	}
	noWrites(t, fake, watched)
	annotate(t, d, "crm", v1alpha1.AnnotationApproveBatch, entry.HeldBatch)
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
