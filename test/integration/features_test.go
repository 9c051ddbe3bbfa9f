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

// TestFeatureThatIsOffMakesNoCall: provisioning is off until it is switched on (S32), and the switches are independent (S41). Each case
// begins with an account that is there, made while all features were on.
func TestFeatureThatIsOffMakesNoCall(t *testing.T) {
	t.Parallel()
	tests := map[v1alpha1.Feature]struct {
		// prepare runs while the feature is on still.
		prepare, ask func(t *testing.T, d *harness.Directory, op *harness.Operator, kim string)
		// reason that the account of kim has then; "" where it is in order.
		reason string
		// call is what is made when the feature is switched on again.
		call string
	}{
		v1alpha1.FeaturePushProfileUpdates: {
			ask: func(t *testing.T, _ *harness.Directory, op *harness.Operator, kim string) {
				op.Want(t, 200, "PUT", "/Users/"+kim, withAttribute(harness.UserBody("kim@corp.test", "kim", "Tester"), `"title":"Engineer"`))
			},
			call: fakeapp.UsersPatch,
		},
		v1alpha1.FeaturePushUserDeactivation: {
			ask: func(t *testing.T, d *harness.Directory, _ *harness.Operator, _ string) {
				d.Delete(t, mappingOf(d, "named"))
			},
			reason: v1alpha1.ReasonFeatureOff,
			call:   fakeapp.UsersPatch,
		},
		v1alpha1.FeatureReactivateUsers: {
			prepare: func(t *testing.T, d *harness.Directory, op *harness.Operator, kim string) {
				op.Want(t, 200, "PATCH", "/Users/"+kim, harness.PatchBody(harness.SetActive(false)))
				d.AwaitAccount(t, kim, "crm", v1alpha1.AccountInactive)
			},
			ask: func(t *testing.T, _ *harness.Directory, op *harness.Operator, kim string) {
				op.Want(t, 200, "PATCH", "/Users/"+kim, harness.PatchBody(harness.SetActive(true)))
			},
			reason: v1alpha1.ReasonFeatureOff,
			call:   fakeapp.UsersPatch,
		},
	}
	for feature, test := range tests {
		t.Run(string(feature), func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", fakeapp.Generic, nil)
			d.Mapping(t, "named", "crm", named("kim@corp.test"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			kim := op.CreateUser(t, "kim@corp.test")
			d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
			if test.prepare != nil {
				test.prepare(t, d, op, kim)
			}
			features := getApp(t, d, "crm").Spec.Features
			harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, without(feature))
			awaitObserved(t, d, "crm")
			fake.ResetCalls()

			test.ask(t, d, op, kim)
			awaitReason(t, d, kim, "crm", test.reason)
			noCalls(t, fake, watched)

			harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) { app.Spec.Features = features })
			harness.Eventually(t, "the feature that is on makes its call", func() error {
				if fake.Counts()[test.call] != 1 {
					return fmt.Errorf("the app was called %v", fake.Counts())
				}
				return nil
			})
		})
	}
}

// awaitObserved waits until the operator has seen the newest spec of a ScimApp.
func awaitObserved(t *testing.T, d *harness.Directory, name string) {
	t.Helper()
	harness.Eventually(t, "the ScimApp is observed", func() error {
		if app := getApp(t, d, name); app.Status.ObservedGeneration != app.Generation {
			return fmt.Errorf("observed %d of %d", app.Status.ObservedGeneration, app.Generation)
		}
		return nil
	})
}

