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

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
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

// writeHeld writes what the guard holds into the entries, as the reconciler of the users does.
func (w *world) writeHeld(users ...*v1alpha1.ScimUser) {
	for _, user := range users {
		entry := &user.Status.Accounts[0]
		entry.Planned = v1alpha1.ActionDeactivate
		entry.HeldBatch, entry.Reason = w.app.HeldBatch(user.Name, v1alpha1.ActionDeactivate), ""
		if entry.HeldBatch != "" && !w.app.Passed(user.Name) {
			entry.Reason = v1alpha1.ReasonHeld
		}
		w.put(user)
	}
}

func (w *world) approve(batch string) {
	app := pt.App("crm")
	app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: batch}
	w.cache.Put(app)
}

func (w *world) passed(users ...*v1alpha1.ScimUser) int {
	n := 0
	for _, user := range users {
		if w.app.Passed(user.Name) {
			n++
		}
	}
	return n
}

func (w *world) batches(want int) []string {
	w.t.Helper()
	digests := w.app.HeldBatches()
	if len(digests) != want {
		w.t.Fatalf("the batches are %q, want %d", digests, want)
	}
	return digests
}

func TestGateLetsAFewThroughAndHoldsAMass(t *testing.T) {
	for leavers, want := range map[int]int{1: 1, 10: 10, 11: 0, 40: 0} {
		w := newWorld(t, nil)
		users := w.staff(40)
		w.assign(users[leavers:]...)
		w.count()
		if got := w.passed(users...); got != want {
			t.Errorf("of %d leavers %d pass, want %d", leavers, got, want)
		}
		if queued := w.app.queue.depth()[ClassRevocation]; queued != want {
			t.Errorf("of %d leavers %d are worked on", leavers, queued)
		}
	}
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
	w.app.gate.held = map[string]heldChange{}
	w.count()
	if w.passed(users...) != 1 {
		t.Error("an hour later it does not pass")
	}
}

func TestGateCountsUsersWhoAreGoneSince(t *testing.T) {
	w := newWorld(t, func(app *v1alpha1.ScimApp) { app.Spec.Deprovisioning = v1alpha1.DeprovisionDelete })
	users := w.staff(40)
	for i, user := range users[:11] {
		w.assign(users[i+1:]...)
		user.Status.Accounts[0].Planned = v1alpha1.ActionDelete
		w.put(user)
		w.count()
		got := w.work(user.Name)
		if i == 10 {
			if got != nil {
				t.Error("one by one, a mass of deletions passes the guard")
			}
			break
		}
		if got == nil || got.Event != "Deleted" {
			t.Fatalf("deletion %d: %+v", i, got)
		}
		w.view.Users.Forget(pt.Key(user.Name))
		w.cache.Remove(user)
	}
	if now := w.clock.Now(); w.app.recent.count([]string{"user-00", "elsewhere"}, now) != 11 {
		t.Errorf("%d are counted: users of whom both statuses and this process know count once", w.app.recent.count(nil, now))
	}
	w.app.recent.givenBack("user-00")
	if n := w.app.recent.count(nil, w.clock.Now()); n != 9 {
		t.Errorf("%d are counted after one was given back", n)
	}
	w.clock.Step(time.Hour)
	if n := w.app.recent.count(nil, w.clock.Now()); n != 0 {
		t.Errorf("%d are counted an hour later", n)
	}
}

