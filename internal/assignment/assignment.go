// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package assignment decides which apps a user has, with which roles and attribute values, from the role mappings of one namespace. It is pure: no I/O, no
// clock, and the same answer whatever the order in which mappings and groups are given.
package assignment

import (
	"cmp"
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Assignment is the decision that a user has an app.
type Assignment struct {
	// App is the name of the ScimApp.
	App string
	// Roles as the mapping names them, sorted, each once. Empty: the app's default.
	Roles []string
	// Overrides are attribute values of mappings that name the user. They win over the user's own.
	Overrides map[string]string
	// Defaults are attribute values of mappings that name a group or have an expression, for users without a value of their own (S66).
	Defaults map[string]string
	// Mappings are the names of the mappings that give the app, sorted.
	Mappings []string
}

// For is the apps that a user has, sorted by app. groupIDs are the SCIM ids of the groups that the user is a member of. A user that is not admitted has none.
// Whether the user is active does not matter here.
func (s *Snapshot) For(user *v1alpha1.ScimUser, groupIDs []string) []Assignment {
	if !user.Admitted() {
		return nil
	}
	return s.ForSelected(user, groupIDs, s.Select(user))
}

// ForSelected is For with what Select gave for the user as its spec is.
func (s *Snapshot) ForSelected(user *v1alpha1.ScimUser, groupIDs []string, selected Selection) []Assignment {
	if !user.Admitted() {
		return nil
	}
	var grants []grant
	for _, rule := range s.byUser[scim.Fold(user.Spec.UserName)] {
		grants = append(grants, grant{rule: rule, direct: true})
	}
	for _, id := range groupIDs {
		for _, rule := range s.byGroup[id] {
			grants = append(grants, grant{rule: rule})
		}
	}
	for i, c := range s.conditions {
		if !selected.has(i) {
			continue
		}
		for _, rule := range c.rules {
			grants = append(grants, grant{rule: rule})
		}
	}
	slices.SortFunc(grants, compareGrants)

	var assignments []Assignment
	for start := 0; start < len(grants); {
		end := start + 1
		for end < len(grants) && grants[end].rule.app == grants[start].rule.app {
			end++
		}
		assignments = append(assignments, combine(grants[start:end]))
		start = end
	}
	return assignments
}

// grant is one mapping that gives the user an app.
type grant struct {
	rule *rule
	// direct: the mapping names the user, not one of the user's groups or what is true for more users.
	direct bool
}

// compareGrants sorts by app and then by precedence: a mapping that names the user before all that name groups or have an expression (Okta's order, individual
// values before those of groups), then the lowest priority, then the lowest name.
func compareGrants(a, b grant) int {
	if c := cmp.Compare(a.rule.app, b.rule.app); c != 0 {
		return c
	}
	if a.direct != b.direct {
		if a.direct {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.rule.rank, b.rule.rank)
}

// combine merges grants of one app, given in the order of precedence. The same grant may stand there more than once: the first one decides.
func combine(grants []grant) Assignment {
	out := Assignment{App: grants[0].rule.app}
	for _, g := range grants {
		if len(out.Roles) == 0 {
			out.Roles = g.rule.roles
		}
		if g.direct {
			out.Overrides = merge(out.Overrides, g.rule.attributes)
		} else {
			out.Defaults = merge(out.Defaults, g.rule.attributes)
		}
		out.Mappings = append(out.Mappings, g.rule.name)
	}
	out.Roles = slices.Clone(out.Roles)
	slices.Sort(out.Mappings)
	out.Mappings = slices.Compact(out.Mappings)
	return out
}

// merge adds those values that are not there.
func merge(into map[string]string, values []v1alpha1.AttributeValue) map[string]string {
	for _, v := range values {
		if _, there := into[v.Name]; there {
			continue
		}
		if into == nil {
			into = make(map[string]string, len(values))
		}
		into[v.Name] = v.Value
	}
	return into
}
