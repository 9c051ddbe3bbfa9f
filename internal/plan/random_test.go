// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"math/rand/v2"
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

var attributes = []string{"userName", "title", "emails", "name.familyName", "urn:example:1.0:User:badge"}

func randomWanted(r *rand.Rand) plan.Desired {
	w := plan.Desired{
		Assigned: r.IntN(3) > 0, Active: r.IntN(3) > 0, Deleted: r.IntN(8) == 0, Values: map[string]any{}, Problems: map[string]string{},
	}
	for _, name := range attributes {
		switch r.IntN(12) {
		case 0:
			w.Missing = append(w.Missing, name)
		case 1:
			w.Problems[name] = "it failed"
		case 2: // no value
		default:
			w.Values[name] = string(rune('a' + r.IntN(2)))
		}
	}
	for _, role := range []string{"editor", "viewer"} {
		if r.IntN(2) == 0 {
			w.Roles = append(w.Roles, role)
		}
	}
	switch {
	case r.IntN(10) == 0:
		w.Problems["roles"] = "it is unknown"
	case len(w.Roles) > 0:
		w.Values["roles"] = w.Roles
	}
	return w
}

func randomAccount(r *rand.Rand) *v1alpha1.Account {
	states := []v1alpha1.AccountState{
		v1alpha1.AccountPending, v1alpha1.AccountCreating, v1alpha1.AccountActive, v1alpha1.AccountInactive, v1alpha1.AccountOrphaned,
	}
	if r.IntN(6) == 0 {
		return nil
	}
	a := &v1alpha1.Account{App: "crm", State: states[r.IntN(len(states))]}
	if a.State == v1alpha1.AccountPending || a.State == v1alpha1.AccountCreating && r.IntN(2) == 0 {
		return a
	}
	before := randomWanted(r)
	a.RemoteID = []string{"a", "b", "7"}[r.IntN(3)]
	a.Roles = before.Roles
	if before.Problems["roles"] != "" {
		a.Roles = nil
	}
	a.Applied = plan.HashValues(before.Values).String()
	if r.IntN(8) == 0 {
		// Nothing was written yet, or it is not known what.
		a.Applied, a.Roles = []string{"", "v3 x", "v2 x"}[r.IntN(3)], nil
	}
	return a
}

func randomPolicy(r *rand.Rand) plan.Policy {
	p := plan.Policy{
		Features: map[v1alpha1.Feature]bool{}, MatchAttribute: "userName", RoleAttribute: "roles",
		BlockIdentifierChange: r.IntN(2) == 0, Protected: r.IntN(8) == 0, UpdateWritesActive: r.IntN(2) == 0,
		Deprovisioning: []v1alpha1.Deprovisioning{"", v1alpha1.DeprovisionDeactivate, v1alpha1.DeprovisionDelete, v1alpha1.DeprovisionOrphan}[r.IntN(4)],
	}
	for _, f := range []v1alpha1.Feature{
		v1alpha1.FeaturePushNewUsers, v1alpha1.FeaturePushProfileUpdates, v1alpha1.FeaturePushUserDeactivation, v1alpha1.FeatureReactivateUsers,
	} {
		p.Features[f] = r.IntN(4) > 0
	}
	if r.IntN(6) == 0 {
		p.RoleAttribute = ""
	}
	return p
}

// randomOperation is one that a call for an earlier desired state may have left. An account that does not exist has none.
func randomOperation(r *rand.Rand, earlier plan.Desired, have *v1alpha1.Account, p plan.Policy) *plan.Operation {
	if have == nil || (have.State != v1alpha1.AccountActive && have.State != v1alpha1.AccountInactive) || r.IntN(4) == 0 {
		return nil
	}
	op := &plan.Operation{Superseded: r.IntN(4) == 0}
	for range r.IntN(3) {
		op.Types = append(op.Types, []v1alpha1.AccountAction{
			v1alpha1.ActionUpdate, v1alpha1.ActionReactivate, v1alpha1.ActionDeactivate, v1alpha1.ActionDelete,
		}[r.IntN(4)])
	}
	op.Types = slices.Compact(slices.Sorted(slices.Values(op.Types)))
	if op.All = len(op.Types) == 0 || r.IntN(4) == 0; op.All {
		return withRoles(op, earlier)
	}
	for _, name := range append(slices.Clone(attributes), p.RoleAttribute) {
		identifier := name == p.MatchAttribute && p.BlockIdentifierChange
		if r.IntN(3) == 0 && name != "" && !identifier && earlier.Problems[name] == "" && !slices.Contains(earlier.Missing, name) {
			op.Attributes = append(op.Attributes, name)
		}
	}
	slices.Sort(op.Attributes)
	if slices.Contains(op.Attributes, p.RoleAttribute) {
		return withRoles(op, earlier)
	}
	return op
}

func withRoles(op *plan.Operation, earlier plan.Desired) *plan.Operation {
	if earlier.Problems["roles"] == "" {
		op.Roles = earlier.Roles
	}
	return op
}