// TestAppWithoutFeaturesIsOnlyTested: absent features are none.
func TestAppWithoutFeaturesIsOnlyTested(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) { app.Spec.Features = nil })
	d.Mapping(t, "team", "crm", inGroups("Team"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	kim := op.CreateUser(t, "kim@corp.test")
	group := op.CreateGroup(t, "Team", kim)
	awaitReason(t, d, kim, "crm", v1alpha1.ReasonFeatureOff)
	op.Want(t, 204, "DELETE", "/Groups/"+group, "")
	op.Want(t, 204, "DELETE", "/Users/"+kim, "")
	awaitGone(t, d, kim)
	holdsFor(t, watched, func() error { return onlyTests(fake) })
}

// TestGroupsWithoutTheFeatureAreRefused: a list of groups that is never pushed would be a silent surprise.
func TestGroupsWithoutTheFeatureAreRefused(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	d.App(t, "crm", fakeapp.Generic, nil)
	app := getApp(t, d, "crm")
	app.Spec.Groups = []v1alpha1.PushedGroup{{DisplayName: "Team"}}
	if err := d.Admin.Update(t.Context(), app); err == nil || !strings.Contains(err.Error(), "PushGroups") {
		t.Errorf("the API server said %v, want a refusal that names the feature", err)
	}
}

// TestFeatureThatTheVendorLacksIsACondition: asking for what an app cannot do is no attempt (S112 asks for the same of another vendor).
func TestFeatureThatTheVendorLacksIsACondition(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "room", fakeapp.CommonRoom, pushing([]string{"Team"}))
	d.Mapping(t, "team", "room", inGroups("Team"))
	op := d.Run(t)
	kim := op.CreateUser(t, "kim@corp.test")
	op.CreateGroup(t, "Team", kim)
	message := awaitCondition(t, d, &v1alpha1.ScimApp{}, "room", v1alpha1.ConditionStalled, "True", v1alpha1.ReasonInvalidConfiguration)
	if !strings.Contains(message, "PushGroups") {
		t.Errorf("the message does not name the feature: %s", message)
	}
	awaitReason(t, d, kim, "room", v1alpha1.ReasonAppNotReady)
	noCalls(t, fake, watched)
}

// TestMissingRequiredAttributeIsSaidBeforeAnyCall: Common Room requires a family name; the pre-flight validation of S115.
func TestMissingRequiredAttributeIsSaidBeforeAnyCall(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "room", fakeapp.CommonRoom, nil)
	d.Mapping(t, "named", "room", named("kim@corp.test", "lee@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "room")
	fake.ResetCalls()
	kim := op.Want(t, 201, "POST", "/Users", strings.Replace(harness.UserBody("kim@corp.test", "kim", "Tester"), `,"familyName":"Tester"`, "", 1)).ID()
	entry := awaitReason(t, d, kim, "room", v1alpha1.ReasonMissingRequiredAttribute)
	if !strings.Contains(entry.Message, "name.familyName") {
		t.Errorf("the message does not name the attribute: %s", entry.Message)
	}
	noCalls(t, fake, watched)
	// It is one user's trouble, not the app's.
	d.AwaitAccount(t, op.CreateUser(t, "lee@corp.test"), "room", v1alpha1.AccountActive)
	d.AwaitReady(t, "room")

	op.Want(t, 200, "PUT", "/Users/"+kim, harness.UserBody("kim@corp.test", "kim", "Tester"))
	d.AwaitAccount(t, kim, "room", v1alpha1.AccountActive)
	if n := len(fake.Users()); n != 2 {
		t.Errorf("the app has %d accounts", n)
	}
}

// TestChangedIdentifierIsBlockedWhereItWouldMakeAnotherAccount: S34, found out before the call.
func TestChangedIdentifierIsBlockedWhereItWouldMakeAnotherAccount(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "room", fakeapp.CommonRoom, nil)
	d.Mapping(t, "team", "room", inGroups("Team"))
	op := d.Run(t)
	d.AwaitReady(t, "room")
	kim := op.CreateUser(t, "kim@corp.test")
	op.CreateGroup(t, "Team", kim)
	d.AwaitAccount(t, kim, "room", v1alpha1.AccountActive)
	fake.ResetCalls()
	body := harness.UserBody("kim@corp.test", "kim", "Tester")
	op.Want(t, 200, "PUT", "/Users/"+kim, strings.ReplaceAll(body, "kim@corp.test", "kim.tester@corp.test"))
	awaitReason(t, d, kim, "room", v1alpha1.ReasonIdentifierChange)
	noCalls(t, fake, watched)

	// Access is taken from the account all the same.
	op.Want(t, 200, "PATCH", "/Users/"+kim, harness.PatchBody(harness.SetActive(false)))
	awaitActive(t, fake, "kim@corp.test", false)
	d.AwaitAccount(t, kim, "room", v1alpha1.AccountInactive)

	op.Want(t, 200, "PUT", "/Users/"+kim, body)
	awaitActive(t, fake, "kim@corp.test", true)
	d.AwaitAccount(t, kim, "room", v1alpha1.AccountActive)
	if n := len(fake.Users()); n != 1 {
		t.Errorf("the app has %d accounts", n)
	}
}
