// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// remove deletes a user, who vanishes as soon as the finalizer may go.
func (e *engine) remove(name string) {
	e.T.Helper()
	user := e.stored(name)
	user.DeletionTimestamp = &metav1.Time{Time: e.Clock.Now()}
	user.Generation++
	e.Client.Put(user)
	e.Enqueue(pt.Key(name), 0)
	for range 60 {
		e.Run(time.Second)
		view, err := e.View.User(e.T.Context(), pt.Key(name))
		if err != nil {
			e.T.Fatal(err)
		}
		if !view.Stale && deprovisioned(view) && e.users.revocationsRecorded(view) {
			e.Client.Remove(user)
			e.Registry.ForgetUser(user.Namespace, user.UID)
			return
		}
	}
	e.T.Fatalf("%s does not vanish: %+v", name, e.entry(name, "crm"))
}

// Ten users lose the app one after the other and are deleted, which drops their statuses. Another process leads when the eleventh loses it within the hour.
func TestRevocationsOfDeletedUsersCountAfterAFailover(t *testing.T) {
	for _, policy := range []v1alpha1.Deprovisioning{v1alpha1.DeprovisionDeactivate, v1alpha1.DeprovisionDelete} {
		t.Run(string(policy), func(t *testing.T) {
			app := pt.App("crm")
			app.Spec.Deprovisioning = policy
			e := newEngine(t, app)
			var names []string
			for i := range 40 {
				names = append(names, e.user(fmt.Sprintf("user-%02d", i)).Spec.UserName)
			}
			e.give("crm", names)
			e.Run(time.Minute)
			for i := range 10 {
				e.give("crm", names[i+1:])
				e.Run(30 * time.Second)
				if got := e.entry(fmt.Sprintf("user-%02d", i), "crm"); got.State == v1alpha1.AccountActive {
					t.Fatalf("user %d has %+v", i, got)
				}
				e.remove(fmt.Sprintf("user-%02d", i))
			}
			e.lead()
			e.Run(time.Minute)
			e.give("crm", names[11:])
			e.Run(5 * time.Minute)
			if got := e.entry("user-10", "crm"); got.State != v1alpha1.AccountActive || got.Reason != v1alpha1.ReasonHeld {
				t.Errorf("the eleventh within the hour has %+v", got)
			}
		})
	}
}

// A user in a group: nothing of it goes before the app's status records the revocation.
func TestDeletedUserStaysUntilItsRevocationIsRecorded(t *testing.T) {
	e := employed(t, nil)
	e.give("crm", nil)
	e.Run(time.Minute)
	user := e.stored("kim")
	user.DeletionTimestamp = &metav1.Time{Time: e.Clock.Now()}
	e.Client.Put(user)
	e.Client.Put(pt.Group("sales", user))
	asked := 0
	e.Registry.SetNotify(provisioner.Notify{App: func(types.NamespacedName) { asked++ }})
	look := func() time.Duration {
		view, err := e.View.User(t.Context(), pt.Key("kim"))
		if err != nil {
			t.Fatal(err)
		}
		result, err := e.users.finalize(t.Context(), view)
		if err != nil {
			t.Fatal(err)
		}
		return result.RequeueAfter
	}
	for range 3 {
		if wait := look(); wait != recordWait {
			t.Errorf("it is looked at again in %s", wait)
		}
	}
	if asked == 0 {
		t.Error("nobody asks for the record")
	}
}
