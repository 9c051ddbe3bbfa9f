// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A group whose members the app does not show may have those of any call whose outcome is unknown.
func TestHiddenMembersAreThoseThatMayBeThere(t *testing.T) {
	p := newProcess(t)
	want := func(when string, known bool, members ...string) {
		t.Helper()
		got, ok := p.HiddenMembers(staff)
		if diff := cmp.Diff(members, got); diff != "" || ok != known {
			t.Errorf("%s: known %t (-want +got):\n%s", when, ok, diff)
		}
	}
	p.MayHideMembers(staff, []string{"1"})
	want("before this process has written any", false)
	p.HidesMembers(staff, []string{"2", "1"})
	want("after a write", true, "1", "2")
	p.MayHideMembers(staff, []string{"3"})
	want("while a write may have taken effect", true, "1", "2", "3")
	p.HidesMembers(staff, []string{"3"})
	p.Settled(staff)
	want("after the write", true, "3")
	p.ForgetHidden(staff)
	want("when the app shows them", false)
	p.empty("no hidden members")
}
