// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// recounted is a time within which the guard counts anew while it holds something: it gathers for five seconds then.
const recounted = 7 * time.Second

func TestDeletedMappingRevokesWhatItAloneGaveAndRestoredGivesItBack(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "sales", "crm", inGroups("Sales"), "editor")
	d.Mapping(t, "by-name", "crm", named("user-2@corp.test"), "viewer")
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 3)
	op.CreateGroup(t, "Sales", ids...)
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	before := remoteIDs(t, d, ids, "crm")
	fake.ResetCalls()

	d.Delete(t, mappingOf(d, "sales"))
	awaitAll(t, d, ids[:2], "crm", v1alpha1.AccountInactive)
	for i, active := range []bool{false, false, true} {
		if user, _ := fake.User(fmt.Sprintf("user-%d@corp.test", i)); user.Active != active {
			t.Errorf("user-%d is active: %t, want %t", i, user.Active, active)
		}
	}
	holdsFor(t, watched, func() error {
		if n := fake.Writes(); n != 2 {
			return fmt.Errorf("%d write calls for two accounts: %v", n, fake.Counts())
		}
		return nil
	})

	d.Mapping(t, "sales", "crm", inGroups("Sales"), "editor")
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	if diff := cmp.Diff(before, remoteIDs(t, d, ids, "crm")); diff != "" {
		t.Errorf("the accounts are others (-before +after):\n%s", diff)
	}
	if n := len(fake.Users()); n != 3 || fake.Counts()[fakeapp.UsersCreate] != 0 {
		t.Errorf("the app has %d accounts after the calls %v, want the same three", n, fake.Counts())
	}
	for _, user := range fake.Users() {
		if !user.Active {
			t.Errorf("the account %s is not active", user.ID)
		}
	}
}

// held is a directory whose mapping of twelve users was deleted: more than the ten of the default guard.
type held struct {
	*harness.Directory
	fake *fakeapp.App
	op   *harness.Operator
	// ids are the twelve; other has the app by a mapping of its own.
	ids   []string
	other string
	batch v1alpha1.HeldBatch
}

func newHeld(t *testing.T) *held {
	t.Helper()
	h := &held{Directory: harness.NewDirectory(t)}
	h.fake = h.App(t, "crm", fakeapp.Generic, nil)
	h.Mapping(t, "sales", "crm", inGroups("Sales"))
	h.Mapping(t, "other", "crm", named("other@corp.test"))
	h.op = h.Run(t)
	h.AwaitReady(t, "crm")
	h.ids = pushUsers(t, h.op, 12)
	h.other = h.op.CreateUser(t, "other@corp.test")
	h.op.CreateGroup(t, "Sales", h.ids...)
	awaitAll(t, h.Directory, append(slices.Clone(h.ids), h.other), "crm", v1alpha1.AccountActive)
	h.fake.ResetCalls()
	h.Delete(t, mappingOf(h.Directory, "sales"))
	h.batch = h.awaitBatches(t, 1)[0]
	return h
}

// awaitBatches waits until so many batches are held and every user of theirs says so.
func (h *held) awaitBatches(t *testing.T, n int) []v1alpha1.HeldBatch {
	t.Helper()
	var batches []v1alpha1.HeldBatch
	harness.Eventually(t, fmt.Sprintf("%d batches are held", n), func() error {
		app := getApp(t, h.Directory, "crm")
		batches = app.Status.Batches
		if len(batches) != n || (n > 0) != meta.IsStatusConditionTrue(app.Status.Conditions, v1alpha1.ConditionMassChangeHeld) {
			return fmt.Errorf("status is %+v", app.Status)
		}
		var remaining int32
		for _, batch := range batches {
			remaining += batch.Remaining
		}
		if app.Status.Held != remaining {
			return fmt.Errorf("held is %d, the batches have %d", app.Status.Held, remaining)
		}
		return nil
	})
	return batches
}

