// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assignment

import "github.com/scim-operator/scim-operator/api/v1alpha1"

// GroupRef is a group that exists.
type GroupRef struct{ ID, DisplayName string }

// Resolution is what the group names of a spec stand for.
type Resolution struct {
	// Groups to keep in the status, sorted by displayName.
	Groups []v1alpha1.ResolvedGroup
	// NotFound are names that stand for no group. They give nothing.
	NotFound []string
	// Renamed are names whose group has another name now. It is followed.
	Renamed []string
	// Changed are names that another group has now. The former group is followed, and the new one gives nothing, until the spec changes.
	Changed []string
	// Ambiguous are names that stood for several groups when they were first looked for. They give nothing until one group is left.
	Ambiguous []string
}

// ResolveGroups follows the groups that a spec of this generation names.
func ResolveGroups(names []string, generation int64, previous []v1alpha1.ResolvedGroup, groups []GroupRef) Resolution {
	return Resolution{}
}
