// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// staff is users with an active account each.
func (w *world) staff(n int) []*v1alpha1.ScimUser {
	w.t.Helper()
	users := make([]*v1alpha1.ScimUser, n)
	for i := range users {
		users[i] = pt.User(fmt.Sprintf("user-%02d", i), v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: fmt.Sprint(i)})
	}
	w.put(users...)
	w.assign(users...)
	return users
}

// assign gives the app to these users and to nobody else.
func (w *world) assign(users ...*v1alpha1.ScimUser) {
	names := make([]string, len(users))
	for i, user := range users {
		names[i] = user.Spec.UserName
	}
	w.give(names...)
}

// verdict of the guard on a user's deactivation.
func (w *world) verdict(user *v1alpha1.ScimUser) ledger.Verdict {
	return w.worker.ledger.Verdict(idOf(user), string(v1alpha1.ActionDeactivate))
}

// writeHeld writes what the guard holds into the entries, as the reconciler of the users does.
func (w *world) writeHeld(users ...*v1alpha1.ScimUser) {
	for _, user := range users {
		entry, verdict := &user.Status.Accounts[0], w.verdict(user)
		entry.Planned, entry.HeldBatch, entry.Reason = v1alpha1.ActionDeactivate, verdict.Batch, ""
		if entry.HeldBatch != "" && !verdict.Allowed {
			entry.Reason = v1alpha1.ReasonHeld
		}
		w.put(user)
	}
}

func (w *world) approve(batch string) {
	w.change(func(app *v1alpha1.ScimApp) {
		app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: batch}
	})
}

func (w *world) passed(users ...*v1alpha1.ScimUser) int {
	n := 0
	for _, user := range users {
		if w.verdict(user).Allowed {
			n++
		}
	}
	return n
}

func (w *world) batches(want int) []string {
	w.t.Helper()
	digests := w.worker.HeldBatches()
	if len(digests) != want {
		w.t.Fatalf("the batches are %q, want %d", digests, want)
	}
	return digests
}

func TestGateReleasesAFewAndHoldsAMass(t *testing.T) {
	for leavers, want := range map[int]int{1: 1, 10: 10, 11: 0, 40: 0} {
		w := newWorld(t, nil)
		users := w.staff(40)
		w.assign(users[leavers:]...)
		w.count()
		if got := w.passed(users...); got != want {
			t.Errorf("of %d leavers %d pass, want %d", leavers, got, want)
		}
		if queued := w.worker.queue.depth()[ClassRevocation]; queued != want {
			t.Errorf("of %d leavers %d are worked on", leavers, queued)
		}
	}
}

// Revocation is derived from the effect: users who lose a role while nobody leads are one held batch, whatever the action that takes it. What an earlier process may have
// written is observed all the same.
func TestGateHoldsUsersWhoLoseARoleWhileNobodyLeads(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(40)
	for i, user := range users {
		w.script.Users = append(w.script.Users, connector.User{ID: fmt.Sprint(i), UserName: user.Spec.UserName, Active: true, Attributes: map[string]any{
			"userName": user.Spec.UserName, "roles": []any{map[string]any{"value": "admin"}},
		}})
		user.Status.Accounts[0].Roles, user.Status.Accounts[0].Applied = []string{"admin"}, "v2 roles=formerly"
		user.Generation++ // the role comes from the user's spec
		w.cache.Put(user)
	}
	w.lead()
	w.count()
	w.clock.Step(settleTime)
	batch := w.batches(1)[0]
	if held := w.worker.HeldChanges(); len(held) != 40 || held[idOf(users[0])].Effect != "Update" {
		t.Fatalf("%d changes are held: %+v", len(held), held[idOf(users[0])])
	}
	for _, user := range users {
		user.Status.Accounts[0].Planned, user.Status.Accounts[0].HeldBatch = v1alpha1.ActionObserve, batch
		w.cache.Put(user)
		observed := w.work(user.Name)
		w.wantCalls(connector.OpGetUser)
		w.write(user, observed)
		w.announce(user, v1alpha1.ActionUpdate, w.stepOf(user).Set...)
	}
	w.count()
	for _, user := range users {
		w.work(user.Name)
	}
	w.wantCalls()
	if again := w.batches(1)[0]; again != batch {
		t.Errorf("the batch is %s after the observations, was %s", again, batch)
	}
}

