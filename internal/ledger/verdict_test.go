// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/ledger"
)

func TestVerdictIsOfOneEffect(t *testing.T) {
	p := newProcess(t)
	held := ledger.Verdict{Name: "kim", Effect: "Deactivate", Batch: "b", Held: start}
	p.ReplaceVerdicts(map[ledger.ID]ledger.Verdict{kim: held, staff: {Name: "staff", Effect: "RemoveMembers", Allowed: true}})
	if diff := cmp.Diff(held, p.Verdict(kim, "Deactivate")); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
	if got := p.Verdict(kim, "Update"); got != (ledger.Verdict{}) {
		t.Errorf("verdict of another effect: %+v", got)
	}
	if got := p.Verdicts(); len(got) != 2 {
		t.Errorf("verdicts %v", got)
	}
	p.ReplaceVerdicts(map[ledger.ID]ledger.Verdict{kim: {Effect: "Update", Allowed: true}})
	if got := p.Verdicts(); len(got) != 1 || !p.Verdict(kim, "Update").Allowed {
		t.Errorf("verdicts %v", got)
	}
	if p.DropVerdict(kim) || p.DropVerdict(staff) {
		t.Error("what was dropped was held")
	}
	p.ReplaceVerdicts(map[ledger.ID]ledger.Verdict{kim: held})
	if !p.DropVerdict(kim) || p.DropVerdict(kim) {
		t.Error("what was dropped was not held, or is held still")
	}
	p.empty("no verdicts")
}

func removals(members ...string) *ledger.Removals {
	return &ledger.Removals{Name: "staff", Members: members, Users: members}
}

func TestRemovalsOfAGroup(t *testing.T) {
	p := newProcess(t)
	if p.SetRemovals(staff, nil) {
		t.Error("no removals are a change")
	}
	p.empty("no removals")
	if !p.SetRemovals(staff, removals("1", "2")) || p.SetRemovals(staff, removals("1", "2")) || !p.SetRemovals(staff, removals("1")) {
		t.Error("it cannot be told whether the removals have changed")
	}
	if all := p.AllRemovals(); len(all) != 1 || all[staff].Members[0] != "1" {
		t.Errorf("removals %v", all)
	}
	if !p.SetRemovals(staff, nil) || len(p.AllRemovals()) > 0 {
		t.Error("the removals stay")
	}
	p.empty("made")
}

func TestRemovalsOfAClosedBatchOnlyShrink(t *testing.T) {
	p := newProcess(t)
	if p.InBatch(staff, "b", 9) {
		t.Error("a group without removals is in a batch")
	}
	p.CloseRemovals(staff, "b")
	p.empty("nothing to close")
	p.SetRemovals(staff, removals("1", "2", "3"))
	p.CloseRemovals(staff, "b")
	for name, tc := range map[string]struct {
		members []string
		want    bool
	}{
		"the same":               {[]string{"1", "2", "3"}, true},
		"in another order":       {[]string{"3", "1", "2"}, true},
		"fewer":                  {[]string{"2"}, true},
		"one more":               {[]string{"1", "2", "3", "4"}, false},
		"another instead of one": {[]string{"1", "2", "4"}, false},
	} {
		p.SetRemovals(staff, removals(tc.members...))
		if got := p.InBatch(staff, "b", 3); got != tc.want {
			t.Errorf("%s: in the batch is %t", name, got)
		}
	}
}

func TestRemovalsOfABatchOfAnEarlierProcess(t *testing.T) {
	p := newProcess(t)
	p.SetRemovals(staff, removals("1", "2", "3"))
	if p.InBatch(staff, "b", 2) {
		t.Error("more than were held")
	}
	p.SetRemovals(staff, removals("1", "2"))
	if !p.InBatch(staff, "b", 2) {
		t.Error("as many as were held")
	}
	// From now on, exactly these.
	p.SetRemovals(staff, removals("1", "4"))
	if p.InBatch(staff, "b", 2) {
		t.Error("another member than the first read showed")
	}
	// The batch is over; another one is closed.
	p.SetRemovals(staff, nil)
	p.SetRemovals(staff, removals("1", "4"))
	p.CloseRemovals(staff, "c")
	if !p.InBatch(staff, "c", 0) {
		t.Error("the removals of the new batch")
	}
}
