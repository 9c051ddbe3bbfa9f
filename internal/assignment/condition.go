// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assignment

import (
	"slices"
	"strings"
	"sync"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/mapping"
	"github.com/scim-operator/scim-operator/internal/resource"
)

// condition is an expression and the mappings that have it.
type condition struct {
	expression string
	// compiled is made at the first use: who only asks for groups and conflicts does not pay for it. It is nil where the expression does not compile; the
	// mapping's own status says so, and it selects nobody.
	compiled func() *mapping.Condition
	rules    []*rule
}

// conditionsOf are the expressions of rules, each once, sorted. What previous, which may be nil, has compiled is not compiled again.
func conditionsOf(rules []*rule, previous *Snapshot) []*condition {
	found := map[string]*condition{}
	if previous != nil {
		for _, c := range previous.conditions {
			found[c.expression] = &condition{expression: c.expression, compiled: c.compiled}
		}
	}
	for _, r := range rules {
		if r.expression == "" {
			continue
		}
		c := found[r.expression]
		if c == nil {
			c = &condition{expression: r.expression, compiled: compileOnce(r.expression)}
			found[r.expression] = c
		}
		c.rules = append(c.rules, r)
	}
	var conditions []*condition
	for _, c := range found {
		if len(c.rules) > 0 {
			conditions = append(conditions, c)
		}
	}
	slices.SortFunc(conditions, func(a, b *condition) int { return strings.Compare(a.expression, b.expression) })
	return conditions
}

func compileOnce(expression string) func() *mapping.Condition {
	return sync.OnceValue(func() *mapping.Condition {
		compiled, err := mapping.CompileCondition(expression)
		if err != nil {
			return nil
		}
		return compiled
	})
}

// Selection is which expressions of a snapshot are true for a user, a bit each. It depends on the expressions and the user's spec alone.
type Selection []uint64

func (s Selection) has(i int) bool { return i/64 < len(s) && s[i/64]&(1<<(i%64)) != 0 }

// Select evaluates the expressions for a user, each once, however many mappings have it. One that fails for this user is not true.
func (s *Snapshot) Select(user *v1alpha1.ScimUser) Selection {
	if len(s.conditions) == 0 {
		return nil
	}
	selected := make(Selection, (len(s.conditions)+63)/64)
	variables := resource.Variables(user)
	for i, c := range s.conditions {
		compiled := c.compiled()
		if compiled == nil {
			continue
		}
		if holds, _ := compiled.Holds(variables); holds {
			selected[i/64] |= 1 << (i % 64)
		}
	}
	return selected
}

// SameExpressions is whether a Selection of one snapshot is one of the other.
func (s *Snapshot) SameExpressions(other *Snapshot) bool {
	return slices.EqualFunc(s.conditions, other.conditions, func(a, b *condition) bool { return a.expression == b.expression })
}

// HasExpressions is whether there is anything to select by.
func (s *Snapshot) HasExpressions() bool { return len(s.conditions) > 0 }
