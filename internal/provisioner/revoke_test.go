// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

func TestRevocationOfAnAccountThatASuccessorHasIsDropped(t *testing.T) {
	w := newWorld(t, nil)
	leaver := w.member("kim")
	w.put(pt.User("successor", v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: "r-kim"}))
	w.give("successor@corp.test")
	leaver.DeletionTimestamp = &metav1.Time{Time: w.clock.Now()}
	w.announce(leaver, v1alpha1.ActionDeactivate)
	w.count()
	got := w.work("kim")
	w.wantCalls()
	if got == nil || !got.Drop || got.Event != "" || !w.script.Users[0].Active {
		t.Errorf("the outcome is %+v", got)
	}
}

func TestRevocationDoesNotWaitForTheRetryOfAnotherChange(t *testing.T) {
	w := newWorld(t, nil)
	w.member("lee")
	user := w.member("kim")
	entry := &user.Status.Accounts[0]
	entry.Planned, entry.Attempts, entry.Reason = v1alpha1.ActionUpdate, 3, v1alpha1.ReasonRejected
	entry.NextRetryTime = &metav1.Time{Time: w.clock.Now().Add(time.Hour)}
	w.put(user)
	user.Spec.Active = new(bool)
	user.Generation++
	w.cache.Put(user)
	w.count()
	got := w.work("kim")
	w.wantCalls(switchOff)
	if got == nil || got.Event != "Deactivated" || got.Entry.RevokedTime == nil || got.Entry.Attempts != 0 {
		t.Errorf("the outcome is %+v", got)
	}
}

// revocable is a user whose deactivation is announced and passed by the guard.
func revocable(t *testing.T) (*world, *v1alpha1.ScimUser) {
	w := newWorld(t, nil)
	w.member("lee")
	user := w.member("kim")
	w.give("lee@corp.test")
	w.announce(user, v1alpha1.ActionDeactivate)
	w.count()
	return w, user
}

func TestDeactivationThatTheAppDoesNotShow(t *testing.T) {
	shows := func(active, shown bool) func(string, *connector.User) {
		return func(_ string, user *connector.User) { user.Active, user.ActiveShown = active, shown }
	}
	for name, tc := range map[string]struct {
		answer func(string, *connector.User)
		read   error
		// on: the app has not done it.
		on     bool
		reason string
		calls  []string
	}{
		"the answer shows it":                         {answer: shows(false, true), calls: []string{switchOff}},
		"the answer shows the account as active":      {answer: shows(true, true), on: true, reason: v1alpha1.ReasonNotApplied, calls: []string{switchOff}},
		"a read after an answer without active shows": {answer: shows(true, false), calls: []string{switchOff, connector.OpGetUser}},
		"a read shows the account as active": {
			answer: shows(true, false), on: true, reason: v1alpha1.ReasonNotApplied, calls: []string{switchOff, connector.OpGetUser},
		},
		"the app hides inactive accounts": {
			answer: shows(true, false), read: failure(connector.OpGetUser, connector.NotFound, 404), calls: []string{switchOff, connector.OpGetUser},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, user := revocable(t)
			w.script.Answer = func(op string, answer *connector.User) {
				w.script.User("r-kim").Active = tc.on
				tc.answer(op, answer)
			}
			w.script.Always[connector.OpGetUser] = tc.read
			got := w.work("kim")
			w.wantCalls(tc.calls...)
			if got == nil || got.Entry.Reason != tc.reason {
				t.Fatalf("the outcome is %+v", got)
			}
			if want := tc.reason == ""; (got.Entry.State == v1alpha1.AccountInactive) != want || (got.Entry.RevokedTime != nil) != want || (got.Entry.NextRetryTime == nil) != want {
				t.Errorf("the entry is %+v", got.Entry)
			}
			if tc.reason != "" && got.Entry.Operation == nil {
				t.Error("that the account may be off is not recorded")
			}
			w.write(user, got)
		})
	}
}

