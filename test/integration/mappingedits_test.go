// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// edit changes the subjects of a mapping, as kubectl apply does.
func edit(t *testing.T, d *harness.Directory, mapping string, subjects v1alpha1.Subjects) {
	t.Helper()
	harness.Change(t, d, mapping, &v1alpha1.ScimRoleMapping{}, func(m *v1alpha1.ScimRoleMapping) { m.Spec.Subjects = subjects })
}

// setActive is what the identity provider pushes for a leaver, and for one who comes back.
func setActive(t *testing.T, op *harness.Operator, id string, active bool) {
	t.Helper()
	op.Want(t, 200, "PATCH", "/Users/"+id, harness.PatchBody(harness.SetActive(active)))
}

// TestEditThatDoesNotCompileLeavesTheLastAcceptedSpecInForce: an unclosed quote in the expression of a mapping deactivated everybody whom it selected.
func TestEditThatDoesNotCompileLeavesTheLastAcceptedSpecInForce(t *testing.T) {
	t.Parallel()
	const good, broken = `user.userName.endsWith("@corp.test")`, `user.userName.endsWith("@corp.test)`
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "everybody", "crm", selectedBy(good))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 5)
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	awaitCondition(t, d, &v1alpha1.ScimRoleMapping{}, "everybody", v1alpha1.ConditionReady, "True", v1alpha1.ReasonSucceeded)
	fake.ResetCalls()

	edit(t, d, "everybody", selectedBy(broken))
	message := awaitCondition(t, d, &v1alpha1.ScimRoleMapping{}, "everybody", v1alpha1.ConditionReady, "False", v1alpha1.ReasonInvalidExpression)
	for _, want := range []string{"spec.subjects.expression: 1:", "The last accepted spec, of generation 1, stays in force"} {
		if !strings.Contains(message, want) {
			t.Errorf("the message does not say %q: %s", want, message)
		}
	}
	noWrites(t, fake, watched)

	// It is in force on current data: for a joiner and a leaver, and after a restart.
	d.AwaitAccount(t, op.CreateUser(t, "joiner@corp.test"), "crm", v1alpha1.AccountActive)
	setActive(t, op, ids[0], false)
	d.AwaitAccount(t, ids[0], "crm", v1alpha1.AccountInactive)
	op.Stop()
	fake.ResetCalls()
	op = d.Run(t)
	d.AwaitAccount(t, op.CreateUser(t, "late@corp.test"), "crm", v1alpha1.AccountActive)
	setActive(t, op, ids[0], true)
	d.AwaitAccount(t, ids[0], "crm", v1alpha1.AccountActive)
	if n := fake.Writes(); n != 2 {
		t.Errorf("%d writes for a joiner and a user who came back: %v", n, fake.Counts())
	}

	// A later edit that compiles takes effect.
	edit(t, d, "everybody", selectedBy(good+` && user.userName != "user-1@corp.test"`))
	d.AwaitAccount(t, ids[1], "crm", v1alpha1.AccountInactive)
	// So does a deletion, whatever the spec is like.
	edit(t, d, "everybody", selectedBy(broken))
	awaitCondition(t, d, &v1alpha1.ScimRoleMapping{}, "everybody", v1alpha1.ConditionReady, "False", v1alpha1.ReasonInvalidExpression)
	d.Delete(t, mappingOf(d, "everybody"))
	approveHeld(t, d, "crm") // these are all accounts of a small app
	awaitAll(t, d, ids, "crm", v1alpha1.AccountInactive)
}

// TestEditWithANameThatDoesNotExistHoldsItsRevocations: a typo in the group name of an edited mapping deactivated one person, which no threshold noticed.
func TestEditWithANameThatDoesNotExistHoldsItsRevocations(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "staff", "crm", v1alpha1.Subjects{Groups: []string{"Sales", "Support"}, Users: []string{"user-5@corp.test"}})
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 6)
	op.CreateGroup(t, "Sales", ids[0], ids[1], ids[2])
	support := op.CreateGroup(t, "Support", ids[3], ids[4])
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	awaitCondition(t, d, &v1alpha1.ScimRoleMapping{}, "staff", v1alpha1.ConditionSubjectsResolved, "True", v1alpha1.ReasonSucceeded)
	fake.ResetCalls()

	edit(t, d, "staff", v1alpha1.Subjects{Groups: []string{"Slaes", "Support"}, Users: []string{"user-5@corp.tset"}})
	awaitCondition(t, d, &v1alpha1.ScimRoleMapping{}, "staff", v1alpha1.ConditionSubjectsResolved, "False", v1alpha1.ReasonSubjectNotFound)
	typo := []string{ids[0], ids[1], ids[2], ids[5]}
	for _, id := range typo {
		awaitReason(t, d, id, "crm", v1alpha1.ReasonHeld)
	}
	batch := awaitBatch(t, d, "crm", 4)
	if !strings.Contains(batch.Message, "ScimRoleMapping staff names a subject that does not exist") {
		t.Errorf("the batch says %q", batch.Message)
	}

	// Who leaves, and who is taken out of a group, loses the app as ever.
	setActive(t, op, ids[0], false)
	d.AwaitAccount(t, ids[0], "crm", v1alpha1.AccountInactive)
	op.Want(t, 204, "PATCH", "/Groups/"+support, harness.PatchBody(harness.RemoveMember(ids[3])))
	d.AwaitAccount(t, ids[3], "crm", v1alpha1.AccountInactive)
	op.Stop()
	d.Run(t)
	noWritesBut(t, fake, 2)
	if after := awaitBatch(t, d, "crm", 3); after.Digest != batch.Digest {
		t.Errorf("the batch is %s after a restart, was %s", after.Digest, batch.Digest)
	}

	// The names are corrected: nobody has lost anything.
	edit(t, d, "staff", v1alpha1.Subjects{Groups: []string{"Sales", "Support"}, Users: []string{"user-5@corp.test"}})
	awaitCondition(t, d, &v1alpha1.ScimRoleMapping{}, "staff", v1alpha1.ConditionSubjectsResolved, "True", v1alpha1.ReasonSucceeded)
	awaitNoBatch(t, d, "crm")
	noWritesBut(t, fake, 2)

	// The same edit is meant: a person approves it.
	edit(t, d, "staff", v1alpha1.Subjects{Groups: []string{"Slaes", "Support"}, Users: []string{"user-5@corp.test"}})
	awaitBatch(t, d, "crm", 2)
	approveHeld(t, d, "crm")
	awaitAll(t, d, ids[1:3], "crm", v1alpha1.AccountInactive)
	awaitNoBatch(t, d, "crm")
	for i, active := range []bool{false, false, false, false, true, true} {
		if user, _ := fake.User(fmt.Sprintf("user-%d@corp.test", i)); user.Active != active {
			t.Errorf("user-%d is active: %t, want %t", i, user.Active, active)
		}
	}
}

