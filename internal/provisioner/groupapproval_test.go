// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// An approval is for the members whose removal a person saw, whether the process that held them lives or not: neither for more, nor for as many others.
func TestApprovalOfRemovalsIsForTheMembersThatWereHeld(t *testing.T) {
	for name, tc := range map[string]struct {
		// remain are the members that the group has in the end; those of the batch are the first three of eight.
		remain []int
		// removed and failover: whether the approval of the batch removes members, in the process that held them and in another one.
		removed, failover bool
	}{
		"the same members":       {[]int{3, 4, 5, 6, 7}, true, true},
		"three others":           {[]int{0, 1, 2, 6, 7}, false, false},
		"one more":               {[]int{4, 5, 6, 7}, false, false},
		"another instead of one": {[]int{0, 4, 5, 6, 7}, false, false},
		"one of them is back":    {[]int{2, 3, 4, 5, 6, 7}, true, false},
	} {
		for _, failover := range []bool{false, true} {
			for _, written := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, failover %t, looked at before it %t", name, failover, written), func(t *testing.T) {
					w := newWorld(t, func(app *v1alpha1.ScimApp) {
						pushing(app)
						app.Spec.Guard = &v1alpha1.Guard{Minimum: ptr.To[int32](0), Percent: ptr.To[int32](0)}
					})
					users := w.staff(40)
					w.pushed(users[:8]...)
					batch, group := w.holdRemovals(users[3:8]...)

					group.Spec.Members = nil
					for _, i := range tc.remain {
						group.Spec.Members = append(group.Spec.Members, v1alpha1.GroupMember{Value: users[i].SCIMID(), Type: v1alpha1.MemberTypeUser})
					}
					group.Generation++
					w.cache.Put(group)
					if written {
						w.pushAndWrite(group)
					}
					if failover {
						w.lead()
						w.clock.Step(settleTime)
					}
					w.approve(batch)
					for range 4 {
						w.pushAndWrite(group)
						w.count()
						w.record()
					}

					removed := len(w.remoteMembers()) < 8
					if want := tc.removed && (!failover || tc.failover || written); removed != want {
						t.Errorf("the app has the members %q of eight; held are %v", w.remoteMembers(), w.worker.HeldChanges())
					}
					if !removed && slices.Contains(w.batches(1), batch) {
						t.Errorf("the removals are in the batch %s, which is approved", batch)
					}
				})
			}
		}
	}
}

// pushAndWrite does one look at the group and writes the outcome, if there is one.
func (w *world) pushAndWrite(group *v1alpha1.ScimGroup) {
	w.t.Helper()
	if o := w.push(group); o != nil {
		w.writeGroup(group, o)
	}
}

// holdRemovals has the guard hold the removal of all members of the pushed group but these, and writes its status.
func (w *world) holdRemovals(remain ...*v1alpha1.ScimUser) (batch string, group *v1alpha1.ScimGroup) {
	w.t.Helper()
	group = w.members(remain...)
	w.push(group)
	w.count()
	w.writeGroup(group, w.push(group))
	return w.batches(1)[0], group
}

// What the status tells of a batch is the members with which it was closed, also while others are to close the next one.
func TestHeldRemovalsAreDescribedByTheirBatch(t *testing.T) {
	w := newWorld(t, pushing)
	users := w.staff(40)
	w.pushed(users[:8]...)
	batch, group := w.holdRemovals()
	closed := group.Status.Apps[0]
	if closed.HeldBatch != batch || closed.HeldMembers == "" {
		t.Fatalf("the status is %+v", closed)
	}
	w.script.Groups[0].Members = append(w.script.Groups[0].Members, w.script.Groups[0].Members[0])
	w.script.Groups[0].Members[8].ID = "9"
	group.Generation++
	group.Spec.Members = append(group.Spec.Members, v1alpha1.GroupMember{Value: users[20].SCIMID(), Type: v1alpha1.MemberTypeUser})
	w.cache.Put(group)
	w.writeGroup(group, w.push(group))
	if diff := cmp.Diff(closed.HeldMembers, group.Status.Apps[0].HeldMembers); diff != "" || group.Status.Apps[0].HeldBatch != batch {
		t.Errorf("the status is %+v\n%s", group.Status.Apps[0], diff)
	}
	w.count()
	w.writeGroup(group, w.push(group))
	if next := group.Status.Apps[0]; next.HeldBatch == batch || next.HeldMembers == closed.HeldMembers || next.HeldBatch != w.batches(1)[0] {
		t.Errorf("the status is %+v", next)
	}
}
