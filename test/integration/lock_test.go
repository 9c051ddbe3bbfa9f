// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// changeUser changes a ScimUser as kubectl does.
func changeUser(t *testing.T, d *harness.Directory, id string, change func(*v1alpha1.ScimUser)) {
	t.Helper()
	harness.Change(t, d, d.User(t, id).Name, &v1alpha1.ScimUser{}, change)
}

func lock(u *v1alpha1.ScimUser)   { setAnnotation(u, v1alpha1.AnnotationLock, "INC-1") }
func unlock(u *v1alpha1.ScimUser) { delete(u.Annotations, v1alpha1.AnnotationLock) }

// awaitLocked waits until a user is locked and all of its accounts are inactive, and gives back the message of Ready.
func awaitLocked(t *testing.T, d *harness.Directory, id string, apps ...string) string {
	t.Helper()
	for _, app := range apps {
		d.AwaitAccount(t, id, app, v1alpha1.AccountInactive)
	}
	message := awaitCondition(t, d, &v1alpha1.ScimUser{}, d.User(t, id).Name, v1alpha1.ConditionReady, "True", v1alpha1.ReasonLocked)
	user := d.User(t, id)
	if user.Status.LockedTime == nil || user.Status.Active != "false" || user.Status.Account(apps[0]).RevokedTime != nil {
		t.Errorf("the status is %+v", user.Status)
	}
	if strings.Contains(message, "INC-1") {
		t.Errorf("the message repeats what a person wrote: %s", message)
	}
	return message
}

// TestLockedUserPassesAHeldBatch: one of twelve held users is locked. That one is deactivated at once, and neither counted nor left in the batch.
func TestLockedUserPassesAHeldBatch(t *testing.T) {
	t.Parallel()
	h := newHeld(t)
	changeUser(t, h.Directory, h.ids[3], lock)
	awaitLocked(t, h.Directory, h.ids[3], "crm")
	awaitActive(t, h.fake, "user-3@corp.test", false)
	harness.Eventually(t, "eleven are held", func() error {
		if app := getApp(t, h.Directory, "crm"); app.Status.Held != 11 || len(app.Status.Batches) != 1 || app.Status.Batches[0].Digest != h.batch.Digest {
			return fmt.Errorf("status is %+v", app.Status)
		}
		return nil
	})
	if n := h.fake.Writes(); n != 1 {
		t.Errorf("%d writes: %v", n, h.fake.Counts())
	}
	harness.Eventually(t, "an event tells of the lock", func() error { return hasEvent(t, h.Directory, h.ids[3], "Locked") })
}

// TestLockHoldsInEveryAppUntilItIsLifted: whatever the provider pushes meanwhile, beside which the lock stays. The user is reactivated with the newest attributes.
func TestLockHoldsInEveryAppUntilItIsLifted(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	apps := map[string]*fakeapp.App{}
	for _, name := range []string{"crm", "wiki"} {
		apps[name] = d.App(t, name, fakeapp.Generic, func(a *v1alpha1.ScimApp) {
			if name == "wiki" {
				// A lock is lifted again: the account is not deleted.
				a.Spec.Deprovisioning = v1alpha1.DeprovisionDelete
			}
		})
		d.Mapping(t, name, name, named("kim@corp.test"))
	}
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	d.AwaitReady(t, "wiki")
	kim := op.CreateUser(t, "kim@corp.test")
	for name := range apps {
		d.AwaitAccount(t, kim, name, v1alpha1.AccountActive)
	}
	changeUser(t, d, kim, lock)
	if message := awaitLocked(t, d, kim, "crm", "wiki"); !strings.Contains(message, "remove the annotation "+v1alpha1.AnnotationLock) {
		t.Errorf("the message is %q", message)
	}
	for _, app := range apps {
		app.ResetCalls()
	}
	op.Want(t, 200, "PUT", "/Users/"+kim, harness.UserBody("kim@corp.test", "kim", "Married"))
	for _, app := range apps {
		noWrites(t, app, watched)
	}
	changeUser(t, d, kim, unlock)
	for name, app := range apps {
		d.AwaitAccount(t, kim, name, v1alpha1.AccountActive)
		if user := awaitActive(t, app, "kim@corp.test", true); !strings.Contains(fmt.Sprint(user), "Married") {
			t.Errorf("%s has %+v", name, user)
		}
	}
	awaitCondition(t, d, &v1alpha1.ScimUser{}, d.User(t, kim).Name, v1alpha1.ConditionReady, "True", v1alpha1.ReasonSucceeded)
	if d.User(t, kim).Status.LockedTime != nil {
		t.Error("the user is locked still")
	}
}

