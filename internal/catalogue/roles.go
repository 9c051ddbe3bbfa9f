// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package catalogue says which roles a ScimApp has, and offers them to identity providers as SCIM resources. It is pure.
package catalogue

import (
	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

// Roles are how an app has roles, and which.
type Roles struct {
	// Attribute of an account that holds them, "" where the app takes no roles.
	Attribute string
	Form      v1alpha1.RoleForm
	// Allowed are the roles that the app knows; empty: it takes any. Aliases are other names of theirs.
	Allowed []string
	Aliases map[string]string
	// Default are given where no mapping names a role.
	Default []string
}

// RolesOf are those of the profile as the ScimApp changes them. Roles that the ScimApp lists itself have no other names.
func RolesOf(app *v1alpha1.ScimApp, profile profiles.Profile) Roles {
	roles := Roles{
		Attribute: profile.Roles.Attribute, Form: v1alpha1.RoleFormValues,
		Allowed: profile.Roles.Allowed, Aliases: profile.Roles.Aliases, Default: profile.Roles.Default,
	}
	if profile.Roles.Form == profiles.RoleAsString {
		roles.Form = v1alpha1.RoleFormString
	}
	if profile.Roles.Form == profiles.NoRoles {
		roles.Attribute = ""
	}
	own := app.Spec.Roles
	if own == nil {
		return roles
	}
	if own.Attribute != "" {
		roles.Attribute = own.Attribute
	}
	if own.Form != "" {
		roles.Form = own.Form
	}
	if len(own.Allowed) > 0 {
		roles.Allowed, roles.Aliases = own.Allowed, nil
	}
	if len(own.Default) > 0 {
		roles.Default = own.Default
	}
	return roles
}
