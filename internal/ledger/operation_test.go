// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/plan"
)

func update(attributes ...string) *plan.Operation {
	return &plan.Operation{Types: []v1alpha1.AccountAction{v1alpha1.ActionUpdate}, Attributes: attributes}
}

func operation(action v1alpha1.AccountAction) *plan.Operation {
	return &plan.Operation{Types: []v1alpha1.AccountAction{action}}
}

func step(action v1alpha1.AccountAction) plan.Step { return plan.Step{Action: action} }

func superseded(op *plan.Operation) *plan.Operation {
	op.Superseded = true
	return op
}

// unsettled expects the operation, nil for none, and from when on an observation settles it: some time from the start, negative while the call is under way.
func (p *process) unsettled(when string, want *plan.Operation, from time.Duration) {
	p.t.Helper()
	got := p.Unsettled(kim)
	if want == nil || got == nil {
		if want != nil || got != nil {
			p.t.Errorf("%s: operation %+v, want %+v", when, got, want)
		}
		return
	}
	if diff := cmp.Diff(want, got.Operation, cmpopts.EquateEmpty()); diff != "" {
		p.t.Errorf("%s: operation (-want +got):\n%s", when, diff)
	}
	if from < 0 && !got.SettledFrom.IsZero() || from >= 0 && !got.SettledFrom.Equal(start.Add(from)) {
		p.t.Errorf("%s: settled from %v", when, got.SettledFrom)
	}
}

const underWay = -1

func TestOperationUntilItIsSettled(t *testing.T) {
	p := newProcess(t)
	p.unsettled("nothing was called", nil, 0)
	p.pass(settle)
	p.Begin(kim, update("title"), "d")
	p.unsettled("the call is under way", update("title"), underWay)
	p.Failed(kim)
	p.empty("the call had no effect")
	p.Begin(kim, update("title"), "d")
	if op := p.Succeeded(kim, step(v1alpha1.ActionUpdate)); op != nil {
		t.Errorf("after a success: %+v", op)
	}
	p.empty("the call succeeded")
	p.Begin(kim, update("title"), "d")
	p.pass(time.Minute)
	p.Unknown(kim)
	p.unsettled("outcome unknown", update("title"), time.Minute+2*settle)
	p.Observed(kim)
	p.empty("observed")
}

func TestOperationsAreMerged(t *testing.T) {
	p := newProcess(t)
	both := &plan.Operation{Types: []v1alpha1.AccountAction{v1alpha1.ActionDeactivate, v1alpha1.ActionUpdate}, Attributes: []string{"title"}}
	p.pass(settle)
	p.Begin(kim, update("title"), "d")
	p.Unknown(kim)
	p.pass(time.Second)
	p.Begin(kim, operation(v1alpha1.ActionDeactivate), "e")
	p.unsettled("the second call is under way", both, underWay)
	p.Failed(kim)
	p.unsettled("it had no effect", update("title"), 2*settle)
	p.Begin(kim, operation(v1alpha1.ActionDeactivate), "e")
	p.Unknown(kim)
	p.unsettled("either may have taken effect", both, time.Second+2*settle)
}

// A former leader that has not noticed may have made the call that the app refuses this one.
func TestRefusalSoonAfterTakingOverSettlesNothing(t *testing.T) {
	p := newProcess(t)
	p.pass(settle - time.Second)
	p.Begin(kim, operation(v1alpha1.ActionReactivate), "d")
	p.Failed(kim)
	p.unsettled("refused", operation(v1alpha1.ActionReactivate), 2*settle-time.Second)
}

func TestUnknownWithoutCallChangesNothing(t *testing.T) {
	p := newProcess(t)
	p.Begin(kim, update("title"), "d")
	p.Unknown(kim)
	p.pass(time.Second)
	p.Unknown(kim)
	p.unsettled("the outcome is told twice", update("title"), settle)
}

func TestSuccessAfterAnUnknownOutcome(t *testing.T) {
	for name, tc := range map[string]struct {
		first, second *plan.Operation
		digest        string
		after         time.Duration
		want          *plan.Operation
	}{
		"the same deactivation":            {operation(v1alpha1.ActionDeactivate), operation(v1alpha1.ActionDeactivate), "e", 0, nil},
		"the same values":                  {update("title"), update("title"), "d", 0, nil},
		"other values":                     {update("title"), update("title"), "e", 0, superseded(update("title"))},
		"values that are not known":        {update("title"), update("title"), "", 0, superseded(update("title"))},
		"another change":                   {update("title"), operation(v1alpha1.ActionDeactivate), "e", settle - 1, superseded(update("title"))},
		"another change, no longer late":   {update("title"), operation(v1alpha1.ActionReactivate), "e", settle, nil},
		"a deactivation, no longer late":   {update("title"), operation(v1alpha1.ActionDeactivate), "e", settle, superseded(update("title"))},
		"a deletion after a deactivation":  {operation(v1alpha1.ActionDeactivate), operation(v1alpha1.ActionDelete), "e", 0, superseded(operation(v1alpha1.ActionDeactivate))},
		"a reactivation, perhaps too late": {operation(v1alpha1.ActionReactivate), operation(v1alpha1.ActionDeactivate), "e", 0, superseded(operation(v1alpha1.ActionReactivate))},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t)
			p.Begin(kim, tc.first, "d")
			p.Unknown(kim)
			p.pass(tc.after)
			p.Begin(kim, tc.second, tc.digest)
			got := p.Succeeded(kim, step(tc.second.Types[0]))
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("not settled (-want +got):\n%s", diff)
			}
			// The settle time begins anew with the call that succeeded.
			p.unsettled("after the success", tc.want, settle+tc.after)
		})
	}
}

