// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// createFailure is a failure of a create and what it leads to.
type createFailure struct {
	err error
	// test is the answer to a test of the credentials.
	test error
	// reason of the account's outcome, "" for none; wait until it is retried.
	reason string
	wait   time.Duration
	// health of the app, and how long its calls are paused or blocked.
	health string
	pause  time.Duration
	calls  []string
	// again: the second request fails in the same way.
	again bool
}

func TestWhatAFailureOfACreateLeadsTo(t *testing.T) {
	find, create := connector.OpFindUsers, connector.OpCreateUser
	bad := failure(connector.OpTest, connector.Credentials, 401)
	for name, tc := range map[string]createFailure{
		"unreachable is the app's": {err: failure(find, connector.Unreachable, 0), calls: []string{find}},
		"an endpoint that is not there is the app's": {
			err: failure(find, connector.NotFound, 404), calls: []string{find},
		},
		"a request to wait is obeyed": {
			err: &connector.Error{Op: find, Kind: connector.RateLimited, RetryAfter: time.Minute}, pause: time.Minute, calls: []string{find},
		},
		"our own limit pauses nobody but those who may wait": {
			err: &connector.Error{Op: find, Kind: connector.RateLimited, RetryAfter: time.Second, OwnLimit: true}, calls: []string{find},
		},
		"our own limit of a long time is a pause": {
			err: &connector.Error{Op: find, Kind: connector.RateLimited, RetryAfter: time.Minute, OwnLimit: true}, pause: time.Minute, calls: []string{find},
		},
		"rejected credentials stop the app": {
			err: failure(find, connector.Credentials, 401), test: bad, health: v1alpha1.ReasonCredentialsRejected, pause: credentialsPause,
			calls: []string{find, connector.OpTest},
		},
		"a call that is rejected with good credentials is the account's": {
			err: failure(create, connector.Credentials, 401), reason: v1alpha1.ReasonCredentialsRejected, wait: personRetry,
			calls: []string{find, create, connector.OpTest},
		},
		"a missing permission stops the app": {
			err: failure(create, connector.Forbidden, 403), test: bad, health: v1alpha1.ReasonInsufficientPermissions, pause: credentialsPause,
			calls: []string{find, create, connector.OpTest},
		},
		"a refusal with good credentials is the account's": {
			err: failure(create, connector.Forbidden, 403), reason: v1alpha1.ReasonInsufficientPermissions, wait: personRetry,
			calls: []string{find, create, connector.OpTest},
		},
		"refused data is the account's": {
			err: failure(create, connector.Invalid, 400), reason: v1alpha1.ReasonRejected, wait: personRetry,
			calls: []string{find, create, create}, again: true,
		},
		"what the app cannot do is the account's": {
			err: failure(create, connector.Unsupported, 501), reason: v1alpha1.ReasonUnsupportedFeature, wait: personRetry, calls: []string{find, create},
		},
		"a conflict is looked up again soon": {
			err: failure(create, connector.Conflict, 409), reason: v1alpha1.ReasonAccountConflict, wait: accountRetryBase,
			calls: []string{find, create, connector.OpListUsers},
		},
		"one server error is the app's": {err: failure(create, connector.ServerError, 503), calls: []string{find, create}},
	} {
		t.Run(name, func(t *testing.T) { tc.run(t) })
	}
}

func (tc createFailure) run(t *testing.T) {
	w := newWorld(t, nil)
	w.joiner("kim")
	op := connector.AsError(tc.err).Op
	w.script.Errs[op] = []error{tc.err}
	if tc.again {
		// Without the attributes that it may do without.
		w.script.Errs[op] = []error{tc.err, tc.err}
	}
	w.script.Always[connector.OpTest] = tc.test
	got := w.work("kim")
	w.wantCalls(tc.calls...)
	if got := w.worker.Health().Reason; got != tc.health {
		t.Errorf("the app's health is %q, want %q", got, tc.health)
	}
	pause := max(w.worker.queue.paused.Sub(w.clock.Now()), w.worker.queue.blocked.Sub(w.clock.Now()))
	if tc.pause > 0 && (pause < tc.pause || pause > tc.pause*6/5+1) || tc.pause == 0 && pause > 0 {
		t.Errorf("the calls pause for %s, want %s", pause, tc.pause)
	}
	if tc.reason == "" {
		if got != nil {
			t.Errorf("the app's trouble is written to the user: %+v", got.Entry)
		}
		if !w.waits(account("kim")) {
			t.Error("the account is not retried")
		}
		return
	}
	if got == nil || got.Entry.Reason != tc.reason || got.Entry.Attempts != 1 || got.Entry.Planned != v1alpha1.ActionCreate {
		t.Fatalf("the outcome is %+v, want the reason %s", got, tc.reason)
	}
	if wait := got.Entry.NextRetryTime.Sub(w.clock.Now()); wait < tc.wait-time.Second || wait > tc.wait*6/5 {
		t.Errorf("it is retried after %s, want %s", wait, tc.wait)
	}
	if w.waits(account("kim")) {
		t.Error("a key that waits for its retry takes room in the queue")
	}
}