func TestDeactivationThatIsNotAppliedIsRetried(t *testing.T) {
	w, user := revocable(t)
	w.script.Answer = func(_ string, answer *connector.User) {
		answer.Active = true
		w.script.User("r-kim").Active = true
	}
	w.write(user, w.work("kim"))
	w.clock.Step(time.Minute)
	w.script.Answer = nil
	w.script.TakeCalls()
	got := w.work("kim")
	w.wantCalls(switchOff)
	if got == nil || got.Event != "Deactivated" || got.Entry.Operation != nil || w.script.User("r-kim").Active {
		t.Errorf("the outcome is %+v", got)
	}
}

// A deactivation loses its answer and the mapping returns: the operation is settled by an observation after the settle time, then the account is reactivated.
func TestLostDeactivationIsObservedAndTakenBack(t *testing.T) {
	for name, effect := range map[string]bool{"it took effect": true, "it did not take effect": false} {
		t.Run(name, func(t *testing.T) {
			w, user := revocable(t)
			w.script.NoEffect = !effect
			w.script.Errs[connector.OpSetActive] = []error{failure(connector.OpSetActive, connector.Timeout, 0)}
			if got := w.work("kim"); got != nil {
				t.Fatalf("the outcome is %+v", got)
			}
			w.give("kim@corp.test", "lee@corp.test")
			w.work("kim")
			w.wantCalls(switchOff)
			w.clock.Step(settleTime)
			got := w.work("kim")
			w.wantCalls(connector.OpGetUser)
			want := v1alpha1.AccountActive
			if effect {
				want = v1alpha1.AccountInactive
			}
			if got == nil || got.Entry.State != want || got.Entry.Operation != nil {
				t.Fatalf("the outcome is %+v", got)
			}
			w.write(user, got)
			if !effect {
				return
			}
			w.announce(user, v1alpha1.ActionReactivate)
			if got := w.work("kim"); got == nil || got.Event != "Reactivated" || !w.script.User("r-kim").Active {
				t.Errorf("the outcome is %+v", got)
			}
		})
	}
}

// Decided otherwise than before: the time of the revocation stays, so that a user who lost access within the hour counts although the account is on again.
func TestReactivatedUserStillCountsAsRevoked(t *testing.T) {
	w, user := revocable(t)
	w.write(user, w.work("kim"))
	revoked := user.Status.Accounts[0].RevokedTime
	w.give("kim@corp.test", "lee@corp.test")
	w.announce(user, v1alpha1.ActionReactivate)
	got := w.work("kim")
	if got == nil || got.Event != "Reactivated" || got.Entry.RevokedTime == nil || !got.Entry.RevokedTime.Equal(revoked) {
		t.Errorf("the outcome is %+v", got)
	}
}

// An approval is for this deactivation: the next one counts again.
func TestApprovedRevocationHasNoRevokedTime(t *testing.T) {
	w := newWorld(t, nil)
	user := w.member("kim")
	w.give() // all accounts of a small app at once would be held, were there two
	w.member("lee")
	w.give()
	w.count()
	batch := w.batches(1)[0]
	w.approve(batch)
	w.count()
	w.announce(user, v1alpha1.ActionDeactivate)
	got := w.work("kim")
	if got == nil || got.Event != "Deactivated" || got.Entry.RevokedTime != nil || len(w.worker.ledger.RevokedUsers()) != 0 {
		t.Errorf("the outcome is %+v", got)
	}
}

// The approval of a deactivation covers the removal from groups that follows from it, until the account is active again.
func TestApprovalOfADeactivationEndsWithItsReactivation(t *testing.T) {
	w := newWorld(t, nil)
	user := w.member("kim")
	w.member("lee")
	w.give()
	w.count()
	w.approve(w.batches(1)[0])
	w.count()
	w.announce(user, v1alpha1.ActionDeactivate)
	w.write(user, w.work("kim"))
	id := ledger.GuardID(user.Status.Accounts[0].RemoteID, user.UID)
	if !w.worker.ledger.EndWasApproved(id) {
		t.Fatal("the deactivation was not approved")
	}
	w.give("kim@corp.test", "lee@corp.test")
	w.announce(user, v1alpha1.ActionReactivate)
	if got := w.work("kim"); got == nil || got.Event != "Reactivated" {
		t.Fatalf("the outcome is %+v", got)
	}
	if w.worker.ledger.EndWasApproved(id) {
		t.Error("a removal from a group would not count, although the account is active again")
	}
}
