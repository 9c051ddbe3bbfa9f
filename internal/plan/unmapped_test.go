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
			want: update(plan.Step{Clear: []string{"title"}}),
		},
		"unmapped, with whenUnmapped: Clear": {
			w: wanted(withoutValue("title")), have: account(active), p: policy(), want: update(plan.Step{Clear: []string{"title"}}),
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