// TestInactiveByHandHolds: spec.active: false that a person wrote is a lock. What the provider says of active is stored beside it, and other attributes are as ever.
func TestInactiveByHandHolds(t *testing.T) {
	t.Parallel()
	for name, activate := range map[string]func(t *testing.T, scim *harness.SCIM, id string){
		"Okta puts the whole user": func(t *testing.T, scim *harness.SCIM, id string) {
			t.Helper()
			scim.Want(t, 200, "PUT", "/Users/"+id, harness.UserBody("kim@corp.test", "kim", "Married"))
		},
		"Entra patches active": func(t *testing.T, scim *harness.SCIM, id string) {
			t.Helper()
			answer := scim.Do(t, "PATCH", "/Users/"+id, harness.PatchBody(`{"op":"Replace","path":"active","value":"True"}`, `{"op":"Replace","path":"name.familyName","value":"Married"}`))
			if answer.Status/100 != 2 {
				t.Fatalf("status %d: %s", answer.Status, answer.Body)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := harness.NewNamespace(t)
			d.Client(t, "okta", v1alpha1.Dialect(strings.ToLower(strings.Fields(name)[0])), nil)
			fake := d.App(t, "crm", fakeapp.Generic, nil)
			d.Mapping(t, "kim", "crm", named("kim@corp.test"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			kim := op.CreateUser(t, "kim@corp.test")
			d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)

			changeUser(t, d, kim, func(u *v1alpha1.ScimUser) { u.Spec.Active = ptr.To(false) })
			if message := awaitLocked(t, d, kim, "crm"); !strings.Contains(message, "set spec.active to true") {
				t.Errorf("the message is %q", message)
			}
			if got := op.Want(t, 200, "GET", "/Users/"+kim, "").JSON["active"]; got != false {
				t.Errorf("GET shows active %v before the provider says otherwise", got)
			}
			fake.ResetCalls()
			activate(t, op.SCIM, kim)
			if got := op.Want(t, 200, "GET", "/Users/"+kim, ""); got.JSON["active"] != true || !strings.Contains(got.Body, "Married") {
				t.Errorf("GET does not show what was stored: %s", got.Body)
			}
			user := d.User(t, kim)
			if _, marked := user.Annotations[v1alpha1.AnnotationDeactivatedBy]; marked || user.Lock() != v1alpha1.LockAnnotation || !user.ActiveInSCIM() {
				t.Errorf("the user is %+v", user)
			}
			awaitLocked(t, d, kim, "crm")
			noWrites(t, fake, watched)
			changeUser(t, d, kim, unlock)
			d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
		})
	}
}

// TestWhatTheProviderDeactivatesIsNoLock: it may reactivate it, also after another client has taken the user over; a person's deactivation later is a lock again.
func TestWhatTheProviderDeactivatesIsNoLock(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	d.Client(t, "second", "okta", func(c *v1alpha1.ScimClientSpec) { c.TakeOver = v1alpha1.TakeOverAllowed })
	d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "kim", "crm", named("kim@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	kim := op.CreateUser(t, "kim@corp.test")
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
	op.Want(t, 200, "PATCH", "/Users/"+kim, harness.PatchBody(harness.SetActive(false)))
	if user := d.AwaitAccount(t, kim, "crm", v1alpha1.AccountInactive); user.Status.LockedTime != nil || user.Status.Account("crm").RevokedTime == nil {
		t.Errorf("a deactivation by the provider is a lock: %+v", user.Status)
	}
	second := op.As("second")
	second.Want(t, 200, "PATCH", "/Users/"+kim, harness.PatchBody(`{"op":"replace","path":"title","value":"Head"}`))
	second.Want(t, 200, "PATCH", "/Users/"+kim, harness.PatchBody(harness.SetActive(true)))
	user := d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
	if user.Spec.Client != "second" || user.Lock() != v1alpha1.LockNone || !user.ActiveInSCIM() {
		t.Errorf("the user is %+v", user)
	}

	// The provider deactivates, a person reactivates, a person deactivates.
	second.Want(t, 200, "PATCH", "/Users/"+kim, harness.PatchBody(harness.SetActive(false)))
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountInactive)
	changeUser(t, d, kim, func(u *v1alpha1.ScimUser) { u.Spec.Active = ptr.To(true) })
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
	harness.Eventually(t, "the mark of the provider's deactivation is removed", func() error {
		if user := d.User(t, kim); user.Annotations[v1alpha1.AnnotationDeactivatedBy] != "" {
			return fmt.Errorf("annotations %v", user.Annotations)
		}
		return nil
	})
	changeUser(t, d, kim, func(u *v1alpha1.ScimUser) { u.Spec.Active = ptr.To(false) })
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountInactive)
	harness.Eventually(t, "the user is locked", func() error {
		if user := d.User(t, kim); user.Status.LockedTime == nil {
			return fmt.Errorf("status %+v", user.Status)
		}
		return nil
	})
}

// TestLockSaysWhatItDoesNotOverride: protected accounts stay as they are.
func TestLockSaysWhatItDoesNotOverride(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, without(v1alpha1.FeaturePushUserDeactivation))
	d.Mapping(t, "kim", "crm", named("kim@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	kim := op.CreateUser(t, "kim@corp.test")
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
	fake.ResetCalls()
	changeUser(t, d, kim, lock)
	if entry := awaitReason(t, d, kim, "crm", v1alpha1.ReasonFeatureOff); !strings.Contains(entry.Message, "locked, which does not override") {
		t.Errorf("the message is %q", entry.Message)
	}
	noWrites(t, fake, watched)
}

// hasEvent reports whether a user has an event with a reason.
func hasEvent(t *testing.T, d *harness.Directory, id, reason string) error {
	t.Helper()
	var events eventsv1.EventList
	if err := d.Admin.List(t.Context(), &events, client.InNamespace(d.Namespace)); err != nil {
		return err
	}
	name := d.User(t, id).Name
	for i := range events.Items {
		if events.Items[i].Regarding.Name == name && events.Items[i].Reason == reason {
			return nil
		}
	}
	return fmt.Errorf("none of %d events", len(events.Items))
}
