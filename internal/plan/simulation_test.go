// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// simulation is one account of an app that takes every step, and what the operator records of it.
type simulation struct {
	r *rand.Rand
	// w is desired now; earlier is what the operation wrote.
	w, earlier plan.Desired
	have       *v1alpha1.Account
	op         *plan.Operation
	p          plan.Policy
	// app is the account as it is, nil for none. hidesRoles: the app does not show them.
	app        *appAccount
	hidesRoles bool
	log        string
}

type appAccount struct {
	active bool
	values map[string]any
	roles  []string
}

// newSimulation makes an app that has one of the possible states.
func newSimulation(r *rand.Rand, w, earlier plan.Desired, have *v1alpha1.Account, op *plan.Operation, p plan.Policy) *simulation {
	s := &simulation{r: r, w: w, earlier: earlier, have: have, op: op, p: p, hidesRoles: r.IntN(4) == 0}
	if have == nil || have.RemoteID == "" {
		return s
	}
	s.app = &appAccount{active: have.State != v1alpha1.AccountInactive, values: map[string]any{}, roles: have.Roles}
	for name, hash := range plan.ParseApplied(have.Applied) {
		s.app.values[name] = valueOf(name, hash, have)
	}
	if op != nil && r.IntN(2) == 0 {
		s.effect()
	}
	return s
}

// valueOf is the value that has the hash.
func valueOf(name, hash string, have *v1alpha1.Account) any {
	for _, v := range []any{"a", "b", have.Roles} {
		if plan.HashValues(map[string]any{name: v})[name] == hash {
			return v
		}
	}
	return "unknown"
}

// effect is what the calls of the operation do to the account, any of them in any order.
func (s *simulation) effect() {
	types := slices.Clone(s.op.Types)
	if len(types) == 0 {
		types = []v1alpha1.AccountAction{v1alpha1.ActionUpdate, v1alpha1.ActionReactivate, v1alpha1.ActionDeactivate, v1alpha1.ActionDelete}
	}
	s.r.Shuffle(len(types), func(i, j int) { types[i], types[j] = types[j], types[i] })
	for _, action := range types[:1+s.r.IntN(len(types))] {
		if s.app == nil {
			return
		}
		switch action {
		case v1alpha1.ActionDelete:
			s.app = nil
		case v1alpha1.ActionDeactivate:
			s.app.active = false
		default:
			s.app.active = s.app.active || action == v1alpha1.ActionReactivate || s.p.UpdateWritesActive
			s.wrote()
		}
	}
}

// wrote gives the account the attributes of the operation.
func (s *simulation) wrote() {
	names := s.op.Attributes
	if s.op.All {
		names = slices.Collect(maps.Keys(s.earlier.Values))
	}
	for _, name := range names {
		value, set := s.earlier.Values[name]
		switch {
		case name == s.p.MatchAttribute && s.p.BlockIdentifierChange:
		case name == "roles" && s.p.RoleAttribute == "":
		case name == s.p.RoleAttribute:
			s.app.roles = s.earlier.Roles
			fallthrough
		case set:
			s.app.values[name] = value
		default:
			delete(s.app.values, name)
		}
	}
	for _, name := range names {
		if _, set := s.earlier.Values[name]; !set {
			delete(s.app.values, name)
		}
	}
}

// take takes a step that succeeds, and records what the provisioner records.
func (s *simulation) take(step plan.Step) {
	if s.app == nil && step.Action != v1alpha1.ActionCreate && step.Action != v1alpha1.ActionRelease {
		// The app answers that it has no such account.
		s.have, s.op = nil, nil
		return
	}
	switch step.Action {
	case v1alpha1.ActionObserve:
		after := plan.Settle(s.w, s.have, s.op, s.observed(), s.p)
		s.have, s.op = &after, nil
		return
	case v1alpha1.ActionDelete:
		s.app, s.have, s.op = nil, nil, nil
		return
	case v1alpha1.ActionCreate:
		s.app = &appAccount{active: true, values: maps.Clone(s.w.Values), roles: s.w.Roles}
		s.have = &v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, Roles: s.w.Roles, Applied: plan.HashValues(s.w.Values).String()}
		s.have.RemoteID, _ = s.w.Values["userName"].(string)
		s.op = nil
		return
	}
	s.have = s.have.DeepCopy()
	switch step.Action {
	case v1alpha1.ActionRelease:
		s.have.State, s.op = v1alpha1.AccountOrphaned, nil
	case v1alpha1.ActionDeactivate:
		s.app.active, s.have.State = false, v1alpha1.AccountInactive
	default:
		s.write(step)
	}
	s.succeeded(step)
}

func (s *simulation) write(step plan.Step) {
	s.app.active, s.have.State = true, v1alpha1.AccountActive
	for _, name := range step.Set {
		s.app.values[name] = s.w.Values[name]
	}
	for _, name := range step.Clear {
		delete(s.app.values, name)
	}
	s.have.Applied = plan.ParseApplied(s.have.Applied).With(s.w.Values, step.Set, step.Clear).WithUnknown(step.Later...).String()
	if slices.Contains(slices.Concat(step.Set, step.Clear), s.p.RoleAttribute) {
		s.app.roles, s.have.Roles = s.w.Roles, s.w.Roles
	}
}

// succeeded settles the operation if the step repeated it. Otherwise a late effect is possible, until an observation.
func (s *simulation) succeeded(step plan.Step) {
	if s.op == nil {
		return
	}
	if slices.Equal(s.op.Types, []v1alpha1.AccountAction{step.Action}) && !s.op.Superseded {
		s.op = nil
		return
	}
	superseded := *s.op
	superseded.Superseded = true
	s.op = &superseded
	if s.r.IntN(2) == 0 {
		s.effect()
	}
}

func (s *simulation) observed() plan.Observed {
	return plan.Observed{
		Active: s.app.active, Roles: s.app.roles, RolesShown: !s.hidesRoles,
		Value: func(path string) (any, bool) {
			value, ok := s.app.values[path]
			return value, ok && (!s.hidesRoles || path != s.p.RoleAttribute)
		},
	}
}

// differs says what of the account is not as desired.
func (s *simulation) differs() string {
	for name, value := range s.w.Values {
		if diff := cmp.Diff(value, s.app.values[name]); diff != "" && s.w.Problems[name] == "" {
			return "in sync, but the app has another " + name + diff
		}
	}
	more := func(role string) bool { return !slices.Contains(s.w.Roles, role) }
	if s.p.RoleAttribute != "" && s.w.Problems[s.p.RoleAttribute] == "" && slices.ContainsFunc(s.app.roles, more) {
		return "in sync, but the account has more roles"
	}
	return ""
}