// Reactivations lost their answers, and the users are to have another role now: they may be active with the former one.
func TestGateHoldsReactivationsThatTakeARole(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(20)
	for _, user := range users {
		entry := &user.Status.Accounts[0]
		entry.State, entry.Applied = v1alpha1.AccountInactive, "v2 roles=formerly"
		entry.Operation = &v1alpha1.AccountOperation{Types: []v1alpha1.AccountAction{v1alpha1.ActionReactivate}, Attributes: []string{"roles"}, Roles: []string{"admin"}}
		w.put(user)
	}
	w.lead()
	w.count()
	if held := w.worker.HeldChanges(); len(held) != 20 {
		t.Errorf("%d changes are held", len(held))
	}
	for _, user := range users {
		w.work(user.Name)
	}
	w.wantCalls()
}

func TestGateCountsWhatWasDoneInTheLastHour(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(40)
	for _, user := range users[:10] {
		user.Status.Accounts[0].State = v1alpha1.AccountInactive
		user.Status.Accounts[0].RevokedTime = &metav1.Time{Time: w.clock.Now()}
	}
	w.put(users[:10]...)
	w.assign(users[11:]...)
	w.count()
	if w.passed(users...) != 0 {
		t.Error("the eleventh within the hour passes")
	}
	w.clock.Step(time.Hour)
	w.lead()
	w.count()
	if w.passed(users...) != 1 {
		t.Error("an hour later it does not pass")
	}
}

func TestGateCountsUsersWhoWereDeletedSince(t *testing.T) {
	w := newWorld(t, func(app *v1alpha1.ScimApp) { app.Spec.Deprovisioning = v1alpha1.DeprovisionDelete })
	users := w.staff(40)
	for i, user := range users {
		w.script.Users = append(w.script.Users, connector.User{ID: fmt.Sprint(i), UserName: user.Spec.UserName, Active: true})
	}
	for i, user := range users[:11] {
		w.assign(users[i+1:]...)
		w.announce(user, v1alpha1.ActionDelete)
		w.count()
		got := w.work(user.Name)
		if i == 10 {
			if got != nil {
				t.Error("one by one, a mass of deletions passes the guard")
			}
			break
		}
		if got == nil || got.Event != "Deleted" || !got.Revoked {
			t.Fatalf("deletion %d: %+v", i, got)
		}
		w.worker.ledger.Forget(idOf(user))
		w.cache.Remove(user)
	}
	if n := len(w.worker.ledger.RevokedUsers()); n != 10 {
		t.Errorf("%d are counted", n)
	}
	w.clock.Step(time.Hour)
	if n := len(w.worker.ledger.RevokedUsers()); n != 0 {
		t.Errorf("%d are counted an hour later", n)
	}
}

// The users were deleted and another process leads since: what counts is in the status of the app.
func TestGateCountsRevocationsOfAnEarlierProcessWhoseUsersAreDeleted(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(40)
	for i := range 10 {
		id := ledger.GuardID(fmt.Sprintf("deleted-%d", i), "")
		if w.registry.AskRecord(pt.Key("crm"), id, ledger.Revoked{At: w.clock.Now(), Leaver: true}, ledger.Waiting{Kind: ledger.Account, Name: "deleted"}) {
			t.Fatal("it counts as recorded before it is")
		}
	}
	w.change(func(app *v1alpha1.ScimApp) {
		records, added := ledger.RecordRevoked(nil, w.worker.ledger.RevokedUsers(), w.clock.Now())
		if len(added) != 10 {
			t.Fatalf("recorded are %q", added)
		}
		app.Status.Guard = &v1alpha1.GuardStatus{Minimum: 10, Percent: 20, LeaversPerHour: 10, Revoked: records}
		w.registry.Recorded(pt.Key("crm"), added)
	})
	if w.told["user deleted"] != 10 {
		t.Errorf("the users that waited for the record were told %d times", w.told["user deleted"])
	}
	w.lead()
	w.assign(users[1:]...)
	w.count()
	if w.passed(users...) != 0 {
		t.Error("the eleventh within the hour passes after a failover")
	}
	w.clock.Step(time.Hour + 2*time.Minute)
	w.lead()
	w.count()
	if w.passed(users...) != 1 {
		t.Error("an hour later it does not pass")
	}
}

