// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"slices"
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

func TestBatchesThatWaitForAnApproval(t *testing.T) {
	p := newProcess(t)
	waiting := func(when string, want ...string) {
		t.Helper()
		if got := p.WaitingBatches(); !slices.Equal(got, want) {
			t.Errorf("%s: the batches %q wait, want %q", when, got, want)
		}
	}
	waiting("at first")
	p.ReplaceVerdicts(map[ledger.ID]ledger.Verdict{kim: {Effect: "Update", Batch: "b"}, staff: {Effect: "RemoveMembers", Batch: "a"}})
	waiting("both are held", "a", "b")
	p.ReplaceVerdicts(map[ledger.ID]ledger.Verdict{kim: {Effect: "Update", Batch: "b", Allowed: true, Approved: true}, staff: {Effect: "RemoveMembers", Batch: "b"}})
	waiting("one is approved", "b")
	if !p.WasApproved(kim) || p.WasApproved(staff) {
		t.Error("what was approved")
	}
	p.DropVerdict(kim)
	waiting("the approved one was made", "b")
	p.Forget(staff)
	waiting("the group does not exist any more")
	if p.WasApproved(kim) {
		t.Error("approved after it was made")
	}
	p.ReplaceVerdicts(map[ledger.ID]ledger.Verdict{kim: {Effect: "Update", Batch: "b"}})
	p.ReplaceVerdicts(nil)
	waiting("nothing is held")
	p.empty("nothing is held")
}

func removals(members ...string) *ledger.Removals {
	return &ledger.Removals{Name: "staff", Members: members, Users: members}
}

func TestRemovalsOfAGroup(t *testing.T) {
	p := newProcess(t)
	p.SetRemovals(staff, nil)
	p.empty("no removals")
	p.SetRemovals(staff, removals("1", "2"))
	p.SetRemovals(staff, removals("1"))
	if all := p.AllRemovals(); len(all) != 1 || all[staff].Members[0] != "1" {
		t.Errorf("removals %v", all)
	}
	if p.SetRemovals(staff, nil); len(p.AllRemovals()) > 0 {
		t.Error("the removals stay")
	}
	p.empty("made")
}

func TestRemovalsOfAClosedBatchOnlyShrink(t *testing.T) {
	p := newProcess(t)
	if batch, outside := p.RemovalsBatch(staff, *removals("1"), "b", "digest"); batch != "" || outside {
		t.Error("a group without removals is in a batch")
	}
	p.CloseRemovals(staff, "b", []string{"1"})
	p.empty("nothing to close")
	p.SetRemovals(staff, removals("1", "2", "3"))
	if batch, outside := p.RemovalsBatch(staff, *removals("1", "2", "3"), "", ""); batch != "" || outside {
		t.Error("removals that were never held are in a batch")
	}
	p.CloseRemovals(staff, "b", []string{"1", "2", "3"})
	for name, tc := range map[string]struct {
		members []string
		want    bool
		held    []string
	}{
		"the same":               {[]string{"1", "2", "3"}, true, []string{"1", "2", "3"}},
		"in another order":       {[]string{"3", "1", "2"}, true, []string{"1", "2", "3"}},
		"fewer":                  {[]string{"2"}, true, []string{"2"}},
		"one more":               {[]string{"1", "2", "3", "4"}, false, []string{"1", "2", "3"}},
		"another instead of one": {[]string{"1", "2", "4"}, false, []string{"1", "2", "3"}},
		"three others":           {[]string{"4", "5", "6"}, false, []string{"1", "2", "3"}},
	} {
		p.SetRemovals(staff, removals(tc.members...))
		// The status may be that of an earlier batch.
		for _, stored := range []string{"", "a", "b"} {
			batch, outside := p.RemovalsBatch(staff, *removals(tc.members...), stored, ledger.RemovalsDigest(tc.members))
			if (batch == "b") != tc.want || outside == tc.want {
				t.Errorf("%s: the batch is %q, outside of it is %t", name, batch, outside)
			}
		}
		if got := p.HeldRemovals(staff); got != ledger.RemovalsDigest(tc.held) {
			t.Errorf("%s: the digest of those that are held is %q", name, got)
		}
	}
}

func TestRemovalsOfABatchOfAnEarlierProcess(t *testing.T) {
	digest := ledger.RemovalsDigest([]string{"1", "2", "3"})
	for name, tc := range map[string]struct {
		members []string
		want    bool
	}{
		"the same":               {[]string{"1", "2", "3"}, true},
		"in another order":       {[]string{"3", "2", "1"}, true},
		"fewer":                  {[]string{"1", "2"}, false},
		"one more":               {[]string{"1", "2", "3", "4"}, false},
		"another instead of one": {[]string{"1", "2", "4"}, false},
		"as many others":         {[]string{"4", "5", "6"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t)
			p.SetRemovals(staff, removals(tc.members...))
			if batch, outside := p.RemovalsBatch(staff, *removals(tc.members...), "b", digest); (batch == "b") != tc.want || outside == tc.want {
				t.Errorf("the batch is %q, outside of it is %t", batch, outside)
			}
		})
	}
	p := newProcess(t)
	p.SetRemovals(staff, removals("1", "2", "3"))
	p.RemovalsBatch(staff, *removals("1", "2", "3"), "b", digest)
	p.SetRemovals(staff, removals("1", "4"))
	if batch, outside := p.RemovalsBatch(staff, *removals("1", "4"), "b", ledger.RemovalsDigest([]string{"1", "4"})); batch != "" || !outside {
		t.Error("another member than the first read showed")
	}
	// The batch is over; another one is closed.
	p.SetRemovals(staff, nil)
	p.SetRemovals(staff, removals("1", "4"))
	p.CloseRemovals(staff, "c", []string{"1", "4"})
	if batch, _ := p.RemovalsBatch(staff, *removals("1", "4"), "b", digest); batch != "c" {
		t.Error("the removals of the new batch")
	}
}

func TestRemovalsDigestGoesByTheSetOfMembers(t *testing.T) {
	digests := map[string][]string{}
	for _, members := range [][]string{nil, {""}, {"1"}, {"2"}, {"1", "2"}, {"12"}, {"1 2"}, {`1" "2`}, {"1\x00", "2"}, {"1", "\x002"}} {
		digest := ledger.RemovalsDigest(members)
		if other, ok := digests[digest]; ok || len(digest) > 64 {
			t.Errorf("%q and %q have the digest %q", members, other, digest)
		}
		digests[digest] = members
	}
}
