// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/ledger"
)

func TestRecordedMembersAreThoseThatMayBeThere(t *testing.T) {
	p := newProcess(t)
	want := func(when string, known bool, members ...string) {
		t.Helper()
		got, ok := p.RecordedMembers(staff)
		if ok != known || !cmp.Equal(got.IDs, members) {
			t.Errorf("%s the members are %q, %v", when, got.IDs, ok)
		}
	}
	want("at first", false)
	p.MayRecord(staff, []string{"1"})
	want("after a call that may have added to an unknown membership", false)
	p.Record(staff, []string{"2", "1"})
	want("after a write", true, "1", "2")
	p.MayRecord(staff, []string{"3"})
	want("after a call of which nobody knows the outcome", true, "1", "2", "3")
	p.RecordIfUnknown(staff, ledger.Members{IDs: []string{"9"}})
	want("after another source", true, "1", "2", "3")
	p.Record(staff, []string{"3"})
	want("after the next write", true, "3")
	p.ForgetMembers(staff)
	want("after another group was linked", false)
	if p.Len() != 0 {
		t.Errorf("%d entries are left", p.Len())
	}
}

func TestMembersWithoutANameStayRecorded(t *testing.T) {
	p := newProcess(t)
	left := ledger.HashMember("left")
	p.RecordIfUnknown(staff, ledger.Members{IDs: []string{"1"}, Nameless: []ledger.MemberHash{left}})
	p.Record(staff, []string{"2"})
	got, _ := p.RecordedMembers(staff)
	if diff := cmp.Diff(ledger.Members{IDs: []string{"2"}, Nameless: []ledger.MemberHash{left}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRecordOf100000MembersFitsIntoAnObject(t *testing.T) {
	members := make([]string, 100_000)
	for i := range members {
		members[i] = fmt.Sprintf("account-%06d", i)
	}
	data := ledger.EncodeMembers(members, nil)
	if size := len(data) * 4 / 3; size > 900<<10 {
		t.Errorf("%d bytes", size)
	}
	hashes := ledger.DecodeMembers(data)
	for _, member := range members {
		if !hashes[ledger.HashMember(member)] {
			t.Fatalf("%s is lost", member)
		}
	}
}
