// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package assignment decides which apps a user has, with which roles and attribute values, from the role mappings of one namespace. It is pure: no I/O, no
// clock, and the same answer whatever the order in which mappings and groups are given.
package assignment

import (
	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Snapshot is the compiled view of one namespace's role mappings. It does not change and may be used by many goroutines.
type Snapshot struct{}

// Assignment is the decision that a user has an app.
type Assignment struct {
	// App is the name of the ScimApp.
	App string
	// Roles by the names that the mapping gives them, sorted, each once. Empty: the app's default.
	Roles []string
	// Overrides are attribute values of mappings that name the user. They win over the user's own.
	Overrides map[string]string
	// Defaults are attribute values of mappings that name a group, for users without a value of their own (S66).
	Defaults map[string]string
	// Mappings are the names of the mappings that give the app, sorted.
	Mappings []string
}

// NewSnapshot compiles mappings. Those that are being deleted give nothing.
func NewSnapshot(mappings []v1alpha1.ScimRoleMapping) *Snapshot { return &Snapshot{} }

// For is the apps that a user has, sorted by app. groupIDs are the SCIM ids of the groups that the user is a member of.
func (s *Snapshot) For(user *v1alpha1.ScimUser, groupIDs []string) []Assignment { return nil }

// UsersOf is whom a mapping names: the SCIM ids of the groups that it follows and the folded userNames, both sorted.
func (s *Snapshot) UsersOf(mapping string) (groupIDs, userNames []string) { return nil, nil }

// Conflicts is, for each mapping, the names of those that tie and disagree with it over a subject that both name.
func (s *Snapshot) Conflicts() map[string][]string { return nil }