// failingUsers are joiners over whom the app fails, as many as open the breaker.
func (w *world) failingUsers(err error) {
	w.t.Helper()
	w.script.Always[connector.OpFindUsers] = err
	for i := range breakerFailures {
		name := fmt.Sprintf("user-%d", i)
		w.joiner(name)
		if got := w.work(name); got != nil {
			w.t.Fatalf("the app's trouble is written to a user: %+v", got.Entry)
		}
	}
}

func TestBreakerOpensForAnEndpointThatIsNotThere(t *testing.T) {
	w := newWorld(t, nil)
	w.failingUsers(failure(connector.OpFindUsers, connector.NotFound, 404))
	if w.worker.breaker.State() != gobreaker.StateOpen || w.worker.Health().Reason != v1alpha1.ReasonUnexpectedAnswer {
		t.Errorf("the breaker is %s, the health %+v", w.worker.breaker.State(), w.worker.Health())
	}
	if w.told["app crm"] != 1 {
		t.Errorf("the ScimApp was told %d times", w.told["app crm"])
	}
	w.worker.setHealth(Health{Reason: v1alpha1.ReasonUnexpectedAnswer, Message: "another text"})
	if w.worker.Health().Message == "another text" {
		t.Error("the message changes with every call")
	}
}

func TestReconcilesWithoutACallSayNothingAboutTheApp(t *testing.T) {
	w := newWorld(t, nil)
	w.script.Always[connector.OpFindUsers] = failure(connector.OpFindUsers, connector.Unreachable, 0)
	for i := range breakerFailures {
		name := fmt.Sprintf("user-%d", i)
		w.joiner(name)
		w.work(name)
		w.put(pt.User("idle"))
		if w.worker.breaker.State() == gobreaker.StateClosed {
			w.work("idle")
		}
	}
	if w.worker.breaker.State() != gobreaker.StateOpen {
		t.Errorf("the breaker is %s after %d failures in a row", w.worker.breaker.State(), breakerFailures)
	}
}

// A trial that is answered with 429 closes the breaker, and shows nothing of what was wrong: the app is tested, or nobody would ever announce a change again.
func TestUnhealthyAppIsTestedWhenNothingIsCalled(t *testing.T) {
	for reason, want := range map[string][]string{
		v1alpha1.ReasonUnreachable:         {connector.OpTest},
		v1alpha1.ReasonCredentialsRejected: nil,
		"":                                 nil,
	} {
		w := newWorld(t, nil)
		w.worker.setHealth(Health{Reason: reason})
		w.put(pt.User("idle"))
		w.work("idle")
		w.wantCalls(want...)
		if healthy := w.worker.Health().Reason == ""; healthy == (reason == v1alpha1.ReasonCredentialsRejected) {
			t.Errorf("%s: the health is %+v", reason, w.worker.Health())
		}
	}
}

func TestAppRecoversWhenThePendingChangesHaveDisappeared(t *testing.T) {
	w := newWorld(t, nil)
	w.worker.breaker = newBreaker(time.Millisecond)
	w.failingUsers(failure(connector.OpFindUsers, connector.Unreachable, 0))
	w.give() // nobody is assigned any more
	for i := range breakerFailures {
		w.put(pt.User(fmt.Sprintf("user-%d", i)))
	}
	for _, test := range []struct {
		answer error
		reason string
	}{{failure(connector.OpTest, connector.Unreachable, 0), v1alpha1.ReasonUnreachable}, {nil, ""}} {
		w.script.Always[connector.OpTest] = test.answer
		for w.worker.breaker.State() != gobreaker.StateHalfOpen {
			runtime.Gosched()
		}
		w.clock.Step(2 * breakerPause)
		w.work("user-0")
		if got := w.worker.Health().Reason; got != test.reason {
			t.Errorf("after a test that gave %v the reason is %q, want %q", test.answer, got, test.reason)
		}
	}
}