func TestHeldBatchIsClosedAndLaterChangesFormTheNextOne(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(40)
	w.assign(users[20:]...)
	w.count()
	first := w.batches(1)[0]
	held := w.clock.Now()
	w.clock.Step(time.Minute)
	w.count()
	if again := w.batches(1)[0]; again != first {
		t.Errorf("the digest became %s, was %s", again, first)
	}
	changes := w.worker.HeldChanges()
	want := desired.HeldChange{Name: "user-19", Effect: "Deactivate", Batch: first, Held: held, Users: 1}
	if diff := cmp.Diff(want, changes[idOf(users[19])]); diff != "" || len(changes) != 20 {
		t.Errorf("before any status says so, %d changes are held, of the last one\n%s", len(changes), diff)
	}
	w.writeHeld(users[:20]...)
	w.clock.Step(time.Minute)
	w.assign(users[21:]...)
	w.count()
	digests := w.batches(2)
	w.writeHeld(users[20])
	if !slices.Contains(digests, first) || w.verdict(users[20]).Batch == first {
		t.Errorf("the batches are %q; the first one was %s", digests, first)
	}
	if w.worker.ledger.Verdict(idOf(users[0]), string(v1alpha1.ActionUpdate)) != (ledger.Verdict{}) {
		t.Error("a batch holds another effect than the one it was made of")
	}

	w.approve(first)
	w.count()
	if n := w.passed(users[:20]...); n != 20 || w.passed(users[20]) != 0 {
		t.Errorf("%d of the approved batch pass, and %d of the next one", n, w.passed(users[20]))
	}
	// Another count, before all is done, does not hold them anew; nor does a reconcile forget the batch.
	w.writeHeld(users[:20]...)
	w.count()
	if n := w.passed(users[:20]...); n != 20 {
		t.Errorf("%d of the approved batch pass still", n)
	}
	if changes := w.worker.HeldChanges(); len(changes) != 1 || changes[idOf(users[20])].Effect != "Deactivate" {
		t.Errorf("what is held still is %+v", changes)
	}
	if diff := cmp.Diff([]string{users[20].Status.Accounts[0].HeldBatch}, w.batches(1)); diff != "" {
		t.Error(diff)
	}
}

func TestHeldUserWhomTheProviderMakesInactiveLeavesTheBatch(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(40)
	w.assign(users[20:]...)
	w.count()
	w.writeHeld(users[:20]...)
	w.worker.CountGuard(t.Context())
	users[0].Spec.Active = new(bool)
	users[0].Generation++
	w.cache.Put(users[0])
	asks := func(user *v1alpha1.ScimUser, byProvider bool) bool {
		w.worker.gate.pass(idOf(user), string(v1alpha1.ActionDeactivate), byProvider)
		_, due := w.worker.GuardDue()
		return due
	}
	if asks(users[1], false) || !asks(users[0], true) {
		t.Error("the guard is to count again for the user who left, and for nobody else")
	}
	w.count()
	if w.passed(users[0]) != 1 || w.passed(users[1:]...) != 0 {
		t.Errorf("the verdicts are %+v and %+v", w.verdict(users[0]), w.verdict(users[1]))
	}
}

func TestHeldBatchSurvivesARestartByTheEntries(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(40)
	w.assign(users[20:]...)
	w.count()
	w.writeHeld(users[:20]...)
	before := w.batches(1)
	w.clock.Step(10 * time.Minute)
	w.assign(append(slices.Clone(users[20:]), users[0])...) // the batch shrinks
	w.lead()
	if _, due := w.worker.GuardDue(); !due {
		t.Error("a new gate does not count by itself")
	}
	w.count()
	if diff := cmp.Diff(before, w.batches(1)); diff != "" || w.passed(users...) != 0 {
		t.Errorf("%d pass after a restart\n%s", w.passed(users...), diff)
	}
}

