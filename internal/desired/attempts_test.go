// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// A deactivation is under way, or its outcome never came; then the user has the app again.
func TestChangeThatMayHaveBeenMadeIsTakenBack(t *testing.T) {
	off := plan.Step{Action: v1alpha1.ActionDeactivate, Revocation: true}
	on := plan.Step{Action: v1alpha1.ActionReactivate}
	for name, tc := range map[string]struct {
		// then is what became of the deactivation.
		then func(end func(made, unknown bool), next func(plan.Step) func(made, unknown bool))
		want v1alpha1.AccountAction
	}{
		"it is under way":        {func(func(bool, bool), func(plan.Step) func(bool, bool)) {}, v1alpha1.ActionReactivate},
		"its outcome never came": {func(end func(bool, bool), _ func(plan.Step) func(bool, bool)) { end(false, true) }, v1alpha1.ActionReactivate},
		"the app refused it":     {func(end func(bool, bool), _ func(plan.Step) func(bool, bool)) { end(false, false) }, ""},
		"it was taken back": {func(end func(bool, bool), next func(plan.Step) func(bool, bool)) {
			end(false, true)
			next(on)(true, false)
		}, ""},
		"it could not be yet": {func(end func(bool, bool), next func(plan.Step) func(bool, bool)) {
			end(false, true)
			next(on)(false, false)
		}, v1alpha1.ActionReactivate},
		"taking it back is unsure": {func(end func(bool, bool), next func(plan.Step) func(bool, bool)) {
			end(false, true)
			next(on)(false, true)
		}, v1alpha1.ActionReactivate},
	} {
		t.Run(name, func(t *testing.T) {
			view, _ := doubtful(t, 1)
			user := desiredtest.User("kim")
			next := func(step plan.Step) func(bool, bool) { return view.Attempt(user, "crm", step) }
			tc.then(next(off), next)
			if got := stepOf(t, view); got != tc.want {
				t.Errorf("the step is %q, want %q", got, tc.want)
			}
			// An outcome says more.
			_, account, err := view.Account(t.Context(), desiredtest.Key("kim"), "crm")
			if err != nil {
				t.Fatal(err)
			}
			done := active("crm", "1")
			done.Applied = applied(account)
			view.Users.Put(desiredtest.Key("kim"), outcome{App: "crm", UID: types.UID("uid-kim"), Entry: done})
			if got := stepOf(t, view); got != "" {
				t.Errorf("the step after an outcome is %q", got)
			}
		})
	}
}
