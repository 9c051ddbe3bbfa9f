// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// An account is protected by its userName as desired, as last written and as the app shows it, and whatever is to be changed.
func TestProtectedAccountIsNeverChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		listed string
		// written is the userName that was last written, empty if that is not known; shown is the one in the app.
		written, shown string
		changed        bool
	}{
		"as desired":                         {"kim@corp.test", "kim@corp.test", "kim@corp.test", false},
		"as desired, in another letter case": {"KIM@corp.test", "kim@corp.test", "kim@corp.test", false},
		"as desired, the app has another":    {"kim@corp.test", "owner@corp.test", "owner@corp.test", false},
		"as written and shown":               {"owner@corp.test", "owner@corp.test", "owner@corp.test", false},
		"as written, in another letter case": {"Owner@Corp.test", "owner@corp.test", "OWNER@corp.test", false},
		"as written":                         {"owner@corp.test", "owner@corp.test", "other@corp.test", false},
		"as shown, nothing was written":      {"owner@corp.test", "", "owner@corp.test", false},
		"as shown, another one was written":  {"owner@corp.test", "other@corp.test", "Owner@corp.test", false},
		"another account":                    {"owner@corp.test", "kim@corp.test", "kim@corp.test", true},
		"another account, renamed":           {"owner@corp.test", "kay@corp.test", "kay@corp.test", true},
		"another account, linked":            {"owner@corp.test", "", "Kim@corp.test", true},
	} {
		for change, do := range map[string]func(w *world, user *v1alpha1.ScimUser){
			"update": func(w *world, user *v1alpha1.ScimUser) {
				w.announce(user, v1alpha1.ActionUpdate, "name.familyName", "userName")
			},
			"deactivate": func(w *world, user *v1alpha1.ScimUser) { w.give(); w.announce(user, v1alpha1.ActionDeactivate) },
			"delete": func(w *world, user *v1alpha1.ScimUser) {
				w.change(func(app *v1alpha1.ScimApp) { app.Spec.Deprovisioning = v1alpha1.DeprovisionDelete })
				w.give()
				w.announce(user, v1alpha1.ActionDelete)
			},
			"reactivate": func(w *world, user *v1alpha1.ScimUser) {
				user.Status.Accounts[0].State, w.script.Users[0].Active = v1alpha1.AccountInactive, false
				w.announce(user, v1alpha1.ActionReactivate, "name.familyName", "userName")
			},
			"deleted user": func(w *world, user *v1alpha1.ScimUser) {
				user.DeletionTimestamp = &metav1.Time{Time: w.clock.Now()}
				w.announce(user, v1alpha1.ActionDeactivate)
			},
		} {
			t.Run(name+", "+change, func(t *testing.T) {
				w := newWorld(t, func(app *v1alpha1.ScimApp) { app.Spec.ProtectedAccounts = []string{tc.listed} })
				user := w.member("kim")
				values := w.desired(user).Values
				values["name.familyName"] = "Before"
				delete(values, "userName")
				if tc.written != "" {
					values["userName"] = tc.written
				}
				user.Status.Accounts[0].Applied = plan.HashValues(values).String()
				w.script.Users[0].UserName = tc.shown
				do(w, user)
				w.count()
				o := w.work("kim")
				calls := slices.DeleteFunc(w.script.TakeCalls(), func(call string) bool { return call == connector.OpGetUser })
				if (len(calls) > 0) != tc.changed {
					t.Fatalf("the app was called %q; the outcome is %+v", calls, o)
				}
				switch {
				case tc.changed:
				case change == "deleted user":
					if o == nil || o.Entry.State != v1alpha1.AccountOrphaned {
						t.Errorf("the deletion waits; the outcome is %+v", o)
					}
				case o == nil:
					if step := w.step(user); step.Reason != v1alpha1.ReasonAccountProtected {
						t.Errorf("the step is %+v", step)
					}
				case o.Entry.Reason != v1alpha1.ReasonAccountProtected:
					t.Errorf("the outcome is %+v", o)
				}
			})
		}
	}
}

// A protected account of a user who was renamed before the create was settled is left alone as well.
func TestProtectedAccountThatACreateMayHaveMadeIsNeverChanged(t *testing.T) {
	w := newWorld(t, func(app *v1alpha1.ScimApp) { app.Spec.ProtectedAccounts = []string{"owner@corp.test"} })
	user := w.joiner("kim")
	user.Status.Accounts[0].MatchValue = "owner@corp.test"
	w.script.Users = []connector.User{{ID: "o", UserName: "owner@corp.test", ExternalID: user.SCIMID(), Active: true}}
	w.give()
	w.announce(user, v1alpha1.ActionDeactivate)
	w.count()
	if o := w.work("kim"); o == nil || o.Entry.Reason != v1alpha1.ReasonAccountProtected || !w.script.Users[0].Active {
		t.Errorf("the outcome is %+v", o)
	}
}

// step is the next step of the user's account.
func (w *world) step(user *v1alpha1.ScimUser) plan.Step {
	w.t.Helper()
	view, err := w.view.User(w.t.Context(), client.ObjectKeyFromObject(user))
	if err != nil || len(view.Accounts) != 1 {
		w.t.Fatalf("view %+v, error %v", view, err)
	}
	return view.Accounts[0].Step
}