func (h *held) digests(t *testing.T) []string {
	t.Helper()
	var digests []string
	for _, batch := range getApp(t, h.Directory, "crm").Status.Batches {
		digests = append(digests, batch.Digest)
	}
	return digests
}

func TestMassRevocationIsHeldUntilItsOwnBatchIsApproved(t *testing.T) {
	t.Parallel()
	h := newHeld(t)
	if h.batch.Changes != 12 || h.batch.Remaining != 12 || h.batch.Digest == "" || len(h.batch.Users) == 0 || !strings.HasPrefix(h.batch.Message, "Deactivate 12; ") {
		t.Errorf("the batch is %+v", h.batch)
	}
	for _, id := range h.ids {
		entry := awaitReason(t, h.Directory, id, "crm", v1alpha1.ReasonHeld)
		if entry.State != v1alpha1.AccountActive || entry.HeldBatch != h.batch.Digest || entry.Planned != v1alpha1.ActionDeactivate {
			t.Errorf("the entry is %+v", entry)
		}
	}
	annotate(t, h.Directory, "crm", v1alpha1.AnnotationApproveBatch, "0123456789abcdef")
	noWrites(t, h.fake, recounted)

	// What comes while a batch is held is a batch of its own: nobody has seen it.
	h.Delete(t, mappingOf(h.Directory, "other"))
	h.awaitBatches(t, 2)
	entry := awaitReason(t, h.Directory, h.other, "crm", v1alpha1.ReasonHeld)
	if entry.HeldBatch == "" || entry.HeldBatch == h.batch.Digest {
		t.Errorf("the later change is in the batch %q, the first one is %q", entry.HeldBatch, h.batch.Digest)
	}

	annotate(t, h.Directory, "crm", v1alpha1.AnnotationApproveBatch, h.batch.Digest)
	awaitAll(t, h.Directory, h.ids, "crm", v1alpha1.AccountInactive)
	left := h.awaitBatches(t, 1)
	if left[0].Digest != entry.HeldBatch || left[0].Remaining != 1 {
		t.Errorf("what is left is %+v, want the batch %s of one", left, entry.HeldBatch)
	}
	if user, _ := h.fake.User("other@corp.test"); !user.Active {
		t.Error("the account of the later batch was deactivated with the first one")
	}
	if n := h.fake.Writes(); n != 12 {
		t.Errorf("%d write calls for 12 accounts: %v", n, h.fake.Counts())
	}

	annotate(t, h.Directory, "crm", v1alpha1.AnnotationApproveBatch, entry.HeldBatch)
	h.AwaitAccount(t, h.other, "crm", v1alpha1.AccountInactive)
	h.awaitBatches(t, 0)
}

func TestRestoredMappingClearsTheHeldBatchWithoutACall(t *testing.T) {
	t.Parallel()
	h := newHeld(t)
	h.Mapping(t, "sales", "crm", inGroups("Sales"))
	awaitAll(t, h.Directory, h.ids, "crm", v1alpha1.AccountActive)
	h.awaitBatches(t, 0)
	for _, id := range h.ids {
		if entry := h.User(t, id).Status.Account("crm"); entry.HeldBatch != "" || entry.Reason != "" {
			t.Errorf("the entry is %+v", entry)
		}
	}
	noCalls(t, h.fake, watched)
}

func TestHeldBatchSurvivesARestart(t *testing.T) {
	t.Parallel()
	h := newHeld(t)
	for _, id := range h.ids {
		awaitReason(t, h.Directory, id, "crm", v1alpha1.ReasonHeld)
	}
	h.op.Stop()
	h.fake.ResetCalls()
	h.op = h.Run(t)
	harness.Eventually(t, "the credentials are tested anew", func() error {
		if len(h.fake.Calls()) == 0 {
			return fmt.Errorf("no call yet")
		}
		return nil
	})
	noWrites(t, h.fake, recounted)
	if diff := cmp.Diff([]string{h.batch.Digest}, h.digests(t)); diff != "" {
		t.Errorf("batches after the restart (-want +got):\n%s", diff)
	}
	annotate(t, h.Directory, "crm", v1alpha1.AnnotationApproveBatch, h.batch.Digest)
	awaitAll(t, h.Directory, h.ids, "crm", v1alpha1.AccountInactive)
	h.awaitBatches(t, 0)
}