func TestLateEffectOfALaterCallIsUnknownAgain(t *testing.T) {
	p := newProcess(t)
	p.Begin(kim, update("title"), "d")
	p.Unknown(kim)
	p.Begin(kim, operation(v1alpha1.ActionDeactivate), "e")
	p.Succeeded(kim, step(v1alpha1.ActionDeactivate))
	p.pass(time.Second)
	p.Begin(kim, update("title"), "d")
	p.Unknown(kim)
	p.unsettled("the update was repeated", update("title"), time.Second+settle)
	// Two calls with different contents: a success with either's does not settle the other.
	p.Begin(kim, update("nickName"), "f")
	p.Unknown(kim)
	p.Begin(kim, update("nickName"), "f")
	if p.Succeeded(kim, step(v1alpha1.ActionUpdate)) == nil {
		t.Error("the update of the title is forgotten")
	}
}

func TestAdopt(t *testing.T) {
	stored := update("title").Status(metav1.NewTime(start.Add(-time.Hour)))
	for name, tc := range map[string]struct {
		stored *v1alpha1.AccountOperation
		behind bool
		want   *plan.Operation
	}{
		"nothing in status":           {nil, false, nil},
		"the operation in status":     {stored, false, update("title")},
		"the spec is newer":           {nil, true, &plan.Operation{All: true}},
		"in status and spec is newer": {stored, true, &plan.Operation{All: true, Attributes: []string{"title"}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t)
			p.pass(time.Minute)
			p.Adopt(kim, tc.stored, tc.behind)
			// A call of an earlier process may have been sent just before this one started.
			p.unsettled("taken over", tc.want, settle)
			p.Observed(kim)
			p.Adopt(kim, tc.stored, tc.behind)
			p.unsettled("once more, from a stale cache", nil, 0)
		})
	}
}

func TestAdoptTakesNothingOfThisProcess(t *testing.T) {
	stored := update("title").Status(metav1.NewTime(start))
	p := newProcess(t)
	p.Announced(kim)
	p.Adopt(kim, stored, false)
	p.unsettled("announced by this process", nil, 0)
	p = newProcess(t)
	p.Begin(kim, operation(v1alpha1.ActionDeactivate), "d")
	p.Adopt(kim, stored, false)
	p.unsettled("under way", operation(v1alpha1.ActionDeactivate), underWay)
	p.Unknown(kim)
	p.Adopt(kim, stored, false)
	p.unsettled("not settled", operation(v1alpha1.ActionDeactivate), settle)
}

func TestIntentOfACreate(t *testing.T) {
	p := newProcess(t)
	if p.NeverCalled(kim) || p.WasSent(kim) {
		t.Error("an intent of nobody")
	}
	p.Intended(kim)
	if !p.NeverCalled(kim) || p.WasSent(kim) {
		t.Error("the intent is written and nobody was called")
	}
	p.Sent(kim)
	if p.NeverCalled(kim) || !p.WasSent(kim) {
		t.Error("the create was sent")
	}
}

func TestSettleWait(t *testing.T) {
	none := func(*process) {}
	for name, tc := range map[string]struct {
		before    func(*process)
		announced bool
		after     time.Duration
		want      time.Duration
	}{
		"nothing was announced":                             {none, false, 0, 0},
		"an earlier process may have called":                {none, true, 10 * time.Second, settle - 10*time.Second},
		"an earlier process called long ago":                {none, true, settle, 0},
		"this process announced a create":                   {func(p *process) { p.Intended(kim) }, true, 0, 0},
		"this process announced a change":                   {func(p *process) { p.Announced(kim) }, true, 0, 0},
		"this process sent the create, the app refused":     {func(p *process) { p.Intended(kim); p.Sent(kim) }, true, 0, 0},
		"the outcome of this process's create is not known": {func(p *process) { p.pass(time.Hour); p.Sent(kim); p.MarkUnknown(kim) }, true, time.Second, settle - time.Second},
		"known again": {func(p *process) { p.pass(time.Hour); p.MarkUnknown(kim); p.KnownAgain(kim) }, true, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t)
			tc.before(p)
			p.pass(tc.after)
			if got := p.SettleWait(kim, tc.announced); got != tc.want {
				t.Errorf("wait %v, want %v", got, tc.want)
			}
		})
	}
}

func TestKnownAgainForgets(t *testing.T) {
	p := newProcess(t)
	p.MarkUnknown(staff)
	p.KnownAgain(staff)
	p.empty("known again")
	p.KnownAgain(ledger.ID{Kind: ledger.Group, UID: "uid-other"})
	p.empty("nothing was unknown")
}

func TestOperationThatTheStatusHasNoLongerIsForgotten(t *testing.T) {
	p := newProcess(t)
	stored := &v1alpha1.AccountOperation{Types: []v1alpha1.AccountAction{v1alpha1.ActionUpdate}, Attributes: []string{"title"}}
	p.Adopt(kim, stored, false)
	p.NoneStored(kim)
	p.unsettled("a status that does not show it settles nothing", update("title"), settle)
	p.Observed(kim)
	p.Adopt(kim, stored, false)
	p.unsettled("it is taken over once", nil, 0)
	p.NoneStored(kim)
	p.empty("settled, and no status has it")

	p.Announced(kim)
	p.Begin(kim, update("title"), "digest")
	p.NoneStored(kim)
	p.unsettled("the call is under way", update("title"), -1)
	p.Succeeded(kim, step(v1alpha1.ActionUpdate))
	p.NoneStored(kim)
	p.empty("made, and no status has it")
	p.Unknown(kim)
	p.empty("a call of an account that was forgotten")
}
