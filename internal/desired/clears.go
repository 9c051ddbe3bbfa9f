// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/guard"
	"github.com/scim-operator/scim-operator/internal/mapping"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/resource"
)

// clearing finds the accounts that may be about to lose the value of an attribute, without computing the other attributes.
type clearing struct {
	names   map[string]bool
	program *mapping.Program
}

// clearing returns the search for some attributes: those that a worker is about to clear of one account at least.
func (a *App) clearing(names map[string]bool) clearing {
	return clearing{names: names, program: a.program.Only(names)}
}

// may reports whether the account may be about to lose a value. A value that a role mapping gives is not considered.
func (c clearing) may(user *v1alpha1.ScimUser, entry *v1alpha1.Account) bool {
	switch {
	case entry.State != v1alpha1.AccountActive:
		return false
	case guard.OfAttributes(entry.HeldBatch):
		return true
	case len(c.names) == 0:
		return false
	}
	applied := plan.ParseApplied(entry.Applied)
	has := false
	for name := range c.names {
		has = has || applied[name] != ""
	}
	if !has {
		return false
	}
	values, problems := c.program.Eval(resource.Variables(user))
	for name := range c.names {
		if _, given := values[name]; !given && applied[name] != "" && problems[name] == "" {
			return true
		}
	}
	return false
}
