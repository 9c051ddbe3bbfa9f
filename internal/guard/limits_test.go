// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/guard"
)

func spec(minimum, percent, leavers int32) *v1alpha1.Guard {
	return &v1alpha1.Guard{Minimum: ptr.To(minimum), Percent: ptr.To(percent), LeaversPerHour: ptr.To(leavers)}
}

func TestLimitsOf(t *testing.T) {
	for name, tc := range map[string]struct {
		guard *v1alpha1.Guard
		want  guard.Limits
	}{
		"none":     {nil, guard.Limits{Minimum: 10, Percent: 20, Leavers: 10}},
		"empty":    {&v1alpha1.Guard{}, guard.Limits{Minimum: 10, Percent: 20, Leavers: 10}},
		"one":      {&v1alpha1.Guard{Percent: ptr.To[int32](5)}, guard.Limits{Minimum: 10, Percent: 5, Leavers: 10}},
		"all":      {spec(1, 2, 3), guard.Limits{Minimum: 1, Percent: 2, Leavers: 3}},
		"all zero": {spec(0, 0, 0), guard.Limits{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, guard.LimitsOf(tc.guard)); diff != "" {
				t.Errorf("limits (-want +got):\n%s", diff)
			}
		})
	}
}

// at is a spec at a time, and the limits that are in force then.
type at struct {
	minute int
	spec   *v1alpha1.Guard
	want   guard.Limits
}

func TestInForce(t *testing.T) {
	strict, loose, looser := guard.Limits{Minimum: 5, Percent: 5, Leavers: 5}, guard.Limits{Minimum: 50, Percent: 50, Leavers: 50}, guard.Limits{Minimum: 90, Percent: 90, Leavers: 90}
	of := func(l guard.Limits) *v1alpha1.Guard {
		return spec(int32(l.Minimum), int32(l.Percent), int32(l.Leavers))
	}
	for name, looks := range map[string][]at{
		"a new app":                  {{0, of(loose), loose}},
		"stricter at once":           {{0, of(loose), loose}, {1, of(strict), strict}},
		"looser after an hour":       {{0, of(strict), strict}, {1, of(loose), strict}, {60, of(loose), strict}, {61, of(loose), loose}, {62, of(loose), loose}},
		"looser again is not longer": {{0, of(strict), strict}, {1, of(loose), strict}, {50, of(looser), strict}, {61, of(looser), looser}},
		"looser, then back":          {{0, of(strict), strict}, {1, of(loose), strict}, {30, of(strict), strict}, {70, of(loose), strict}, {129, of(loose), strict}, {130, of(loose), loose}},
		"looser, then stricter":      {{0, of(loose), loose}, {1, of(looser), loose}, {30, of(strict), strict}, {61, of(strict), strict}},
		"one looser, one stricter": {
			{0, spec(10, 20, 10), guard.Limits{Minimum: 10, Percent: 20, Leavers: 10}}, {1, spec(5, 90, 10), guard.Limits{Minimum: 5, Percent: 20, Leavers: 10}},
			{61, spec(5, 90, 10), guard.Limits{Minimum: 5, Percent: 90, Leavers: 10}},
		},
		"only the leavers looser": {
			{0, spec(10, 20, 10), guard.Limits{Minimum: 10, Percent: 20, Leavers: 10}}, {1, spec(10, 20, 99), guard.Limits{Minimum: 10, Percent: 20, Leavers: 10}},
			{61, spec(10, 20, 99), guard.Limits{Minimum: 10, Percent: 20, Leavers: 99}},
		},
		"the spec is dropped":           {{0, of(strict), strict}, {1, nil, strict}, {61, nil, guard.LimitsOf(nil)}},
		"nobody looked for a long time": {{0, of(strict), strict}, {1000, of(loose), strict}, {1060, of(loose), loose}},
	} {
		t.Run(name, func(t *testing.T) {
			var status *v1alpha1.GuardStatus
			for _, look := range looks {
				limits, after := guard.InForce(look.spec, status, closed.Add(time.Duration(look.minute)*time.Minute))
				if diff := cmp.Diff(look.want, limits); diff != "" {
					t.Errorf("minute %d (-want +got):\n%s", look.minute, diff)
				}
				shown := guard.Limits{Minimum: int(after.Minimum), Percent: int(after.Percent), Leavers: int(after.LeaversPerHour)}
				if shown != limits || (after.LooserFrom != nil) != (limits != guard.LimitsOf(look.spec)) {
					t.Errorf("minute %d: status %+v", look.minute, after)
				}
				status = &after
			}
		})
	}
}

func TestInForceBoundsAClockThatWasAhead(t *testing.T) {
	ahead := metav1.NewTime(closed.Add(1000 * time.Hour))
	status := &v1alpha1.GuardStatus{Minimum: 5, Percent: 5, LeaversPerHour: 5, LooserFrom: &ahead, Revoked: []v1alpha1.RevokedUsers{{Users: "a"}}}
	_, after := guard.InForce(spec(50, 5, 5), status, closed)
	if after.LooserFrom == nil || !after.LooserFrom.Time.Equal(closed.Add(time.Hour)) {
		t.Errorf("looser from %v", after.LooserFrom)
	}
	if limits, _ := guard.InForce(spec(50, 5, 5), &after, closed.Add(time.Hour)); limits.Minimum != 50 {
		t.Errorf("limits %+v an hour later", limits)
	}
	if !status.LooserFrom.Equal(&ahead) || len(after.Revoked) != 1 {
		t.Error("the status is changed, or loses what it has besides")
	}
}