// noWritesBut watches that an app gets no more write calls than these.
func noWritesBut(t *testing.T, fake *fakeapp.App, n int) {
	t.Helper()
	holdsFor(t, watched, func() error {
		if got := fake.Writes(); got != n {
			return fmt.Errorf("%d write calls, want %d: %v", got, n, fake.Counts())
		}
		return nil
	})
}

// awaitBatch waits until an app holds one batch, with so many changes left.
func awaitBatch(t *testing.T, d *harness.Directory, app string, remaining int32) v1alpha1.HeldBatch {
	t.Helper()
	var batch v1alpha1.HeldBatch
	harness.Eventually(t, fmt.Sprintf("a batch of %d is held", remaining), func() error {
		batches := getApp(t, d, app).Status.Batches
		if len(batches) != 1 || batches[0].Remaining != remaining {
			return fmt.Errorf("the batches are %+v", batches)
		}
		batch = batches[0]
		return nil
	})
	return batch
}

func awaitNoBatch(t *testing.T, d *harness.Directory, app string) {
	t.Helper()
	harness.Eventually(t, "no batch is held", func() error {
		if batches := getApp(t, d, app).Status.Batches; len(batches) > 0 {
			return fmt.Errorf("the batches are %+v", batches)
		}
		return nil
	})
}

// TestLeaversPassBesideTheHeldBatchOfADeletedMapping: a deleted mapping had 15 revocations held. Two people whom the provider then deactivated were held too, and stayed so after
// the mapping was back; a third one went through at once.
func TestLeaversPassBesideTheHeldBatchOfADeletedMapping(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "sales", "crm", inGroups("Sales"))
	d.Mapping(t, "support", "crm", inGroups("Support"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 18)
	held, others := ids[:15], ids[15:]
	op.CreateGroup(t, "Sales", held...)
	op.CreateGroup(t, "Support", others...)
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	fake.ResetCalls()

	d.Delete(t, mappingOf(d, "sales"))
	digest := awaitBatch(t, d, "crm", 15).Digest
	for _, id := range others[:2] {
		setActive(t, op, id, false)
	}
	awaitAll(t, d, others[:2], "crm", v1alpha1.AccountInactive)

	// Two of those who are held leave as well: another cause, and no longer in the batch. One of them is deleted.
	setActive(t, op, held[0], false)
	d.AwaitAccount(t, held[0], "crm", v1alpha1.AccountInactive)
	op.Want(t, 204, "DELETE", "/Users/"+held[1], "")
	awaitGone(t, d, held[1])
	batch := awaitBatch(t, d, "crm", 13)
	if batch.Digest != digest || batch.Changes != 15 {
		t.Errorf("the batch is %+v, want %s of 15", batch, digest)
	}
	for _, id := range held[2:] {
		if entry := awaitReason(t, d, id, "crm", v1alpha1.ReasonHeld); entry.State != v1alpha1.AccountActive {
			t.Errorf("the entry is %+v", entry)
		}
	}

	// The mapping is back: nothing is left to be held, and the next leaver goes at once.
	d.Mapping(t, "sales", "crm", inGroups("Sales"))
	awaitNoBatch(t, d, "crm")
	setActive(t, op, others[2], false)
	d.AwaitAccount(t, others[2], "crm", v1alpha1.AccountInactive)
	var left []string
	for _, user := range fake.Users() {
		if !user.Active {
			left = append(left, user.UserName)
		}
	}
	slices.Sort(left)
	want := []string{"user-0@corp.test", "user-15@corp.test", "user-16@corp.test", "user-17@corp.test", "user-1@corp.test"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("inactive accounts (-want +got):\n%s", diff)
	}
	if n := fake.Writes(); n != 5 {
		t.Errorf("%d writes for five leavers: %v", n, fake.Counts())
	}
}
