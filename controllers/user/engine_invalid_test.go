// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// While the configuration of the app is invalid nothing is revoked, and the user who should not have the account says so.
func TestLeaverOfAnAppWhoseConfigurationIsInvalidIsNotReady(t *testing.T) {
	for name, leave := range map[string]func(*engine){
		"the provider makes the user inactive": func(e *engine) { e.leaves(func(*v1alpha1.ScimUser) {}) },
		"the user loses the app":               func(e *engine) { e.give("crm", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			e := employed(t, nil)
			profile := ""
			e.Change("crm", func(app *v1alpha1.ScimApp) {
				profile = app.Spec.Profile
				app.Spec.Profile, app.Generation = "nonsense", 2
			})
			e.event()
			e.Run(time.Minute)
			if reason := e.ready("kim"); reason != v1alpha1.ReasonSucceeded {
				t.Fatalf("Ready has the reason %s before the user leaves", reason)
			}
			leave(e)
			e.Run(time.Hour)
			if reason := e.ready("kim"); reason != v1alpha1.ReasonAppNotReady {
				t.Errorf("Ready has the reason %s", reason)
			}
			e.Change("crm", func(app *v1alpha1.ScimApp) { app.Spec.Profile, app.Generation = profile, 3 })
			e.event()
			e.Run(time.Hour)
			if e.account().Active || e.ready("kim") != v1alpha1.ReasonSucceeded {
				t.Errorf("the account status is %+v", e.entry("kim", "crm"))
			}
		})
	}
}
