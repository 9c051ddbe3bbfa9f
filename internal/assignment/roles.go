// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assignment

import (
	"maps"
	"slices"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// CheckRoles gives roles the names by which the app knows them, sorted, each once, and returns those that it does not know as they were given, sorted.
//
// allowed are the app's roles; empty: it takes any. aliases are other names of theirs. Letter case does not matter.
func CheckRoles(roles, allowed []string, aliases map[string]string) (known, unknown []string) {
	if len(allowed) == 0 {
		return sortedSet(roles), nil
	}
	names := make(map[string]string, len(allowed)+len(aliases))
	for _, role := range allowed {
		names[scim.Fold(role)] = role
	}
	for _, alias := range slices.Sorted(maps.Keys(aliases)) {
		if canonical, ok := names[scim.Fold(aliases[alias])]; ok {
			if _, taken := names[scim.Fold(alias)]; !taken {
				names[scim.Fold(alias)] = canonical
			}
		}
	}
	for _, role := range roles {
		if canonical, ok := names[scim.Fold(role)]; ok {
			known = append(known, canonical)
		} else {
			unknown = append(unknown, role)
		}
	}
	return sortedSet(known), sortedSet(unknown)
}
