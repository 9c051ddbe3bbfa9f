// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"slices"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/connectortest"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// promoted is a member whose title changed, so that the account is to be updated.
func (w *world) promoted(name string) *v1alpha1.ScimUser {
	w.t.Helper()
	user := w.member(name)
	user.Spec.Title = "Manager"
	user.Generation++
	w.cache.Put(user)
	return user
}

// deleteIn removes an account as an admin of the app does.
func (w *world) deleteIn(id string) {
	w.script.Users = slices.DeleteFunc(w.script.Users, func(u connector.User) bool { return u.ID == id })
}

// A promise that changed: one 404 is not believed. The account is looked up once the settle time is over, and made anew when the app still says so in the form of its protocol.
func TestVanishedAccountIsMadeAnewOnceItsAbsenceIsShown(t *testing.T) {
	w := newWorld(t, nil)
	w.member("lee")
	user := w.promoted("kim")
	w.deleteIn("r-kim")
	got := w.work("kim")
	w.wantCalls(connector.OpUpdateUser, connector.OpTest)
	if got == nil || got.Entry.Reason != v1alpha1.ReasonAbsenceUnproven || got.Entry.RemoteID != "r-kim" {
		t.Fatalf("the outcome is %+v", got)
	}
	w.write(user, got)
	w.announce(user, v1alpha1.ActionUpdate, "title")
	w.clock.Step(settleTime + time.Minute)
	got = w.work("kim")
	w.wantCalls(connector.OpUpdateUser, connector.OpTest, connector.OpGetUser, find)
	if got == nil || got.Event != ledger.EventNotFound || got.Entry.State != v1alpha1.AccountCreating || got.Entry.RemoteID != "" {
		t.Fatalf("the outcome is %+v", got)
	}
	w.write(user, got)
	if got = w.work("kim"); got == nil || got.Event != "Created" {
		t.Errorf("the outcome is %+v", got)
	}
}

func TestAbsenceIsNotShown(t *testing.T) {
	for name, tc := range map[string]struct {
		others  []string
		arrange func(w *world)
		// calls of the second look.
		calls []string
	}{
		"a read shows the account": {
			arrange: func(w *world) {
				w.script.Always[connector.OpUpdateUser] = connectortest.NotFound(connector.OpUpdateUser)
			},
			calls: []string{connector.OpUpdateUser, connector.OpTest, connector.OpGetUser},
		},
		"a lookup finds the account": {
			arrange: func(w *world) {
				for _, op := range []string{connector.OpUpdateUser, connector.OpGetUser} {
					w.script.Always[op] = connectortest.NotFound(op)
				}
			},
			calls: []string{connector.OpUpdateUser, connector.OpTest, connector.OpGetUser, find},
		},
		"the app does not have another account of ours either": {
			others: []string{"lee"},
			arrange: func(w *world) {
				w.script.Users = nil
				w.script.Always[connector.OpUpdateUser] = failure(connector.OpUpdateUser, connector.NotFound, 404)
			},
			calls: []string{connector.OpUpdateUser, connector.OpTest, connector.OpGetUser, find, connector.OpGetUser},
		},
		"there is no other account, and the answer is not in the form of the protocol": {
			arrange: func(w *world) {
				w.script.Users = nil
				w.script.Always[connector.OpUpdateUser] = failure(connector.OpUpdateUser, connector.NotFound, 404)
			},
			calls: []string{connector.OpUpdateUser, connector.OpTest, connector.OpGetUser, find},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			for _, other := range tc.others {
				w.member(other)
			}
			user := w.promoted("kim")
			tc.arrange(w)
			w.write(user, w.work("kim"))
			w.announce(user, v1alpha1.ActionUpdate, "title")
			w.script.TakeCalls()
			w.clock.Step(settleTime + 2*time.Minute)
			got := w.work("kim")
			w.wantCalls(tc.calls...)
			if got == nil || got.Drop || got.Entry.Reason != v1alpha1.ReasonAbsenceUnproven || got.Entry.State != v1alpha1.AccountActive {
				t.Errorf("the outcome is %+v", got)
			}
		})
	}
}

func TestAnotherAccountOfOursShowsTheAbsenceWhereTheAnswerIsNotInTheFormOfTheProtocol(t *testing.T) {
	w := newWorld(t, nil)
	w.member("lee")
	user := w.promoted("kim")
	w.deleteIn("r-kim")
	w.script.Always[connector.OpUpdateUser] = failure(connector.OpUpdateUser, connector.NotFound, 404)
	w.write(user, w.work("kim"))
	w.announce(user, v1alpha1.ActionUpdate, "title")
	w.clock.Step(settleTime + 2*time.Minute)
	w.script.TakeCalls()
	if got := w.work("kim"); got == nil || got.Event != ledger.EventNotFound {
		t.Errorf("the outcome is %+v", got)
	}
	w.wantCalls(connector.OpUpdateUser, connector.OpTest, connector.OpGetUser, find, connector.OpGetUser)
}

// A proxy answers 404 while the account exists: the leaver is not believed to be gone.
func TestDeactivationAnsweredWithNotFoundWhileTheAccountExists(t *testing.T) {
	w := newWorld(t, nil)
	user := w.member("kim")
	w.member("lee")
	w.give("lee@corp.test")
	w.announce(user, v1alpha1.ActionDeactivate)
	w.count()
	w.script.Errs[connector.OpSetActive] = []error{failure(connector.OpSetActive, connector.NotFound, 404), failure(connector.OpSetActive, connector.NotFound, 404)}
	for range 2 {
		got := w.work("kim")
		if got == nil || got.Drop || got.Entry.State != v1alpha1.AccountActive || got.Entry.Reason != v1alpha1.ReasonAbsenceUnproven || got.Entry.NextRetryTime == nil {
			t.Fatalf("the outcome is %+v", got)
		}
		w.write(user, got)
		w.clock.Step(settleTime + 2*time.Minute)
	}
	if got := w.work("kim"); got == nil || got.Event != "Deactivated" || w.script.User("r-kim").Active {
		t.Errorf("the outcome is %+v", got)
	}
}

func TestAccountStatusOfALeaverIsDroppedOnceTheAccountIsShownToBeAbsent(t *testing.T) {
	w := newWorld(t, nil)
	user := w.member("kim")
	w.member("lee")
	w.give("lee@corp.test")
	w.announce(user, v1alpha1.ActionDeactivate)
	w.count()
	w.deleteIn("r-kim")
	w.write(user, w.work("kim"))
	w.clock.Step(settleTime + 2*time.Minute)
	if got := w.work("kim"); got == nil || !got.Drop || got.Event != "" {
		t.Errorf("the outcome is %+v", got)
	}
}
