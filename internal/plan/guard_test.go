// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/utils/ptr"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

func TestGuardThreshold(t *testing.T) {
	guard := func(minimum, percent int32) *v1alpha1.Guard {
		return &v1alpha1.Guard{Minimum: ptr.To(minimum), Percent: ptr.To(percent)}
	}
	for name, tc := range map[string]struct {
		active, done int
		guard        *v1alpha1.Guard
		want         int
	}{
		"default minimum":                {40, 0, nil, 10},
		"default percentage":             {100, 0, nil, 20},
		"rounded down":                   {104, 0, nil, 20},
		"what was done stays in":         {80, 20, nil, 20},
		"empty guard":                    {100, 0, &v1alpha1.Guard{}, 20},
		"own minimum":                    {100, 0, &v1alpha1.Guard{Minimum: ptr.To[int32](50)}, 50},
		"own percentage":                 {1000, 0, &v1alpha1.Guard{Percent: ptr.To[int32](5)}, 50},
		"everything is held":             {1000, 10, guard(0, 0), 0},
		"nothing is held":                {1000, 10, guard(0, 100), 1010},
		"more accounts than 16 bits, 20": {100000, 0, nil, 20000},
	} {
		t.Run(name, func(t *testing.T) {
			if got := plan.GuardThreshold(tc.active, tc.done, tc.guard); got != tc.want {
				t.Errorf("threshold %d, want %d", got, tc.want)
			}
		})
	}
}

func TestHold(t *testing.T) {
	for name, tc := range map[string]struct {
		census plan.Census
		want   bool
	}{
		"nothing wanted":                       {plan.Census{Active: 5, Done: 50, Held: 50}, false},
		"at the threshold":                     {plan.Census{Active: 100, Pending: 20}, false},
		"above the threshold":                  {plan.Census{Active: 100, Pending: 21}, true},
		"all of a small app":                   {plan.Census{Active: 10, Pending: 10}, false},
		"the rest of the hour's allowance":     {plan.Census{Active: 85, Done: 15, Pending: 5}, false},
		"above it with those of the hour":      {plan.Census{Active: 85, Done: 15, Pending: 6}, true},
		"the last of a batch are held as well": {plan.Census{Active: 200, Held: 192, Pending: 8}, true},
		"one more while few are held":          {plan.Census{Active: 100, Held: 4, Pending: 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := plan.Hold(tc.census, nil); got != tc.want {
				t.Errorf("hold %v, want %v", got, tc.want)
			}
		})
	}
}

// Whoever comes one by one gets no further than who comes at once.
func TestHoldLetsNoMoreThroughOneByOne(t *testing.T) {
	for _, step := range []int{1, 3, 7, 200} {
		done, held := 0, 0
		for wanted := 200; wanted > 0; wanted -= min(step, wanted) {
			pending := min(step, wanted)
			if plan.Hold(plan.Census{Active: 200 - done, Done: done, Held: held, Pending: pending}, nil) {
				held += pending
			} else {
				done += pending
			}
		}
		if done > 40 || done+held != 200 {
			t.Errorf("%d at a time: %d done, %d held", step, done, held)
		}
	}
}

var closed = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func TestDigest(t *testing.T) {
	changes := []plan.Change{{User: "ada.x1", Action: "Deactivate"}, {User: "bob.x2", Action: "Deactivate"}, {User: "cy.x3", Action: "Update"}}
	base := plan.Digest("crm", closed, changes)
	if len(base) != 16 {
		t.Errorf("digest %q", base)
	}
	reversed := []plan.Change{changes[2], changes[1], changes[0], changes[1]}
	if plan.Digest("crm", closed.In(time.FixedZone("", 3600)), reversed) != base {
		t.Error("the digest depends on the order or on the time zone")
	}
	seen := map[string]string{base: "base"}
	for name, other := range map[string]string{
		"another time":       plan.Digest("crm", closed.Add(time.Nanosecond), changes),
		"another app":        plan.Digest("wiki", closed, changes),
		"fewer":              plan.Digest("crm", closed, changes[:2]),
		"another action":     plan.Digest("crm", closed, append(changes[:2:2], plan.Change{User: "cy.x3", Action: "Delete"})),
		"another user":       plan.Digest("crm", closed, append(changes[:2:2], plan.Change{User: "cy.x4", Action: "Update"})),
		"none":               plan.Digest("crm", closed, nil),
		"none of another":    plan.Digest("wiki", closed, nil),
		"user runs into app": plan.Digest("crmada.x1", closed, changes[1:]),
	} {
		if before, twice := seen[other]; twice {
			t.Errorf("%s has the digest of %s", name, before)
		}
		seen[other] = name
	}
}

func ExampleDigest() {
	fmt.Println(plan.Digest("crm", closed, []plan.Change{{User: "ada.x1", Action: "Deactivate"}}))
	// Output: 654bcda149939305
}