// TestGuardCatchesEveryWayToLoseAGroup: the guard counts what is taken from users, whatever the cause.
func TestGuardCatchesEveryWayToLoseAGroup(t *testing.T) {
	t.Parallel()
	const users, allowed = 6, 3
	tests := map[string]struct {
		lose func(t *testing.T, d *harness.Directory, op *harness.Operator, group string, ids []string)
		// let is how many are let through before.
		let int
	}{
		"PUT without members": {lose: func(t *testing.T, _ *harness.Directory, op *harness.Operator, group string, _ []string) {
			op.Want(t, 200, "PUT", "/Groups/"+group, groupBody("Sales"))
		}},
		"deleted group": {lose: func(t *testing.T, _ *harness.Directory, op *harness.Operator, group string, _ []string) {
			op.Want(t, 204, "DELETE", "/Groups/"+group, "")
		}},
		"small PATCHes within an hour": {let: allowed, lose: func(t *testing.T, d *harness.Directory, op *harness.Operator, group string, ids []string) {
			for i, id := range ids {
				op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.RemoveMember(id)))
				if i < allowed {
					d.AwaitAccount(t, id, "crm", v1alpha1.AccountInactive)
				}
			}
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", fakeapp.Generic, guardOf(allowed))
			d.Mapping(t, "sales", "crm", inGroups("Sales"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			ids := pushUsers(t, op, users)
			group := op.CreateGroup(t, "Sales", ids...)
			awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
			fake.ResetCalls()
			test.lose(t, d, op, group, ids)
			for _, id := range ids[test.let:] {
				awaitReason(t, d, id, "crm", v1alpha1.ReasonHeld)
			}
			harness.Eventually(t, "the ScimApp says what is held", func() error {
				if app := getApp(t, d, "crm"); int(app.Status.Held) != users-test.let {
					return fmt.Errorf("status is %+v", app.Status)
				}
				return nil
			})
			holdsFor(t, watched, func() error {
				if n := fake.Writes(); n != test.let {
					return fmt.Errorf("%d write calls, want %d: %v", n, test.let, fake.Counts())
				}
				return nil
			})
		})
	}
}

// TestApprovalIsForOneBatchAlone: the annotation stays on the ScimApp. The same users losing the same accounts another time is another batch,
// which nobody has approved.
func TestApprovalIsForOneBatchAlone(t *testing.T) {
	t.Parallel()
	h := newHeld(t)
	annotate(t, h.Directory, "crm", v1alpha1.AnnotationApproveBatch, h.batch.Digest)
	awaitAll(t, h.Directory, h.ids, "crm", v1alpha1.AccountInactive)
	h.awaitBatches(t, 0)

	h.Mapping(t, "sales", "crm", inGroups("Sales"))
	for i := range h.ids {
		awaitActive(t, h.fake, fmt.Sprintf("user-%d@corp.test", i), true)
	}
	awaitAll(t, h.Directory, h.ids, "crm", v1alpha1.AccountActive)
	h.fake.ResetCalls()
	h.Delete(t, mappingOf(h.Directory, "sales"))
	again := h.awaitBatches(t, 1)[0]
	if again.Digest == h.batch.Digest {
		t.Error("the later batch has the digest of the one that was approved")
	}
	for _, id := range h.ids {
		awaitReason(t, h.Directory, id, "crm", v1alpha1.ReasonHeld)
	}
	noWrites(t, h.fake, watched)
}
