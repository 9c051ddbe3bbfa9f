// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// An attribute that the app refuses is left out until its value, the mapping or a request of a person changes.
func TestRefusedAttributeIsLeftOut(t *testing.T) {
	titled := func(change func(*plan.Desired, *plan.Policy)) (plan.Desired, plan.Policy) {
		w, p := wanted(value("title", "CTO")), policy()
		p.Mapping = map[string]string{"title": "abc"}
		change(&w, &p)
		return w, p
	}
	w, p := titled(func(*plan.Desired, *plan.Policy) {})
	refused := account(v1alpha1.AccountActive)
	refused.Applied = plan.ParseApplied(refused.Applied).WithRefused(w, p, []string{"title"}).String()
	emptied, _ := titled(func(w *plan.Desired, _ *plan.Policy) { delete(w.Values, "title") })
	clearRefused := account(v1alpha1.AccountActive)
	clearRefused.Applied = plan.ParseApplied(clearRefused.Applied).WithRefused(emptied, p, []string{"title"}).String()
	for name, tc := range map[string]struct {
		change   func(*plan.Desired, *plan.Policy)
		recorded *v1alpha1.Account
		want     plan.Step
	}{
		"the same value":      {func(*plan.Desired, *plan.Policy) {}, refused, plan.Step{InSync: true, Rejected: []string{"title"}}},
		"another value":       {func(w *plan.Desired, _ *plan.Policy) { w.Values["title"] = "CEO" }, refused, update("title")},
		"another mapping":     {func(_ *plan.Desired, p *plan.Policy) { p.Mapping["title"] = "xyz" }, refused, update("title")},
		"a person asks":       {func(w *plan.Desired, _ *plan.Policy) { w.Asked = "please" }, refused, update("title")},
		"no value any more":   {func(w *plan.Desired, _ *plan.Policy) { delete(w.Values, "title") }, refused, empties("title")},
		"a clear was refused": {func(w *plan.Desired, _ *plan.Policy) { delete(w.Values, "title") }, clearRefused, plan.Step{InSync: true, Rejected: []string{"title"}}},
		"not mapped any more": {func(w *plan.Desired, p *plan.Policy) { delete(w.Values, "title"); keepUnmapped("userName", "roles")(p) }, refused, inSync},
		"a clear was refused, and it is not mapped any more": {func(w *plan.Desired, p *plan.Policy) { delete(w.Values, "title"); keepUnmapped("userName", "roles")(p) }, clearRefused, inSync},
		"refused of everybody":                               {func(_ *plan.Desired, p *plan.Policy) { p.Refused = []string{"title"} }, account(v1alpha1.AccountActive), plan.Step{InSync: true, Rejected: []string{"title"}}},
		"beside another":                                     {func(w *plan.Desired, _ *plan.Policy) { w.Values["nickName"] = "A" }, refused, rejecting(update("nickName"), "title")},
		"the user loses the app": {func(w *plan.Desired, _ *plan.Policy) { w.Assigned = false }, refused,
			plan.Step{Action: v1alpha1.ActionDeactivate, Revocation: true, Effect: v1alpha1.ActionDeactivate}},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := titled(tc.change)
			if diff := cmp.Diff(tc.want, plan.Decide(w, tc.recorded, nil, p)); diff != "" {
				t.Errorf("step (-want +got):\n%s", diff)
			}
		})
	}
}

func rejecting(s plan.Step, names ...string) plan.Step {
	s.Rejected = names
	return s
}

// Roles that were written and that the app does not show are not in status, and a change of them may revoke access all the same.
func TestChangeOfUnconfirmedRolesIsARevocation(t *testing.T) {
	roles := plan.RoleValues([]string{"admin"})
	had := wanted(value("roles", roles))
	had.Roles = []string{"admin"}
	recorded := account(v1alpha1.AccountActive)
	recorded.Applied = plan.HashValues(had.Values).WithUnconfirmed("roles").String()
	recorded.Roles = nil
	if step := plan.Decide(had, recorded, nil, policy()); !step.InSync {
		t.Errorf("the same roles: %+v", step)
	}
	if !plan.MayHaveUnconfirmedRoles(recorded) || !plan.MayHaveFormerRoles(recorded, "other", nil) {
		t.Error("nothing tells of the roles")
	}
	other := wanted(value("roles", plan.RoleValues([]string{"viewer"})), value("title", "CTO"))
	other.Roles = []string{"viewer"}
	if diff := cmp.Diff(later(revokes(update("roles")), "title"), plan.Decide(other, recorded, nil, policy())); diff != "" {
		t.Errorf("other roles (-want +got):\n%s", diff)
	}
	p := policy()
	p.Refused = []string{"roles"}
	if step := plan.Decide(other, recorded, nil, p); !step.Revocation {
		t.Errorf("a revocation is left out because the app refused roles: %+v", step)
	}
}

// A role that is to be revoked is never lost to what shares its request.
func TestRevocationOfARoleSharesItsRequestWithNothing(t *testing.T) {
	step := plan.Decide(wanted(value("title", "CTO"), value("nickName", "A")), account(v1alpha1.AccountActive, hadRole("admin")), nil, policy())
	if diff := cmp.Diff(later(revokes(update("roles")), "nickName", "title"), step); diff != "" {
		t.Errorf("step (-want +got):\n%s", diff)
	}
}