func TestChangesThatAreNoLongerDesiredLeaveTheirBatch(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(40)
	w.assign(users[20:]...)
	w.count()
	w.writeHeld(users[:20]...)
	w.assign(users...)
	w.count()
	w.batches(0)
}

func TestWhatFindsNoRoomWaitsWithoutABatch(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(60)
	w.assign(users[20:]...)
	w.count()
	w.writeHeld(users[:20]...)
	for i := range maxBatches {
		w.assign(users[21+i:]...)
		w.count()
		w.writeHeld(users[20+i])
	}
	last := users[20+maxBatches-1]
	if batch := w.verdict(last).Batch; batch != overflowBatch {
		t.Fatalf("the batch is %q", batch)
	}
	w.approve(overflowBatch)
	w.count()
	if w.passed(last) != 0 {
		t.Error("what nobody could look at was approved")
	}
	w.worker.CountGuard(t.Context())
	// One of the batches is made.
	w.worker.gate.made(idOf(users[20]))
	if _, due := w.worker.GuardDue(); !due {
		t.Error("nobody gives the waiting ones the room that there is now")
	}
}

func TestGateReleasesNothingWhenItCannotCount(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(40)
	w.assign(users[1:]...)
	w.change(func(app *v1alpha1.ScimApp) { app.Spec.Profile, app.Generation = "no such vendor", 2 })
	if err := w.worker.gate.count(t.Context()); err == nil || w.passed(users...) != 0 {
		t.Errorf("%d pass, error %v", w.passed(users...), err)
	}
}

// TestGateUnderManyWorkers: whatever the order of counts and looks, more than the threshold never passes.
func TestGateUnderManyWorkers(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(60)
	for i := range users {
		w.script.Users = append(w.script.Users, connector.User{ID: fmt.Sprint(i), UserName: users[i].Spec.UserName, Active: true})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				key, ok := w.worker.queue.next(ctx)
				if !ok {
					return
				}
				w.worker.Handle(w.t.Context(), key)
			}
		})
	}
	for i := range users {
		w.assign(users[i+1:]...)
		w.announce(users[i], v1alpha1.ActionDeactivate)
		w.worker.Enqueue(account(users[i].Name), ClassRevocation, "", 0)
		w.count()
	}
	cancel()
	group.Wait()
	off := 0
	for _, user := range w.script.Users {
		if !user.Active {
			off++
		}
	}
	if off > 12 {
		t.Errorf("%d accounts were switched off; 12 of 60 are allowed", off)
	}
}

// A mass of revocations costs each of them the same: what is asked for each goes through none of the others.
func TestGateCostsNoMorePerRevocationWhenManyAreHeld(t *testing.T) {
	allocations := func(held int) map[string]float64 {
		w := newWorld(t, nil)
		verdicts := map[ledger.ID]ledger.Verdict{}
		id := func(i int) ledger.ID { return ledger.ID{Kind: KindAccount, UID: types.UID(fmt.Sprint(i))} }
		for i := range held {
			verdicts[id(i)] = ledger.Verdict{Effect: "Deactivate", Batch: "b", Allowed: true, Approved: i > 1}
		}
		w.worker.ledger.ReplaceVerdicts(verdicts)
		next := 2
		gate := w.worker.gate
		return map[string]float64{
			"approved": testing.AllocsPerRun(20, func() { gate.approved(id(1)) }),
			"pass":     testing.AllocsPerRun(20, func() { gate.pass(id(0), "Update", false) }),
			"made":     testing.AllocsPerRun(20, func() { gate.made(id(next)); next++ }),
		}
	}
	few, many := allocations(50), allocations(50_000)
	for what, n := range many {
		// The runtime itself may allocate now and then.
		if n > few[what]+5 {
			t.Errorf("%s allocates %v times when 50,000 are held, and %v times when 50 are", what, n, few[what])
		}
	}
}
