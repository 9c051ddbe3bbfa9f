// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

func setToken(t *testing.T, d *harness.Directory, app string, fake *fakeapp.App, token string) {
	t.Helper()
	d.Secret(t, app+"-credentials", map[string]string{"token": token, "ca.crt": string(fake.CA())})
}

// onlyTests fails if an app got anything but credential tests, which list one row of users.
func onlyTests(fake *fakeapp.App) error {
	if counts := fake.Counts(); len(fake.Calls()) != counts[fakeapp.UsersList] {
		return fmt.Errorf("the app was called %v, want nothing but the test", counts)
	}
	return nil
}

// TestNothingIsCalledBeforeTheCredentialsAreGood: S94. The two vendors refuse a token in their own ways: 401, and Common Room's 403.
func TestNothingIsCalledBeforeTheCredentialsAreGood(t *testing.T) {
	t.Parallel()
	for _, flavour := range []fakeapp.Flavour{fakeapp.Generic, fakeapp.CommonRoom} {
		t.Run(string(flavour), func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", flavour, nil)
			fake.RotateToken("another-token")
			d.Mapping(t, "sales", "crm", inGroups("Sales"))
			op := d.Run(t)
			ids := pushUsers(t, op, 3)
			op.CreateGroup(t, "Sales", ids...)
			awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionCredentialsValid, "False", v1alpha1.ReasonCredentialsRejected)
			awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionReady, "False", v1alpha1.ReasonCredentialsRejected)
			awaitIntents(t, d, ids)
			op.API.Reset()
			holdsFor(t, quiet, func() error {
				if n := op.API.Writes()["patch scimapps/status"]; n > 3 {
					return fmt.Errorf("%d status writes of the ScimApp within %s", n, quiet)
				}
				return onlyTests(fake)
			})

			setToken(t, d, "crm", fake, "another-token")
			awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionCredentialsValid, "True", v1alpha1.ReasonSucceeded)
			awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
			if n := len(fake.Users()); n != len(ids) {
				t.Errorf("the app has %d accounts", n)
			}
		})
	}
}

// TestRevokedTokenStopsTheCallsUntilTheSecretChanges: what waits goes on with the new token, at once (S124).
func TestRevokedTokenStopsTheCallsUntilTheSecretChanges(t *testing.T) {
	t.Parallel()
	for _, flavour := range []fakeapp.Flavour{fakeapp.Generic, fakeapp.CommonRoom} {
		t.Run(string(flavour), func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", flavour, nil)
			d.Mapping(t, "team", "crm", inGroups("Team"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			ids := pushUsers(t, op, 3)
			group := op.CreateGroup(t, "Team", ids[0])
			d.AwaitAccount(t, ids[0], "crm", v1alpha1.AccountActive)

			fake.RotateToken("rotated-token")
			op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.AddMembers(ids[1], ids[2])))
			awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionCredentialsValid, "False", v1alpha1.ReasonCredentialsRejected)
			fake.ResetCalls()
			holdsFor(t, watched, func() error { return onlyTests(fake) })
			if n := len(fake.Users()); n != 1 {
				t.Errorf("the app has %d accounts", n)
			}

			setToken(t, d, "crm", fake, "rotated-token")
			awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
			awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionCredentialsValid, "True", v1alpha1.ReasonSucceeded)
			awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionReady, "True", v1alpha1.ReasonSucceeded)
		})
	}
}

// TestChangedSecretIsUsedBeforeTheOldTokenFails: a rotation that is announced costs no failure.
func TestChangedSecretIsUsedBeforeTheOldTokenFails(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "named", "crm", named("kim@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	fake.RotateToken("rotated-token")
	fake.ResetCalls()
	setToken(t, d, "crm", fake, "rotated-token")
	harness.Eventually(t, "the new token is tested", func() error {
		if fake.Counts()[fakeapp.UsersList] == 0 {
			return fmt.Errorf("no test yet")
		}
		return nil
	})
	d.AwaitAccount(t, op.CreateUser(t, "kim@corp.test"), "crm", v1alpha1.AccountActive)
	for _, call := range fake.Calls() {
		if call.Status >= 400 {
			t.Errorf("a call was refused: %+v", call)
		}
	}
}

func TestUnlabelledSecretIsNotRead(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	label := func(s *corev1.Secret) { s.Labels = map[string]string{v1alpha1.LabelCredentials: "true"} }
	harness.Change(t, d, "crm-credentials", &corev1.Secret{}, func(s *corev1.Secret) { s.Labels = nil })
	d.Run(t)
	awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionReady, "False", v1alpha1.ReasonSecretNotLabelled)
	noCalls(t, fake, watched)
	harness.Change(t, d, "crm-credentials", &corev1.Secret{}, label)
	d.AwaitReady(t, "crm")
}

// TestReconcileAnnotationTestsTheCredentialsAgain: the re-save of S23.
func TestReconcileAnnotationTestsTheCredentialsAgain(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "named", "crm", named("kim@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	kim := op.CreateUser(t, "kim@corp.test")
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
	fake.ResetCalls()
	annotate(t, d, "crm", v1alpha1.AnnotationReconcile, "once")
	harness.Eventually(t, "the credentials are tested", func() error {
		if fake.Counts()[fakeapp.UsersList] == 0 {
			return fmt.Errorf("no test yet")
		}
		return nil
	})
	holdsFor(t, watched, func() error {
		if n := len(fake.Calls()); n != 1 {
			return fmt.Errorf("the app was called %v, want one test", fake.Counts())
		}
		return nil
	})

	// Nothing tells of a token that was revoked while nobody used it, but the test.
	fake.RotateToken("another-token")
	annotate(t, d, "crm", v1alpha1.AnnotationReconcile, "twice")
	awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionCredentialsValid, "False", v1alpha1.ReasonCredentialsRejected)
}
