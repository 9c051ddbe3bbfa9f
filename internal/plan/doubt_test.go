// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// planned is an entry that announces a change.
func planned(action v1alpha1.AccountAction, attributes ...string) func(*v1alpha1.Account) {
	return func(a *v1alpha1.Account) { a.Planned, a.PlannedAttributes = action, attributes }
}

func reason(r string) func(*v1alpha1.Account) {
	return func(a *v1alpha1.Account) { a.Reason = r }
}

// A change that was announced may have been made by a process that died of it. When nobody wants it any more, it has to be taken back, though
// nothing differs from what was written last.
func TestDecideTakesBackWhatMayHaveBeenMade(t *testing.T) {
	for name, tc := range map[string]struct {
		wanted plan.Desired
		have   *v1alpha1.Account
		want   plan.Step
	}{
		"switched off, wanted again": {wanted(), account(v1alpha1.AccountActive, planned(v1alpha1.ActionDeactivate)), reactivate},
		"deleted, wanted again":      {wanted(), account(v1alpha1.AccountActive, planned(v1alpha1.ActionDelete)), reactivate},
		"taking it back died too":    {wanted(), account(v1alpha1.AccountActive, planned(v1alpha1.ActionReactivate)), reactivate},
		"switched on, taken again":   {wanted(unassigned), account(v1alpha1.AccountInactive, planned(v1alpha1.ActionReactivate)), deactivate},
		"still to be switched off":   {wanted(unassigned), account(v1alpha1.AccountActive, planned(v1alpha1.ActionDeactivate)), deactivate},
		"attribute written, changed back": {
			wanted(), account(v1alpha1.AccountActive, planned(v1alpha1.ActionUpdate, "title")), update("title"),
		},
		"attribute added, not wanted any more": {
			wanted(), account(v1alpha1.AccountActive, planned(v1alpha1.ActionUpdate, "nickName")),
			plan.Step{Action: v1alpha1.ActionUpdate, Clear: []string{"nickName"}},
		},
		"held, so nothing was made": {
			wanted(), account(v1alpha1.AccountActive, planned(v1alpha1.ActionDeactivate), reason(v1alpha1.ReasonHeld)), inSync,
		},
		"suspended, so nothing was made": {
			wanted(), account(v1alpha1.AccountActive, planned(v1alpha1.ActionDeactivate), reason(v1alpha1.ReasonSuspended)), inSync,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, plan.Decide(tc.wanted, tc.have, policy())); diff != "" {
				t.Errorf("step (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnnounced(t *testing.T) {
	for name, tc := range map[string]struct {
		step   plan.Step
		have   *v1alpha1.Account
		behind bool
		want   bool
	}{
		"nothing to do":                   {step: inSync, have: account(v1alpha1.AccountActive), want: true},
		"a create without intent":         {step: create, have: account(v1alpha1.AccountPending)},
		"a create without entry":          {step: create},
		"a create with intent":            {step: create, have: account(v1alpha1.AccountCreating), want: true},
		"a create is never told by spec":  {step: create, have: account(v1alpha1.AccountPending), behind: true},
		"a release calls nobody":          {step: release, have: account(v1alpha1.AccountActive), want: true},
		"a revocation out of the blue":    {step: deactivate, have: account(v1alpha1.AccountActive)},
		"one that the spec tells of":      {step: deactivate, have: account(v1alpha1.AccountActive), behind: true, want: true},
		"one that the entry tells of":     {step: deactivate, have: account(v1alpha1.AccountActive, planned(v1alpha1.ActionDeactivate)), want: true},
		"another than the entry tells of": {step: reactivate, have: account(v1alpha1.AccountActive, planned(v1alpha1.ActionDeactivate))},
		"the entry says that it is held": {
			step: deactivate, have: account(v1alpha1.AccountActive, planned(v1alpha1.ActionDeactivate), reason(v1alpha1.ReasonHeld)),
		},
		"more attributes than announced": {step: update("roles", "title"), have: account(v1alpha1.AccountActive, planned(v1alpha1.ActionUpdate, "title"))},
		"all attributes announced": {
			step: update("title"), have: account(v1alpha1.AccountActive, planned(v1alpha1.ActionUpdate, "roles", "title")), want: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := plan.Announced(tc.step, tc.have, tc.behind); got != tc.want {
				t.Errorf("announced is %t, want %t", got, tc.want)
			}
		})
	}
}
