// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// withRole counts the accounts with a role in an attribute.
func (e *engine) withRole(attribute, role string) (n int) {
	for i := range e.Apps["crm"].Users {
		if strings.Contains(fmt.Sprint(e.Apps["crm"].Users[i].Attributes[attribute]), role) {
			n++
		}
	}
	return n
}

// A change of the role attribute or of its form, or a second role where the app takes one, takes a role from every account. It is held like any other.
func TestChangeThatTakesARoleFromEveryAccountIsHeld(t *testing.T) {
	single := func(app *v1alpha1.ScimApp) {
		app.Spec.Roles = &v1alpha1.AppRoles{Attribute: "userType", Form: v1alpha1.RoleFormString}
	}
	mapped := func(app *v1alpha1.ScimApp) {
		app.Spec.Attributes = append(app.Spec.Attributes, v1alpha1.AttributeMapping{Name: "userType", Expression: "user.userName"})
	}
	moved := func(roles v1alpha1.AppRoles) func(*engine, []string) {
		return func(e *engine, _ []string) {
			e.Change("crm", func(app *v1alpha1.ScimApp) { app.Spec.Roles, app.Generation = &roles, 2 })
			e.event()
		}
	}
	tests := map[string]struct {
		app       func(*v1alpha1.ScimApp)
		roles     []string
		attribute string
		change    func(*engine, []string)
	}{
		"another attribute": {
			roles: []string{"owner"}, attribute: "roles", change: moved(v1alpha1.AppRoles{Attribute: "entitlements"}),
		},
		"another attribute that takes one role": {
			roles: []string{"owner"}, attribute: "roles", change: moved(v1alpha1.AppRoles{Attribute: "userType", Form: v1alpha1.RoleFormString}),
		},
		"another attribute that was mapped before": {
			app: mapped, roles: []string{"owner"}, attribute: "roles", change: moved(v1alpha1.AppRoles{Attribute: "userType", Form: v1alpha1.RoleFormString}),
		},
		"the attribute is mapped, and no role attribute any more": {
			app: func(app *v1alpha1.ScimApp) { single(app); mapped(app) }, roles: []string{"owner"}, attribute: "userType",
			change: moved(v1alpha1.AppRoles{Attribute: "roles"}),
		},
		"the form for one role": {
			roles: []string{"admin", "owner"}, attribute: "roles", change: moved(v1alpha1.AppRoles{Form: v1alpha1.RoleFormString}),
		},
		"a role before the only one that the app takes": {
			app: single, roles: []string{"owner"}, attribute: "userType", change: func(e *engine, names []string) { e.give("crm", names, "guest", "owner") },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, names := crowd(t, 40, tt.app, tt.roles...)
			if n := e.withRole(tt.attribute, "owner"); n != len(names) {
				t.Fatalf("%d accounts have the role", n)
			}
			tt.change(e, names)
			e.Run(10 * time.Minute)
			if n := e.withRole(tt.attribute, "owner"); n != len(names) {
				t.Errorf("%d of %d accounts have the role", n, len(names))
			}
			if held := e.Registry.Get(pt.Key("crm")).HeldBatches(); len(held) != 1 {
				t.Errorf("held batches: %q", held)
			}
		})
	}
}

// Profile updates are off, so a role that the user loses stays in the app. The user says so, until somebody removes the role or switches the feature on.
func TestRoleThatStaysBecauseUpdatesAreOffIsReported(t *testing.T) {
	e := employed(t, nil, "admin")
	var features []v1alpha1.Feature
	e.Change("crm", func(app *v1alpha1.ScimApp) {
		features = app.Spec.Features
		app.Spec.Features, app.Generation = []v1alpha1.Feature{v1alpha1.FeaturePushNewUsers, v1alpha1.FeaturePushUserDeactivation}, 2
	})
	e.event()
	e.Run(time.Minute)
	if reason := e.ready("kim"); reason != v1alpha1.ReasonSucceeded {
		t.Errorf("Ready has the reason %s while the role is desired", reason)
	}
	e.give("crm", kim, "viewer")
	e.Run(time.Hour)
	if reason := e.ready("kim"); reason != v1alpha1.ReasonFeatureOff || e.withRole("roles", "admin") != 2 {
		t.Errorf("Ready has the reason %s, the account status is %+v", reason, e.entry("kim", "crm"))
	}
	e.Change("crm", func(app *v1alpha1.ScimApp) { app.Spec.Features, app.Generation = features, 3 })
	e.event()
	e.Run(time.Hour)
	if reason := e.ready("kim"); reason != v1alpha1.ReasonSucceeded || e.withRole("roles", "admin") != 1 {
		t.Errorf("Ready has the reason %s, the account status is %+v", reason, e.entry("kim", "crm"))
	}
}
