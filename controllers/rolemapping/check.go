// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rolemapping

import (
	"fmt"
	"maps"
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/catalogue"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/mapping"
)

// problem is why an app does not take a mapping; the zero value is none.
type problem struct{ reason, message string }

// rules are what an app takes.
type rules struct {
	app   string
	roles catalogue.Roles
	// attributes are the names of those that the app's mapping computes.
	attributes []string
}

func rulesOf(app *v1alpha1.ScimApp, profile profiles.Profile) rules {
	r := rules{app: app.Name, roles: catalogue.RolesOf(app, profile)}
	computed := make([]mapping.Attribute, 0, len(profile.Attributes))
	for _, a := range profile.Attributes {
		computed = append(computed, mapping.Attribute{Name: a.Path, Expression: a.Expression})
	}
	for _, a := range mapping.Merge(computed, app.Spec.Attributes) {
		r.attributes = append(r.attributes, a.Name)
	}
	slices.Sort(r.attributes)
	return r
}

// check returns what the app does not accept of a mapping, roles first.
func (r rules) check(m *v1alpha1.ScimRoleMapping) problem {
	if len(m.Spec.Roles) > 0 && r.roles.Attribute == "" {
		return problem{v1alpha1.ReasonRoleUnknown, fmt.Sprintf("ScimApp %s has no roles: remove spec.roles.", r.app)}
	}
	if _, unknown := assignment.CheckRoles(m.Spec.Roles, r.roles.Allowed, r.roles.Aliases); len(unknown) > 0 {
		return problem{v1alpha1.ReasonRoleUnknown, fmt.Sprintf("ScimApp %s does not have the roles %s. It has %s.", r.app, listed(unknown), listed(r.roleNames()))}
	}
	for _, a := range m.Spec.Attributes {
		if a.Name == r.roles.Attribute {
			return problem{v1alpha1.ReasonInvalidConfiguration, fmt.Sprintf("spec.attributes: %q is the role attribute of ScimApp %s: use spec.roles instead.", a.Name, r.app)}
		}
		if !slices.Contains(r.attributes, a.Name) {
			return problem{v1alpha1.ReasonInvalidConfiguration, fmt.Sprintf(
				"spec.attributes: %q is not mapped by ScimApp %s, which maps %s. Correct the name, or add the attribute to spec.attributes of the ScimApp.",
				a.Name, r.app, listed(r.attributes))}
		}
	}
	return problem{}
}

// roleNames are the roles and their other names, sorted.
func (r rules) roleNames() []string {
	names := slices.Concat(r.roles.Allowed, slices.Collect(maps.Keys(r.roles.Aliases)))
	slices.Sort(names)
	return slices.Compact(names)
}
