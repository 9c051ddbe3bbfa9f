// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package catalogue

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Resources are what apps offer of one of the catalogue's resource types, sorted by id: each role of each app as a Role, each app as an Entitlement. An app that is
// being deleted offers nothing. A role that an app would take, but does not list, cannot be offered.
func Resources(rt *scim.ResourceType, apps []v1alpha1.ScimApp) []*scim.Resource {
	var resources []*scim.Resource
	for i := range apps {
		app := &apps[i]
		switch {
		case !app.DeletionTimestamp.IsZero():
		case rt == scim.RoleType:
			resources = append(resources, roles(app)...)
		case rt == scim.EntitlementType:
			resources = append(resources, entitlement(app))
		}
	}
	slices.SortFunc(resources, func(a, b *scim.Resource) int { return strings.Compare(a.ID(), b.ID()) })
	return resources
}

func roles(app *v1alpha1.ScimApp) []*scim.Resource {
	// An app whose profile is unknown, which its own Ready condition says, has the roles that it lists itself.
	profile, _ := profiles.Get(app.Spec.Profile)
	known := RolesOf(app, profile)
	if known.Attribute == "" {
		return nil
	}
	var resources []*scim.Resource
	seen := map[string]bool{}
	for _, role := range known.Allowed {
		// Roles are the same whatever their letter case: the first spelling is offered.
		if folded := scim.Fold(role); role != "" && !seen[folded] {
			seen[folded] = true
			resources = append(resources, scim.ResourceFromMap(scim.RoleType, map[string]any{
				"id":          RoleID(app.Name, role),
				"displayName": app.Name + ": " + role,
				"meta":        map[string]any{"resourceType": scim.RoleType.Name},
			}))
		}
	}
	return resources
}

func entitlement(app *v1alpha1.ScimApp) *scim.Resource {
	title := app.Spec.Profile
	if profile, ok := profiles.Get(app.Spec.Profile); ok {
		title = profile.Title
	}
	return scim.ResourceFromMap(scim.EntitlementType, map[string]any{
		"id":          AppID(app.Name),
		"displayName": app.Name,
		"type":        scim.EntitlementType.Name,
		"description": fmt.Sprintf("An account in the app %s (%s)", app.Name, title),
		"meta":        map[string]any{"resourceType": scim.EntitlementType.Name},
	})
}

// AppID is the id of an app in the catalogue: its name, with "~" for the dots. A name of Kubernetes holds no "~".
func AppID(app string) string { return strings.ReplaceAll(app, ".", "~") }

// RoleID is the id of a role in the catalogue, "<app>.<role>". It follows from the names alone, so it is the same after a restore; the first dot ends the app, so no
// two roles have one id; and it consists of characters that a URL takes as they are: what is not a letter, a digit or one of ".-_" in the role stands there as "~" and
// two hexadecimal digits for each byte.
func RoleID(app, role string) string {
	var b strings.Builder
	b.WriteString(AppID(app))
	b.WriteByte('.')
	for i := range len(role) {
		c := role[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(".-_", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "~%02X", c)
		}
	}
	return b.String()
}
