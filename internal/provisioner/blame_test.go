// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"slices"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// flooded enqueues a key many times without delay, and handles whatever is due.
func (w *world) flooded(key Key, class Class) {
	w.t.Helper()
	for range 20 {
		w.worker.Enqueue(key, class, "", 0)
		for {
			key, _, ok := w.worker.Pick()
			if !ok {
				break
			}
			w.worker.Handle(w.t.Context(), key)
			if w.worker.queue.waiting[key] == nil || w.worker.queue.waiting[key].due.After(w.clock.Now()) {
				break
			}
		}
	}
}

// A call that fails is not repeated before its back-off is over, whatever enqueues the account or group.
func TestBackOffIsKeptWhateverEnqueues(t *testing.T) {
	for name, tc := range map[string]struct {
		class   Class
		op      string
		arrange func(t *testing.T) (*world, Key)
	}{
		"joiner": {ClassJoiner, connector.OpCreateUser, func(t *testing.T) (*world, Key) {
			w := newWorld(t, nil)
			w.joiner("kim")
			return w, account("kim")
		}},
		"change": {ClassChange, connector.OpUpdateUser, func(t *testing.T) (*world, Key) {
			w := newWorld(t, nil)
			w.promoted("kim")
			return w, account("kim")
		}},
		"revocation": {ClassRevocation, connector.OpSetActive, func(t *testing.T) (*world, Key) {
			w := newWorld(t, nil)
			user := w.member("kim")
			w.give()
			w.announce(user, v1alpha1.ActionDeactivate)
			w.count()
			return w, account("kim")
		}},
		"new group": {ClassJoiner, connector.OpCreateGroup, func(t *testing.T) (*world, Key) {
			w := newWorld(t, pushing)
			group := w.members(w.staff(2)...)
			group.Status.Apps[0] = v1alpha1.PushedGroupStatus{App: "crm", State: v1alpha1.GroupCreating, MatchValue: "Sales"}
			w.cache.Put(group)
			return w, sales
		}},
		"changed group": {ClassChange, connector.OpGetGroup, func(t *testing.T) (*world, Key) {
			w := newWorld(t, pushing)
			w.pushed(w.staff(2)...)
			return w, sales
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, key := tc.arrange(t)
			w.script.TakeCalls()
			w.script.Always[tc.op] = failure(tc.op, connector.ServerError, 500)
			w.script.NoEffect = true
			count := func() int {
				n := 0
				for _, call := range w.script.TakeCalls() {
					if call == tc.op || call == switchOff {
						n++
					}
				}
				return n
			}
			w.flooded(key, tc.class)
			if n := count(); n != 1 {
				t.Fatalf("%d calls at once", n)
			}
			w.clock.Step(5 * time.Second)
			w.flooded(key, tc.class)
			if n := count(); n > 1 {
				t.Errorf("%d calls after 5 s", n)
			}
			w.run("another token")
			w.script.Always = map[string]error{}
			w.count()
			w.clock.Step(settleTime)
			w.flooded(key, tc.class)
			if n := count(); n == 0 {
				t.Error("a new token is not tried at once")
			}
		})
	}
}

// What the user is due now does not wait for what failed before.
func TestRevocationDoesNotWaitForTheBackOffOfAnUpdate(t *testing.T) {
	w := newWorld(t, nil)
	user := w.promoted("kim")
	w.script.Always[connector.OpUpdateUser] = failure(connector.OpUpdateUser, connector.ServerError, 500)
	w.work("kim")
	w.give()
	w.announce(user, v1alpha1.ActionDeactivate)
	w.count()
	w.script.TakeCalls()
	w.work("kim")
	if calls := w.script.TakeCalls(); !slices.Contains(calls, switchOff) {
		t.Errorf("the calls are %q", calls)
	}
}

// An app that fails for the data of one account, and answers for others, is healthy; the account says what is wrong from the second failure on.
func TestServerErrorForTheDataOfOneAccountIsItsOwn(t *testing.T) {
	for name, tc := range map[string]struct {
		others func(w *world)
	}{
		"another account is changed meanwhile": {func(w *world) {
			w.script.Errs[connector.OpUpdateUser] = []error{nil}
			w.promoted("lee")
			w.give("kim@corp.test", "lee@corp.test")
			w.work("lee")
		}},
		"another account is read": {func(w *world) {
			w.member("lee")
			w.give("kim@corp.test", "lee@corp.test")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.promoted("kim")
			bad := failure(connector.OpUpdateUser, connector.ServerError, 500)
			w.script.Always[connector.OpUpdateUser] = bad
			if got := w.work("kim"); got != nil {
				t.Fatalf("after the first failure: %+v", got.Entry)
			}
			tc.others(w)
			w.clock.Step(2 * time.Second)
			got := w.work("kim")
			if got == nil || got.Entry.Reason != v1alpha1.ReasonServerError {
				t.Fatalf("the outcome is %+v", got)
			}
			if health := w.worker.Health(); health.Reason != "" {
				t.Errorf("the app is called unhealthy: %+v", health)
			}
		})
	}
}

// Writes that fail for everybody are the app's failure, although it can be read.
func TestServerErrorForEverybodyIsTheAppsFailure(t *testing.T) {
	w := newWorld(t, nil)
	names := []string{"a", "b", "c", "d", "e", "f"}
	addresses := make([]string, len(names))
	for i, name := range names {
		w.promoted(name)
		addresses[i] = name + "@corp.test"
	}
	w.cache.Put(pt.Mapping("crm", "crm", addresses))
	w.script.Always[connector.OpUpdateUser] = failure(connector.OpUpdateUser, connector.ServerError, 500)
	blamed := 0
	for range 2 {
		for _, name := range names {
			if w.worker.Health().Reason != "" {
				break
			}
			if got := w.work(name); got != nil {
				blamed++
			}
		}
		w.clock.Step(2 * time.Second)
	}
	if health := w.worker.Health(); health.Reason != v1alpha1.ReasonServerError || blamed > 0 {
		t.Errorf("the health is %+v, and %d accounts are blamed", health, blamed)
	}
}
