// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// withoutValue removes an attribute from the desired values.
func withoutValue(name string) func(*plan.Desired) {
	return func(w *plan.Desired) { delete(w.Values, name) }
}

func keepUnmapped(mapped ...string) func(*plan.Policy) {
	return func(p *plan.Policy) { p.KeepUnmapped, p.Mapped = true, mapped }
}

// empties is an update that clears attributes.
func empties(names ...string) plan.Step {
	return plan.Step{Action: v1alpha1.ActionUpdate, Clear: names, Empties: true, Effect: plan.EffectClear}
}

func TestUnmappedAttributeIsForgottenAndAnEmptyOneIsCleared(t *testing.T) {
	active, inactive := v1alpha1.AccountActive, v1alpha1.AccountInactive
	renamed := func(w *plan.Desired) { w.Values["userName"] = "grace@corp.test" }
	update := func(s plan.Step) plan.Step { s.Action = v1alpha1.ActionUpdate; return s }
	for name, tc := range map[string]stepCase{
		"unmapped, nothing else differs: no call": {
			w: wanted(withoutValue("title")), have: account(active), p: policy(keepUnmapped("userName", "roles")), want: inSync,
		},
		"unmapped, and another attribute differs": {
			w: wanted(withoutValue("title"), renamed), have: account(active), p: policy(keepUnmapped("userName", "roles")),
			want: update(plan.Step{Set: []string{"userName"}, Forget: []string{"title"}}),
		},
		"unmapped, and the account is reactivated": {
			w: wanted(withoutValue("title")), have: account(inactive), p: policy(keepUnmapped("userName", "roles")),
			want: plan.Step{Action: v1alpha1.ActionReactivate, Forget: []string{"title"}},
		},
		"unmapped, and an earlier call may have cleared it": {
			w: wanted(withoutValue("title")), have: account(active), op: operation(v1alpha1.ActionUpdate, "title"), p: policy(keepUnmapped("userName", "roles")),
			want: observe,
		},
		"mapped and empty": {
			w: wanted(withoutValue("title")), have: account(active), p: policy(keepUnmapped("userName", "title", "roles")),
			want: empties("title"),
		},
		"unmapped, with whenUnmapped: Clear": {
			w: wanted(withoutValue("title")), have: account(active), p: policy(), want: empties("title"),
		},
		"the former role attribute is a revocation": {
			w: wanted(noRolesWanted), have: account(active), p: policy(noRoles, keepUnmapped("userName", "title")),
			want: revokes(update(plan.Step{Clear: []string{"roles"}})),
		},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, name, tc.want, plan.Decide(tc.w, tc.have, tc.op, tc.p))
		})
	}
}

// Its expression does not compile: it is left as it is, and nothing of the account waits for it.
func TestBrokenAttributeIsLeftAsItIs(t *testing.T) {
	broken := func(p *plan.Policy) { p.Broken, p.Mapped = []string{"title"}, []string{"userName", "title", "roles"} }
	for name, tc := range map[string]stepCase{
		"nothing else differs":        {w: wanted(withoutValue("title")), have: account(v1alpha1.AccountActive), p: policy(broken), want: inSync},
		"the user leaves":             {w: wanted(withoutValue("title"), unassigned), have: account(v1alpha1.AccountActive), p: policy(broken), want: deactivate},
		"the user joins":              {w: wanted(withoutValue("title")), p: policy(broken), want: create},
		"an earlier call wrote it":    {w: wanted(withoutValue("title")), have: account(v1alpha1.AccountActive), op: operation(v1alpha1.ActionUpdate, "title"), p: policy(broken), want: observe},
		"a mapping has a value of it": {w: wanted(func(w *plan.Desired) { w.Values["title"] = "Boss" }), have: account(v1alpha1.AccountActive), p: policy(broken), want: inSync},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, name, tc.want, plan.Decide(tc.w, tc.have, tc.op, tc.p))
		})
	}
}

// The clearing of attributes counts for the guard. What shares the update with it does not wait while it is held.
func TestEmptiedAttributesCountForTheGuardAndHoldNothingElse(t *testing.T) {
	renamed := func(w *plan.Desired) { w.Values["userName"] = "grace@corp.test" }
	holds := func(p *plan.Policy) { p.HoldClears = true }
	both := empties("title")
	both.Set = []string{"userName"}
	for name, tc := range map[string]stepCase{
		"with another attribute": {w: wanted(withoutValue("title"), renamed), have: account(v1alpha1.AccountActive), p: policy(), want: both},
		"held":                   {w: wanted(withoutValue("title")), have: account(v1alpha1.AccountActive), p: policy(holds), want: empties("title")},
		"held, and another attribute goes": {
			w: wanted(withoutValue("title"), renamed), have: account(v1alpha1.AccountActive), p: policy(holds),
			want: plan.Step{Action: v1alpha1.ActionUpdate, Set: []string{"userName"}, Withheld: []string{"title"}},
		},
		"a role that is revoked goes first": {
			w: wanted(withoutValue("title")), have: account(v1alpha1.AccountActive, hadRole("admin")), p: policy(),
			want: revokes(plan.Step{Action: v1alpha1.ActionUpdate, Set: []string{"roles"}, Later: []string{"title"}}),
		},
		"the user leaves": {w: wanted(withoutValue("title"), unassigned), have: account(v1alpha1.AccountActive), p: policy(holds), want: deactivate},
		"the user comes back": {
			w: wanted(withoutValue("title")), have: account(v1alpha1.AccountInactive), p: policy(holds),
			want: plan.Step{Action: v1alpha1.ActionReactivate, Clear: []string{"title"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, name, tc.want, plan.Decide(tc.w, tc.have, tc.op, tc.p))
		})
	}
}
