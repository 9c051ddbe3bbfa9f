// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// Nothing erases an operation from the status but its settlement.
func TestUnsettledOperationStaysInTheStatus(t *testing.T) {
	const off, on = v1alpha1.ActionDeactivate, v1alpha1.ActionReactivate
	started := metav1.NewTime(now.Add(-time.Hour))
	stored := func() *v1alpha1.Account {
		return &v1alpha1.Account{
			App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: off,
			Operation: &v1alpha1.AccountOperation{Types: []v1alpha1.AccountAction{off}, StartTime: started},
		}
	}
	for name, tc := range map[string]struct {
		step  plan.Step
		state appState
		app   func(*v1alpha1.ScimApp)
	}{
		"the app is suspended":        {plan.Step{Action: v1alpha1.ActionObserve}, appState{running: true, healthy: true}, func(app *v1alpha1.ScimApp) { app.Spec.Suspend = true }},
		"the app does not run":        {plan.Step{Action: v1alpha1.ActionObserve}, appState{}, nil},
		"the app does not answer":     {plan.Step{Action: off, Revocation: true, Effect: off}, appState{running: true}, nil},
		"the next step is held":       {plan.Step{Action: off, Revocation: true, Effect: off}, appState{running: true, healthy: true, verdict: ledger.Verdict{Effect: string(off), Batch: "b1"}}, nil},
		"a feature is switched off":   {plan.Step{Reason: v1alpha1.ReasonFeatureOff}, appState{running: true, healthy: true}, nil},
		"an observation is to come":   {plan.Step{Action: v1alpha1.ActionObserve}, appState{running: true, healthy: true}, nil},
		"the userName is another's":   {plan.Step{Reason: v1alpha1.ReasonUserNameConflict}, appState{running: true, healthy: true}, nil},
		"it seems to be in sync":      {plan.Step{InSync: true}, appState{running: true, healthy: true}, nil},
		"the same step is made again": {plan.Step{Action: off, Revocation: true, Effect: off}, appState{running: true, healthy: true, verdict: ledger.Verdict{Effect: string(off), Allowed: true}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			account := desired.AccountView{
				App: compiled(t, tc.app), AppName: "crm", Recorded: stored(), Stored: stored(), Step: tc.step, Announced: true,
				Unsettled: &ledger.Unsettled{Operation: &plan.Operation{Types: []v1alpha1.AccountAction{off}}},
			}
			next := computeStatus(viewOf(pt.User("kim"), account), now, func(*desired.AccountView) appState { return tc.state })
			if diff := cmp.Diff(stored().Operation, next.status.Accounts[0].Operation); diff != "" {
				t.Errorf("operation (-want +got):\n%s", diff)
			}
		})
	}
	account := desired.AccountView{App: compiled(t, nil), AppName: "crm", Recorded: stored(), Stored: stored(), Step: plan.Step{Action: on}, Announced: true}
	next := computeStatus(viewOf(pt.User("kim"), account), now, func(*desired.AccountView) appState { return appState{running: true, healthy: true} })
	if op := next.status.Accounts[0].Operation; op == nil || len(op.Types) != 1 || op.Types[0] != on {
		t.Errorf("once the operation is settled, the status has %+v and not the next one", op)
	}
}

func TestStatusChangeThatIsAnInputOfTheDecisionRequeuesTheUser(t *testing.T) {
	refused := v1alpha1.ScimUserStatus{ObservedGeneration: 1, Conditions: []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUserNameConflict,
	}}}
	for name, tc := range map[string]struct {
		before, after v1alpha1.ScimUserStatus
		want          bool
	}{
		"observed generation": {v1alpha1.ScimUserStatus{ObservedGeneration: 1}, v1alpha1.ScimUserStatus{ObservedGeneration: 2}, true},
		"userName conflict":   {v1alpha1.ScimUserStatus{ObservedGeneration: 1}, refused, true},
		"end of it":           {refused, v1alpha1.ScimUserStatus{ObservedGeneration: 1}, true},
		"summary":             {v1alpha1.ScimUserStatus{Summary: "0/1"}, v1alpha1.ScimUserStatus{Summary: "1/1"}, false},
	} {
		if got := inputsChanged(&tc.before, &tc.after); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}
