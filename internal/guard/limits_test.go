// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
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
		"a new app":            {{0, of(loose), loose}},
		"stricter at once":     {{0, of(loose), loose}, {1, of(strict), strict}},
		"looser after an hour": {{0, of(strict), strict}, {1, of(loose), strict}, {60, of(loose), strict}, {61, of(loose), loose}, {62, of(loose), loose}},
		"looser again":         {{0, of(strict), strict}, {1, of(loose), strict}, {60, of(looser), strict}, {61, of(looser), loose}, {119, of(looser), loose}, {120, of(looser), looser}},
		"looser again and again": {
			{0, of(strict), strict}, {1, of(loose), strict}, {20, of(looser), strict}, {40, of(loose), strict}, {60, of(looser), strict}, {61, of(looser), loose}, {119, of(looser), loose},
			{120, of(looser), looser},
		},
		"looser, then less so":  {{0, of(strict), strict}, {1, of(looser), strict}, {50, of(loose), strict}, {61, of(loose), loose}},
		"looser, then back":     {{0, of(strict), strict}, {1, of(loose), strict}, {30, of(strict), strict}, {70, of(loose), strict}, {129, of(loose), strict}, {130, of(loose), loose}},
		"looser, then stricter": {{0, of(loose), loose}, {1, of(looser), loose}, {30, of(strict), strict}, {61, of(strict), strict}},
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
	status := &v1alpha1.GuardStatus{
		Minimum: 5, Percent: 5, LeaversPerHour: 5, Revoked: []v1alpha1.RevokedUsers{{Users: "a"}},
		Requested: []v1alpha1.RequestedLimits{{Minimum: 5, Percent: 5, LeaversPerHour: 5, Until: &ahead}, {Minimum: 50, Percent: 5, LeaversPerHour: 5}},
	}
	_, after := guard.InForce(spec(50, 5, 5), status, closed)
	if after.LooserFrom == nil || !after.LooserFrom.Time.Equal(closed.Add(time.Hour)) {
		t.Errorf("looser from %v", after.LooserFrom)
	}
	if limits, _ := guard.InForce(spec(50, 5, 5), &after, closed.Add(time.Hour)); limits.Minimum != 50 {
		t.Errorf("limits %+v an hour later", limits)
	}
	if !status.Requested[0].Until.Equal(&ahead) || len(after.Revoked) != 1 {
		t.Error("the status is changed, or loses what it has besides")
	}
}

// FuzzInForce edits the spec of an app over some hours, with restarts: the limits in force are the strictest for which it asked within the last hour, or stricter ones where
// it was edited more often than the status has room for.
func FuzzInForce(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed, uint8(seed%30))
	}
	f.Fuzz(func(t *testing.T, seed uint64, pause uint8) {
		r := rand.New(rand.NewPCG(seed, 3))
		var status *v1alpha1.GuardStatus
		var asked []requested
		now := closed
		for range 100 {
			now = now.Add(time.Duration(r.IntN(60*(int(pause)+1))) * time.Second)
			wanted := spec(int32(r.IntN(4)), int32(r.IntN(4)), int32(r.IntN(4)))
			asked = append(asked, requested{guard.LimitsOf(wanted), now})
			for range 1 + r.IntN(3) {
				limits, after := guard.InForce(wanted, status, now)
				want, edits := strictest(asked, now)
				if edits <= 8 && limits != want {
					t.Fatalf("in force are %+v, want %+v; status %+v", limits, want, after)
				}
				if limits.Minimum > want.Minimum || limits.Percent > want.Percent || limits.Leavers > want.Leavers {
					t.Fatalf("in force are %+v, and within the hour %+v was asked for; status %+v", limits, want, after)
				}
				if len(after.Requested) > 8 || (after.LooserFrom != nil) != (limits != guard.LimitsOf(wanted)) {
					t.Fatalf("status %+v", after)
				}
				status = stored(t, &after)
				now = now.Add(time.Duration(r.IntN(60)) * time.Second)
			}
		}
	})
}

// requested are limits that a spec asks for from a time on.
type requested struct {
	limits guard.Limits
	from   time.Time
}

// strictest returns the strictest limits of the last hour, and of how many edits they are.
func strictest(asked []requested, now time.Time) (limits guard.Limits, edits int) {
	for i, r := range slices.Backward(asked) {
		if i < len(asked)-1 && now.Sub(asked[i+1].from) >= guard.Window {
			break
		}
		if edits++; edits == 1 {
			limits = r.limits
		}
		limits = guard.Limits{Minimum: min(limits.Minimum, r.limits.Minimum), Percent: min(limits.Percent, r.limits.Percent), Leavers: min(limits.Leavers, r.limits.Leavers)}
	}
	return limits, edits
}

// stored returns the status as etcd has it.
func stored(t *testing.T, status *v1alpha1.GuardStatus) *v1alpha1.GuardStatus {
	t.Helper()
	data, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	read := &v1alpha1.GuardStatus{}
	if err := json.Unmarshal(data, read); err != nil {
		t.Fatal(err)
	}
	return read
}
