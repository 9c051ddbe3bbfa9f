// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rolemapping

import (
	"fmt"
	"maps"
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/mapping"
)

// problem is why an app does not take a mapping; the zero value is none.
type problem struct{ reason, message string }

// rules are what an app takes.
type rules struct {
	app string
	// roleAttribute is empty where the app takes no roles.
	roleAttribute string
	allowed       []string
	aliases       map[string]string
	// attributes are the names of those that the app's mapping computes.
	attributes []string
}

// rulesOf are those of the profile as the ScimApp changes them. Roles that the ScimApp lists itself have no other names.
func rulesOf(app *v1alpha1.ScimApp, profile profiles.Profile) rules {
	r := rules{app: app.Name, roleAttribute: profile.Roles.Attribute, allowed: profile.Roles.Allowed, aliases: profile.Roles.Aliases}
	if profile.Roles.Form == profiles.NoRoles {
		r.roleAttribute = ""
	}
	if own := app.Spec.Roles; own != nil {
		if own.Attribute != "" {
			r.roleAttribute = own.Attribute
		}
		if len(own.Allowed) > 0 {
			r.allowed, r.aliases = own.Allowed, nil
		}
	}
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

// check says what the app does not take of a mapping, roles first.
func (r rules) check(m *v1alpha1.ScimRoleMapping) problem {
	if len(m.Spec.Roles) > 0 && r.roleAttribute == "" {
		return problem{v1alpha1.ReasonRoleUnknown, fmt.Sprintf("ScimApp %s takes no roles: take spec.roles out.", r.app)}
	}
	if _, unknown := assignment.CheckRoles(m.Spec.Roles, r.allowed, r.aliases); len(unknown) > 0 {
		return problem{v1alpha1.ReasonRoleUnknown, fmt.Sprintf("ScimApp %s does not know %s. It knows %s.", r.app, listed(unknown), listed(r.roleNames()))}
	}
	for _, a := range m.Spec.Attributes {
		if a.Name == r.roleAttribute {
			return problem{v1alpha1.ReasonInvalidConfiguration, fmt.Sprintf("spec.attributes: %q holds the roles of ScimApp %s: use spec.roles.", a.Name, r.app)}
		}
		if !slices.Contains(r.attributes, a.Name) {
			return problem{v1alpha1.ReasonInvalidConfiguration, fmt.Sprintf(
				"spec.attributes: %q is none of the attributes that ScimApp %s maps, which are %s. Name it as it stands there, or add it to spec.attributes of the ScimApp.",
				a.Name, r.app, listed(r.attributes))}
		}
	}
	return problem{}
}

// roleNames are the roles and their other names, sorted.
func (r rules) roleNames() []string {
	names := slices.Concat(r.allowed, slices.Collect(maps.Keys(r.aliases)))
	slices.Sort(names)
	return slices.Compact(names)
}
