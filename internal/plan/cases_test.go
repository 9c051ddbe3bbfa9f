// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// same compares a step without its message.
func same(t *testing.T, when string, want, got plan.Step) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(plan.Step{}, "Message"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: step (-want +got):\n%s", when, diff)
	}
}

func TestRolePatchLosesItsAnswerThenMappingIsDeleted(t *testing.T) {
	// The account had no role; the call that gives it one may have taken effect.
	have, op := account(v1alpha1.AccountActive, noRolesRecorded), giving(v1alpha1.ActionUpdate, "admin")
	w, p := wanted(unassigned, noRolesWanted), policy(writesActive)
	step := plan.Decide(w, have, op, p)
	same(t, "the mapping is deleted", deactivate, step)
	if plan.Announced(step, w, p, stored(op), false) {
		t.Error("the status does not tell of the deactivation")
	}
	both := plan.Merge(op, plan.OperationOf(step, w, p))
	if !plan.Announced(step, w, p, stored(both), false) {
		t.Error("the deactivation is announced and must be made")
	}
	// After a crash, both are possible; the deactivation still goes first.
	same(t, "the next process", deactivate, plan.Decide(w, have, both, p))
	have.State = v1alpha1.AccountInactive
	same(t, "a late PUT may activate it", observe, plan.Decide(w, have, late(op), p))
	after := plan.Settle(w, have, op, shows(true, with(w.Values, "roles", "admin"), "admin"), p)
	same(t, "it did", deactivate, plan.Decide(w, &after, nil, p))
	after = plan.Settle(w, have, op, shows(false, w.Values), p)
	same(t, "it did not", inSync, plan.Decide(w, &after, nil, p))
}

func TestDeactivationLosesItsAnswerThenMappingReturns(t *testing.T) {
	have, op, w := account(v1alpha1.AccountActive), operation(v1alpha1.ActionDeactivate), wanted()
	same(t, "wanted again", observe, plan.Decide(w, have, op, policy()))
	off := plan.Settle(w, have, op, shows(false, w.Values, "viewer"), policy())
	same(t, "it was made", reactivate, plan.Decide(w, &off, nil, policy()))
	on := plan.Settle(w, have, op, shows(true, w.Values, "viewer"), policy())
	same(t, "it was not made", inSync, plan.Decide(w, &on, nil, policy()))
}

func TestDeactivationPerhapsMadeStaysVisibleWithReactivationOff(t *testing.T) {
	have, w, p := stored(operation(v1alpha1.ActionDeactivate)), wanted(), policy(off(v1alpha1.FeatureReactivateUsers))
	for range 2 {
		same(t, "a look before it is settled", observe, plan.Decide(w, have, plan.ParseOperation(have.Operation), p))
	}
	made := plan.Settle(w, have, plan.ParseOperation(have.Operation), shows(false, w.Values), p)
	for range 2 {
		same(t, "it was made", because(v1alpha1.ReasonFeatureOff), plan.Decide(w, &made, plan.ParseOperation(made.Operation), p))
	}
	not := plan.Settle(w, have, plan.ParseOperation(have.Operation), shows(true, w.Values), p)
	same(t, "it was not made", inSync, plan.Decide(w, &not, plan.ParseOperation(not.Operation), p))
}

func TestUsersWhoLoseARoleAreRevocationsWhateverTheAction(t *testing.T) {
	admin := hadRole("admin")
	for name, tc := range map[string]struct {
		have   *v1alpha1.Account
		op     *plan.Operation
		action v1alpha1.AccountAction
	}{
		"the role is recorded":                      {account(v1alpha1.AccountActive, admin), nil, v1alpha1.ActionUpdate},
		"the role is of the operation":              {account(v1alpha1.AccountActive), giving(v1alpha1.ActionUpdate, "admin"), v1alpha1.ActionUpdate},
		"recorded, and the operation takes it":      {account(v1alpha1.AccountActive, admin), giving(v1alpha1.ActionUpdate, "viewer"), v1alpha1.ActionUpdate},
		"nobody led: it is to be observed":          {account(v1alpha1.AccountActive, admin), &plan.Operation{All: true}, v1alpha1.ActionObserve},
		"it may be inactive: it is to be observed":  {account(v1alpha1.AccountActive, admin), operation(v1alpha1.ActionDeactivate), v1alpha1.ActionObserve},
		"it may be active again with the old role":  {account(v1alpha1.AccountInactive, admin), giving(v1alpha1.ActionReactivate, "viewer"), v1alpha1.ActionReactivate},
		"it may be active again with another role":  {account(v1alpha1.AccountInactive), giving(v1alpha1.ActionReactivate, "admin"), v1alpha1.ActionReactivate},
		"a late reactivation may have given a role": {account(v1alpha1.AccountInactive), late(giving(v1alpha1.ActionReactivate, "admin")), v1alpha1.ActionObserve},
	} {
		t.Run(name, func(t *testing.T) {
			step := plan.Decide(wanted(), tc.have, tc.op, policy())
			if step.Action != tc.action || !step.Revocation || step.Effect != v1alpha1.ActionUpdate {
				t.Errorf("step %+v", step)
			}
		})
	}
}

func TestPushGroupsOffDeletesNoGroup(t *testing.T) {
	states := []v1alpha1.PushedGroupState{v1alpha1.GroupPending, v1alpha1.GroupCreating, v1alpha1.GroupPushed}
	for _, state := range states {
		for mask := range 4 {
			have := &v1alpha1.PushedGroupStatus{App: "crm", State: state, Created: mask&1 != 0, RemoteID: "7"}
			w := plan.DesiredGroup{FeatureOff: true, Deleted: mask&2 != 0, DisplayName: "Staff"}
			if step := plan.DecideGroup(w, have); step.Action != v1alpha1.ActionRelease && !step.Drop {
				t.Errorf("%s, created %t, deleted %t: step %+v", state, have.Created, w.Deleted, step)
			}
		}
	}
	created := &v1alpha1.PushedGroupStatus{App: "crm", State: v1alpha1.GroupPushed, Created: true}
	if step := plan.DecideGroup(plan.DesiredGroup{Deleted: true}, created); step.Action != v1alpha1.ActionDelete {
		t.Errorf("with PushGroups: step %+v", step)
	}
}
