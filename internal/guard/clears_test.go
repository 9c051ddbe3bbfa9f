// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"fmt"
	"testing"

	"github.com/scim-operator/scim-operator/internal/guard"
)

func TestAttributesThatBecomeEmptyForManyAreHeld(t *testing.T) {
	limits := guard.Limits{Minimum: 3, Percent: 20}
	clears := func(n int, change func(*guard.Revocation)) []guard.Revocation {
		list := make([]guard.Revocation, n)
		for i := range list {
			list[i] = guard.Revocation{Subject: fmt.Sprintf("user/%d", i), Users: []string{fmt.Sprint(i)}, Attributes: true}
			if change != nil {
				change(&list[i])
			}
		}
		return list
	}
	batch := guard.Digest("crm", closed, guard.Attributes, nil)
	for name, tc := range map[string]struct {
		active           int
		cleared          map[string]bool
		clears           []guard.Revocation
		pass, hold, held int
	}{
		"up to the minimum":             {active: 3, clears: clears(3, nil), pass: 3},
		"more":                          {active: 10, clears: clears(4, nil), hold: 4},
		"up to the share":               {active: 30, clears: clears(6, nil), pass: 6},
		"with those of the last hour":   {active: 10, cleared: map[string]bool{"8": true, "9": true}, clears: clears(2, nil), hold: 2},
		"the same users once more":      {active: 10, cleared: map[string]bool{"0": true, "1": true}, clears: clears(3, nil), pass: 3},
		"held already":                  {active: 10, clears: clears(2, func(r *guard.Revocation) { r.Batch = batch }), held: 2},
		"approved":                      {active: 10, clears: clears(9, func(r *guard.Revocation) { r.Batch, r.Approved = batch, true }), pass: 9},
		"passed before, not made yet":   {active: 10, clears: clears(3, func(r *guard.Revocation) { r.Allowed = true }), pass: 3},
		"beside those that passed":      {active: 10, clears: append(clears(3, func(r *guard.Revocation) { r.Allowed = true }), guard.Revocation{Subject: "user/x", Users: []string{"x"}}), pass: 3, hold: 1},
		"all of a small app, if so few": {active: 2, clears: clears(2, nil), pass: 2},
	} {
		t.Run(name, func(t *testing.T) {
			v := guard.DecideClears(limits, tc.active, tc.cleared, tc.clears)
			if len(v.Pass) != tc.pass || len(v.Hold) != tc.hold || len(v.Held) != tc.held {
				t.Errorf("%d pass, %d are held, %d stay held; want %d, %d, %d", len(v.Pass), len(v.Hold), len(v.Held), tc.pass, tc.hold, tc.held)
			}
		})
	}
}