func TestHeldBatchIsClosedAndLaterChangesFormTheNextOne(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(40)
	w.assign(users[20:]...)
	w.count()
	first := w.batches(1)[0]
	w.count()
	if again := w.batches(1)[0]; again != first {
		t.Errorf("the digest became %s, was %s", again, first)
	}
	changes := w.app.HeldChanges()
	want := desired.HeldChange{User: "user-19", Action: v1alpha1.ActionDeactivate, Batch: first}
	if len(changes) != 20 || changes["user-19"] != want {
		t.Errorf("before any status says so, %d changes are held, of the last one %+v", len(changes), changes["user-19"])
	}
	w.writeHeld(users[:20]...)
	w.assign(users[21:]...)
	w.count()
	digests := w.batches(2)
	w.writeHeld(users[20])
	if !slices.Contains(digests, first) || w.app.HeldBatch(users[20].Name, v1alpha1.ActionDeactivate) == first {
		t.Errorf("the batches are %q; the first one was %s", digests, first)
	}
	if w.app.HeldBatch(users[0].Name, v1alpha1.ActionUpdate) != "" {
		t.Error("a batch holds another action than the one it was made of")
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
	if changes := w.app.HeldChanges(); len(changes) != 1 || changes[users[20].Name].Action != v1alpha1.ActionDeactivate {
		t.Errorf("what is held still is %+v", changes)
	}
	if diff := cmp.Diff([]string{users[20].Status.Accounts[0].HeldBatch}, w.batches(1)); diff != "" {
		t.Error(diff)
	}
}

func TestApprovedChangesDoNotCount(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(40)
	w.assign(users[20:]...)
	w.count()
	w.writeHeld(users[:20]...)
	w.approve(w.batches(1)[0])
	w.count()
	w.writeHeld(users[:20]...)
	w.script.users = []connector.User{{ID: users[0].Status.Accounts[0].RemoteID, UserName: users[0].Spec.UserName, Active: true}}
	got := w.work(users[0].Name)
	if got == nil || got.Event != "Deactivated" || got.Entry.RevokedTime != nil || w.app.recent.count(nil, w.clock.Now()) != 0 {
		t.Errorf("the outcome is %+v, counted are %d", got, w.app.recent.count(nil, w.clock.Now()))
	}
}

func TestHeldBatchSurvivesARestartByTheEntries(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(40)
	w.assign(users[20:]...)
	w.count()
	w.writeHeld(users[:20]...)
	before := w.batches(1)
	w.app.gate = newGate(w.app)
	select {
	case <-w.app.gate.wake:
	default:
		t.Error("a new gate does not count by itself")
	}
	w.count()
	if diff := cmp.Diff(before, w.batches(1)); diff != "" || w.passed(users...) != 0 {
		t.Errorf("%d pass after a restart\n%s", w.passed(users...), diff)
	}
}

func TestChangesThatAreNoLongerWantedLeaveTheirBatch(t *testing.T) {
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
	if batch := w.app.HeldBatch(last.Name, v1alpha1.ActionDeactivate); batch != overflowBatch {
		t.Fatalf("the batch is %q", batch)
	}
	w.approve(overflowBatch)
	w.count()
	if w.passed(last) != 0 {
		t.Error("what nobody could look at was approved")
	}
	// One of the batches is made.
	for len(w.app.gate.wake) > 0 {
		<-w.app.gate.wake
	}
	w.app.gate.made(users[20].Name)
	if len(w.app.gate.wake) == 0 {
		t.Error("nobody gives the waiting ones the room that there is now")
	}
}

func TestGateLetsNothingThroughWhenItCannotCount(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(40)
	w.assign(users[1:]...)
	app := pt.App("crm")
	app.Spec.Profile, app.Generation = "no such vendor", 2
	w.cache.Put(app)
	if err := w.app.gate.count(t.Context()); err == nil || w.passed(users...) != 0 {
		t.Errorf("%d pass, error %v", w.passed(users...), err)
	}
}

// TestGateUnderManyWorkers: whatever the order of counts and looks, more than the threshold never passes.
func TestGateUnderManyWorkers(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(60)
	for i := range users {
		w.script.users = append(w.script.users, connector.User{ID: fmt.Sprint(i), UserName: users[i].Spec.UserName, Active: true})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				key, ok := w.app.queue.next(ctx)
				if !ok {
					return
				}
				w.app.handle(ctx, key)
				w.app.queue.done(key)
			}
		})
	}
	for i := range users {
		w.assign(users[i+1:]...)
		users[i].Status.Accounts[0].Planned = v1alpha1.ActionDeactivate
		w.put(users[i])
		w.app.Enqueue(account(users[i].Name), ClassRevocation, "", 0)
		w.count()
	}
	cancel()
	group.Wait()
	off := 0
	w.script.mu.Lock()
	defer w.script.mu.Unlock()
	for _, user := range w.script.users {
		if !user.Active {
			off++
		}
	}
	if off > 12 {
		t.Errorf("%d accounts were switched off; 12 of 60 are allowed", off)
	}
}
