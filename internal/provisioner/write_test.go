// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

func TestActivation(t *testing.T) {
	values := map[string]any{"userName": "ada@corp.test", "title": "Manager", "roles": "editor"}
	for name, tc := range map[string]struct {
		step         plan.Step
		pushProfiles bool
		set, clear   []string
	}{
		"an account of ours is brought up to date": {
			step:         plan.Step{Action: v1alpha1.ActionReactivate, Set: []string{"title"}, Clear: []string{"nickName"}},
			pushProfiles: true,
			set:          []string{"roles", "title", "userName"},
			clear:        []string{"nickName"},
		},
		"without profile updates it gets its roles alone": {
			step: plan.Step{Action: v1alpha1.ActionReactivate, Set: []string{"roles"}},
			set:  []string{"roles"},
		},
		"without profile updates it loses roles it should not have": {
			step:  plan.Step{Action: v1alpha1.ActionReactivate, Clear: []string{"roles"}},
			clear: []string{"roles"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			set, clear := activation(tc.step, values, tc.pushProfiles)
			if diff := cmp.Diff([2][]string{tc.set, tc.clear}, [2][]string{set, clear}); diff != "" {
				t.Errorf("set and clear (-want +got):\n%s", diff)
			}
		})
	}
}
