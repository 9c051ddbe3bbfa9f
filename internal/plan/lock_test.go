// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

func locked(w *plan.Desired) { w.Assigned, w.Active, w.Locked = false, false, true }

func TestLockDeactivatesWhateverTheDeprovisioningPolicy(t *testing.T) {
	for _, deprovisioning := range []v1alpha1.Deprovisioning{"", v1alpha1.DeprovisionDeactivate, v1alpha1.DeprovisionDelete, v1alpha1.DeprovisionOrphan} {
		p := policy(func(p *plan.Policy) { p.Deprovisioning = deprovisioning })
		same(t, "active under "+string(deprovisioning), deactivate, plan.Decide(wanted(locked), account(v1alpha1.AccountActive), nil, p))
		same(t, "inactive under "+string(deprovisioning), inSync, plan.Decide(wanted(locked), account(v1alpha1.AccountInactive), nil, p))
	}
	deleted := wanted(locked, func(w *plan.Desired) { w.Deleted = true })
	step := plan.Decide(deleted, account(v1alpha1.AccountActive), nil, policy(func(p *plan.Policy) { p.Deprovisioning = v1alpha1.DeprovisionDelete }))
	if step.Action != v1alpha1.ActionDelete {
		t.Errorf("a locked user that is deleted: %+v", step)
	}
}

func TestLockOverridesNeitherProtectionNorFeatures(t *testing.T) {
	for reason, change := range map[string]func(*plan.Policy){
		v1alpha1.ReasonAccountProtected: func(p *plan.Policy) { p.Protected = true },
		v1alpha1.ReasonFeatureOff:       off(v1alpha1.FeaturePushUserDeactivation),
	} {
		step := plan.Decide(wanted(locked), account(v1alpha1.AccountActive), nil, policy(change))
		same(t, reason, because(reason), step)
		if !strings.HasPrefix(step.Message, "The user is locked, which does not override this: ") {
			t.Errorf("the message is %q", step.Message)
		}
		if unlocked := plan.Decide(wanted(unassigned), account(v1alpha1.AccountActive), nil, policy(change)); strings.Contains(unlocked.Message, "locked") {
			t.Errorf("the message without a lock is %q", unlocked.Message)
		}
	}
}