func TestAccountThatFailsRepeatedlyFailsAlone(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	w.script.Always[connector.OpFindUsers] = failure(connector.OpFindUsers, connector.ServerError, 500)
	for range keyFailures - 1 {
		if got := w.work("kim"); got != nil {
			t.Fatalf("after a few failures: %+v", got.Entry)
		}
		w.clock.Step(time.Minute)
	}
	got := w.work("kim")
	if got == nil || got.Entry.Reason != v1alpha1.ReasonServerError {
		t.Fatalf("the outcome is %+v", got)
	}
	if w.worker.breaker.State() != gobreaker.StateClosed || w.worker.Health().Reason != "" {
		t.Errorf("one account stops the app: %s, %+v", w.worker.breaker.State(), w.worker.Health())
	}
	w.write(user, got)
	w.clock.Step(time.Hour)
	if again := w.work("kim"); again == nil || again.Entry.Attempts != 2 {
		t.Errorf("the next failure is the app's again: %+v", again)
	}
}

func TestGoodAnswerOfAnEarlierCallDoesNotHideRejectedCredentials(t *testing.T) {
	w := newWorld(t, nil)
	w.worker.setHealth(Health{Reason: v1alpha1.ReasonCredentialsRejected, Message: "rejected"})
	w.worker.answered(&line{})
	if w.worker.Health().Reason == "" {
		t.Error("nobody would test the credentials again, and the queue is blocked for an hour")
	}
	w.worker.queue.block(w.clock.Now().Add(time.Hour))
	w.worker.Resume()
	if w.worker.Health().Reason != "" || w.worker.queue.blocked.After(w.clock.Now()) {
		t.Error("good credentials do not resume the app")
	}
}

func TestNothingIsRememberedOfAKeyThatNeedsNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.joiner("kim")
	w.script.Hidden = true
	w.script.Errs[connector.OpCreateUser] = []error{failure(connector.OpCreateUser, connector.ServerError, 500)}
	w.work("kim")
	if w.worker.ledger.Len() == 0 {
		t.Fatal("nothing is remembered of a create whose outcome is unknown")
	}
	w.put(pt.User("kim"))
	w.give()
	w.work("kim")
	if n := w.worker.ledger.Len(); n != 0 {
		t.Errorf("%d things are kept for ever", n)
	}
}

func TestSuspendedAppIsNotCalled(t *testing.T) {
	w := newWorld(t, func(app *v1alpha1.ScimApp) { app.Spec.Suspend = true })
	w.joiner("kim")
	if got := w.work("kim"); got != nil {
		t.Errorf("the outcome is %+v", got)
	}
	w.wantCalls()
}

// A key that is looked at again and again for nothing is a bug: it must not cost all of a processor, and a metric shows it.
func TestKeyThatLeadsToNothingWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		// prepare makes an object whose reconciler never writes the intent.
		prepare func(*world)
		key     Key
		told    string
	}{
		"a user": {func(w *world) { w.put(pt.User("kim")); w.give("kim@corp.test") }, account("kim"), "user kim"},
		"a group": {func(w *world) {
			group := pt.Group("Sales")
			group.Status.Apps = []v1alpha1.PushedGroupStatus{{App: "crm", State: v1alpha1.GroupPending}}
			w.cache.Put(group)
		}, sales, "group Sales"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, pushing)
			tc.prepare(w)
			for round := range 2 {
				looks := 0
				for !w.waits(tc.key) && looks < 100 {
					w.look(tc.key)
					looks++
				}
				if looks > 30 || w.idleLoops() != round+1 || w.told[tc.told] < looks-1 {
					t.Errorf("%d looks without a call, a write or a wait, the metric is %d, its reconciler was told %d times", looks, w.idleLoops(), w.told[tc.told])
				}
				if _, wait, ok := w.worker.Pick(); ok || wait < loopPause-time.Second {
					t.Errorf("it waits for %s", wait)
				}
				w.clock.Step(loopPause)
				clear(w.told)
				if key, _, ok := w.worker.Pick(); !ok || key != tc.key {
					t.Fatal("it waits for ever")
				}
				w.worker.Handle(t.Context(), tc.key)
			}
			w.wantCalls()
		})
	}
}

// idleLoops is the metric of the keys that were reconciled again and again.
func (w *world) idleLoops() int {
	w.t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	loops := 0
	for _, family := range families {
		if family.GetName() == "scim_app_idle_loops_total" {
			loops += int(family.GetMetric()[0].GetCounter().GetValue())
		}
	}
	return loops
}

func TestErrorThatIsNoneOfAConnectorIsRetried(t *testing.T) {
	w := newWorld(t, nil)
	w.joiner("kim")
	w.script.Always[connector.OpFindUsers] = errors.New("not a connector's error")
	if got := w.work("kim"); got != nil || !w.waits(account("kim")) {
		t.Errorf("the outcome is %+v", got)
	}
}
