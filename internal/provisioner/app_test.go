// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/plan"
)

func TestWhatAFailureOfACreateLeadsTo(t *testing.T) {
	find, create := connector.OpFindUsers, connector.OpCreateUser
	bad := errors.New("the test fails")
	for name, tc := range map[string]struct {
		err  error
		test error
		// reason of the account's outcome, "" for none; wait until it is tried again.
		reason string
		wait   time.Duration
		// health of the app, and how long its calls pause.
		health string
		pause  time.Duration
		calls  []string
	}{
		"unreachable is the app's": {err: failure(find, connector.Unreachable, 0), calls: []string{find}},
		"an endpoint that is not there is the app's": {
			err: failure(find, connector.NotFound, 404), calls: []string{find},
		},
		"a request to wait is obeyed": {
			err: &connector.Error{Op: find, Kind: connector.RateLimited, RetryAfter: time.Minute}, pause: time.Minute, calls: []string{find},
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
			err: failure(create, connector.Invalid, 400), reason: v1alpha1.ReasonRejected, wait: personRetry, calls: []string{find, create},
		},
		"what the app cannot do is the account's": {
			err: failure(create, connector.Unsupported, 501), reason: v1alpha1.ReasonUnsupportedFeature, wait: personRetry, calls: []string{find, create},
		},
		"a conflict is looked up again soon": {
			err: failure(create, connector.Conflict, 409), reason: v1alpha1.ReasonAccountConflict, wait: accountRetryBase, calls: []string{find, create},
		},
		"one server error is the app's": {err: failure(create, connector.ServerError, 500), calls: []string{find, create}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.joiner("kim")
			op := connector.AsError(tc.err).Op
			w.script.errs[op] = []error{tc.err}
			w.script.always[connector.OpTest] = tc.test
			got := w.work("kim")
			w.wantCalls(tc.calls...)
			if got := w.app.Health().Reason; got != tc.health {
				t.Errorf("the app's health is %q, want %q", got, tc.health)
			}
			if pause := w.app.queue.paused.Sub(w.clock.Now()); tc.pause > 0 && (pause < tc.pause || pause > tc.pause*6/5) {
				t.Errorf("the calls pause for %s, want %s", pause, tc.pause)
			} else if tc.pause == 0 && pause > 0 {
				t.Errorf("the calls pause for %s", pause)
			}
			if tc.reason == "" {
				if got != nil {
					t.Errorf("the app's trouble is written to the user: %+v", got.Entry)
				}
				if w.app.queue.waiting[account("kim")] == nil {
					t.Error("the account is not tried again")
				}
				return
			}
			if got == nil || got.Entry.Reason != tc.reason || got.Entry.Attempts != 1 || got.Entry.Planned != v1alpha1.ActionCreate {
				t.Fatalf("the outcome is %+v, want the reason %s", got, tc.reason)
			}
			if wait := got.Entry.NextRetryTime.Sub(w.clock.Now()); wait < tc.wait-time.Second || wait > tc.wait*6/5 {
				t.Errorf("it is tried again after %s, want %s", wait, tc.wait)
			}
			if w.app.queue.waiting[account("kim")] != nil {
				t.Error("a key that waits for its retry takes room in the queue")
			}
		})
	}
}

func TestBreakerOpensForAnEndpointThatIsNotThere(t *testing.T) {
	w := newWorld(t, nil)
	w.script.always[connector.OpFindUsers] = failure(connector.OpFindUsers, connector.NotFound, 404)
	for i := range breakerFailures {
		name := fmt.Sprintf("user-%d", i)
		w.joiner(name)
		if got := w.work(name); got != nil {
			t.Fatalf("the app's trouble is written to a user: %+v", got.Entry)
		}
	}
	if w.app.breaker.State() != gobreaker.StateOpen || w.app.Health().Reason != v1alpha1.ReasonServerError {
		t.Errorf("the breaker is %s, the health %+v", w.app.breaker.State(), w.app.Health())
	}
	if w.told["app crm"] != 1 {
		t.Errorf("the ScimApp was told %d times", w.told["app crm"])
	}
	w.app.setHealth(Health{Reason: v1alpha1.ReasonServerError, Message: "another text"})
	if w.app.Health().Message == "another text" {
		t.Error("the message changes with every call")
	}
}

func TestLooksWithoutACallSayNothingAboutTheApp(t *testing.T) {
	w := newWorld(t, nil)
	w.script.always[connector.OpFindUsers] = failure(connector.OpFindUsers, connector.Unreachable, 0)
	for i := range breakerFailures {
		name := fmt.Sprintf("user-%d", i)
		w.joiner(name)
		w.work(name)
		w.put(pt.User("idle"))
		if w.app.breaker.State() == gobreaker.StateClosed {
			w.work("idle")
		}
	}
	if w.app.breaker.State() != gobreaker.StateOpen {
		t.Errorf("the breaker is %s after %d failures in a row", w.app.breaker.State(), breakerFailures)
	}
}

func TestAppIsFoundWellAgainWhenTheChangesThatWaitedHaveDisappeared(t *testing.T) {
	w := newWorld(t, nil)
	w.app.breaker = newBreaker(time.Millisecond)
	w.script.always[connector.OpFindUsers] = failure(connector.OpFindUsers, connector.Unreachable, 0)
	for i := range breakerFailures {
		name := fmt.Sprintf("user-%d", i)
		w.joiner(name)
		w.work(name)
	}
	w.give() // nobody is assigned any more
	for i := range breakerFailures {
		w.put(pt.User(fmt.Sprintf("user-%d", i)))
	}
	for _, test := range []struct {
		answer error
		reason string
	}{{failure(connector.OpTest, connector.Unreachable, 0), v1alpha1.ReasonUnreachable}, {nil, ""}} {
		w.script.always[connector.OpTest] = test.answer
		for w.app.breaker.State() != gobreaker.StateHalfOpen {
			runtime.Gosched()
		}
		w.clock.Step(2 * breakerPause)
		w.work("user-0")
		if got := w.app.Health().Reason; got != test.reason {
			t.Errorf("after a test that gave %v the reason is %q, want %q", test.answer, got, test.reason)
		}
	}
	if left := len(w.app.intents); left >= breakerFailures {
		t.Errorf("the intents of all %d keys are remembered, also of those that were found to need nothing", left)
	}
}

func TestAccountOverWhichTheAppFailsAgainAndAgainIsTheAccountsTrouble(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	w.script.always[connector.OpFindUsers] = failure(connector.OpFindUsers, connector.ServerError, 500)
	for range keyFailures - 1 {
		if got := w.work("kim"); got != nil {
			t.Fatalf("after a few failures: %+v", got.Entry)
		}
	}
	got := w.work("kim")
	if got == nil || got.Entry.Reason != v1alpha1.ReasonServerError {
		t.Fatalf("the outcome is %+v", got)
	}
	if w.app.breaker.State() != gobreaker.StateClosed || w.app.Health().Reason != "" {
		t.Errorf("one account stops the app: %s, %+v", w.app.breaker.State(), w.app.Health())
	}
	w.write(user, got)
	w.clock.Step(time.Hour)
	if again := w.work("kim"); again == nil || again.Entry.Attempts != 2 {
		t.Errorf("the next failure is the app's again: %+v", again)
	}
}

func TestGoodAnswerOfAnEarlierCallDoesNotHideRejectedCredentials(t *testing.T) {
	w := newWorld(t, nil)
	w.app.setHealth(Health{Reason: v1alpha1.ReasonCredentialsRejected, Message: "rejected"})
	w.app.answered(account("kim"), false)
	if w.app.Health().Reason == "" {
		t.Error("nobody would test the credentials again, and the queue pauses for an hour")
	}
	w.app.queue.pause(w.clock.Now().Add(time.Hour))
	w.app.Resume()
	if w.app.Health().Reason != "" || w.app.queue.paused.After(w.clock.Now()) {
		t.Error("good credentials do not resume the app")
	}
}

func TestAccountIsNotCreatedAgainBeforeTheSettleTime(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	w.script.errs[connector.OpCreateUser] = []error{failure(connector.OpCreateUser, connector.Timeout, 0)}
	w.script.hidden = true
	w.work("kim")
	w.wantCalls(connector.OpFindUsers, connector.OpCreateUser)
	w.clock.Step(settleTime - time.Second)
	w.work("kim")
	w.wantCalls(connector.OpFindUsers)
	w.script.hidden = false
	w.clock.Step(time.Second)
	got := w.work("kim")
	w.wantCalls(connector.OpFindUsers, connector.OpUpdateUser)
	if got == nil || got.Event != "Linked" || len(w.script.users) != 1 {
		t.Errorf("the outcome is %+v, the app has %v", got, w.script.users)
	}
	w.write(user, got)
}

func TestIntentOfAnEarlierProcessWaitsForTheSettleTime(t *testing.T) {
	w := newWorld(t, nil)
	w.joiner("kim")
	w.app.forget(account("kim"))
	w.work("kim")
	w.wantCalls(connector.OpFindUsers)
	w.clock.Step(settleTime)
	if got := w.work("kim"); got == nil || got.Event != "Created" {
		t.Errorf("the outcome is %+v", got)
	}
}

func TestNothingIsCreatedBeforeTheIntentIsWritten(t *testing.T) {
	w := newWorld(t, nil)
	w.give("kim@corp.test")
	for _, entry := range []v1alpha1.Account{
		{App: "crm", State: v1alpha1.AccountPending}, {App: "crm", State: v1alpha1.AccountOrphaned, RemoteID: "1"}, {App: "other", State: v1alpha1.AccountActive},
	} {
		w.put(pt.User("kim", entry))
		if got := w.work("kim"); got != nil {
			t.Errorf("with the entry %+v: %+v", entry, got)
		}
		w.wantCalls()
	}
}

// A user who gets another name while its create is under way: the name to look the account up by is written before an account of that name is made.
func TestRenamedJoinerIsCreatedOnceTheNewNameIsWritten(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	user.Spec.UserName = "kim.new@corp.test"
	w.put(user)
	w.give("kim.new@corp.test")

	renamed := w.work("kim")
	if renamed == nil || renamed.Entry.MatchValue != "kim.new@corp.test" {
		t.Fatalf("the outcome is %+v", renamed)
	}
	if again := w.work("kim"); again == nil || again.Entry.RemoteID != "" {
		t.Fatalf("the outcome before the name is written is %+v", again)
	}
	w.wantCalls(connector.OpFindUsers, connector.OpFindUsers)
	w.write(user, renamed)
	if created := w.work("kim"); created == nil || created.Entry.State != v1alpha1.AccountActive {
		t.Fatalf("the outcome after the name is written is %+v", created)
	}
	w.wantCalls(connector.OpFindUsers, connector.OpCreateUser)
}

func TestConflictLeadsToALink(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	w.script.errs[connector.OpCreateUser] = []error{failure(connector.OpCreateUser, connector.Conflict, 409)}
	w.write(user, w.work("kim"))
	w.script.users = []connector.User{{ID: "theirs", UserName: "KIM@corp.test", Active: true}}
	w.wantCalls(connector.OpFindUsers, connector.OpCreateUser)
	if got := w.work("kim"); got != nil && got.Entry.State != v1alpha1.AccountCreating {
		t.Errorf("it is not waited for: %+v", got.Entry)
	}
	w.wantCalls()
	w.clock.Step(2 * accountRetryBase)
	got := w.work("kim")
	if got == nil || got.Event != "Linked" || got.Entry.RemoteID != "theirs" || got.Entry.Attempts != 0 {
		t.Errorf("the outcome is %+v", got)
	}
	w.wantCalls(connector.OpFindUsers, connector.OpUpdateUser)
}

func TestAccountsThatAreNotTaken(t *testing.T) {
	for name, tc := range map[string]struct {
		app    func(*v1alpha1.ScimApp)
		other  *v1alpha1.ScimUser
		reason string
	}{
		"protected":    {app: func(a *v1alpha1.ScimApp) { a.Spec.ProtectedAccounts = []string{"Kim@corp.test"} }},
		"not to adopt": {app: func(a *v1alpha1.ScimApp) { a.Spec.Adoption = v1alpha1.AdoptionNever }, reason: v1alpha1.ReasonAccountConflict},
		"owned":        {other: pt.User("other", v1alpha1.Account{App: "crm", State: v1alpha1.AccountInactive, RemoteID: "theirs"}), reason: v1alpha1.ReasonAccountConflict},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.app)
			if tc.other != nil {
				w.put(tc.other)
			}
			w.joiner("kim")
			w.script.users = []connector.User{{ID: "theirs", UserName: "kim@corp.test", Active: true}}
			got := w.work("kim")
			if tc.reason == "" {
				if got != nil {
					t.Errorf("the outcome is %+v", got)
				}
				w.wantCalls()
				return
			}
			if got == nil || got.Entry.Reason != tc.reason || got.Entry.RemoteID != "" {
				t.Errorf("the outcome is %+v", got)
			}
			w.wantCalls(connector.OpFindUsers)
		})
	}
}

func TestVanishedAccountIsMadeAnew(t *testing.T) {
	w := newWorld(t, nil)
	user := pt.User("kim", v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: "gone", Planned: v1alpha1.ActionUpdate, PlannedAttributes: []string{
		"userName", "name.givenName", "name.familyName",
	}})
	w.put(user)
	w.give("kim@corp.test")
	got := w.work("kim")
	w.wantCalls(connector.OpUpdateUser)
	if got == nil || got.Event != desired.EventVanished || got.Entry.State != v1alpha1.AccountCreating || got.Entry.RemoteID != "" {
		t.Fatalf("the outcome is %+v", got)
	}
	w.clock.Step(settleTime)
	w.write(user, got)
	if got = w.work("kim"); got == nil || got.Event != "Created" {
		t.Errorf("the outcome is %+v", got)
	}
}

// leaver is a user who is being deleted, with an account, and whose revocation the guard lets through.
func (w *world) leaver(name, remote string) *v1alpha1.ScimUser {
	user := pt.User(name, v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: remote, Planned: v1alpha1.ActionDeactivate})
	user.DeletionTimestamp = &metav1.Time{Time: w.clock.Now()}
	w.put(user)
	w.count()
	return user
}

func (w *world) count() {
	w.t.Helper()
	if err := w.app.gate.count(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestRevocationOfAnAccountThatASuccessorHasIsDropped(t *testing.T) {
	w := newWorld(t, nil)
	w.script.users = []connector.User{{ID: "1", UserName: "kim@corp.test", Active: true}}
	w.put(pt.User("successor", v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: "1"}))
	w.give("successor@corp.test")
	w.leaver("kim", "1")
	got := w.work("kim")
	w.wantCalls()
	if got == nil || !got.Gone || got.Event != "" || !w.script.users[0].Active {
		t.Errorf("the outcome is %+v", got)
	}
}

func TestRevocationDoesNotWaitForTheRetryOfAnotherChange(t *testing.T) {
	w := newWorld(t, nil)
	w.script.users = []connector.User{{ID: "1", UserName: "kim@corp.test", Active: true}}
	user := pt.User("kim", v1alpha1.Account{
		App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: v1alpha1.ActionUpdate, Attempts: 3,
		Reason: v1alpha1.ReasonRejected, NextRetryTime: &metav1.Time{Time: w.clock.Now().Add(time.Hour)},
	})
	off := false
	user.Spec.Active = &off
	user.Status.ObservedGeneration = user.Generation - 1
	w.cache.Put(user)
	w.give("kim@corp.test")
	w.count()
	got := w.work("kim")
	w.wantCalls(connector.OpSetActive)
	if got == nil || got.Event != "Deactivated" || got.Entry.RevokedTime == nil || got.Entry.Attempts != 0 {
		t.Errorf("the outcome is %+v", got)
	}
}

func TestNothingIsRememberedOfAKeyThatNeedsNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.joiner("kim")
	w.script.errs[connector.OpCreateUser] = []error{failure(connector.OpCreateUser, connector.ServerError, 500)}
	w.work("kim")
	if len(w.app.failures)+len(w.app.unknown)+len(w.app.intents) != 3 {
		t.Fatalf("remembered: %v %v %v", w.app.failures, w.app.unknown, w.app.intents)
	}
	w.put(pt.User("kim"))
	w.give()
	w.work("kim")
	if n := len(w.app.failures) + len(w.app.unknown) + len(w.app.intents) + len(w.app.patience.tried); n != 0 {
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

func TestForbiddenGroupIsTheGroupsTrouble(t *testing.T) {
	w := newWorld(t, func(app *v1alpha1.ScimApp) {
		app.Spec.Features = append(app.Spec.Features, v1alpha1.FeaturePushGroups)
		app.Spec.Groups = []v1alpha1.PushedGroup{{DisplayName: "Sales"}}
		app.Status.Groups = []v1alpha1.ResolvedGroup{{DisplayName: "Sales", ID: pt.Group("Sales").SCIMID()}}
	})
	group := pt.Group("Sales")
	group.Status.Apps = []v1alpha1.PushedGroupStatus{{App: "crm", State: v1alpha1.GroupCreating}}
	w.cache.Put(group)
	w.script.always[connector.OpFindGroups] = failure(connector.OpFindGroups, connector.Forbidden, 403)
	key := Key{Kind: KindGroup, Name: "Sales"}
	w.app.handle(t.Context(), key)
	seen := w.view.Groups.Look(pt.Key("Sales"))
	if got := seen.Outcomes(group.UID)["crm"].Entry; got.Reason != v1alpha1.ReasonInsufficientPermissions || got.NextRetryTime == nil {
		t.Errorf("the outcome is %+v", got)
	}
	w.wantCalls(connector.OpFindGroups, connector.OpTest)
	if w.app.Health().Reason != "" {
		t.Errorf("the app has %+v: the reconciler would test, resume and fail for ever", w.app.Health())
	}
}

func TestRegistryTellsOfChangesOnceUntilTheyAreCounted(t *testing.T) {
	told := 0
	registry := NewRegistry(nil, clock.RealClock{}, logr.Discard(), NewMetrics(prometheus.NewRegistry()))
	registry.SetNotify(Notify{App: func(types.NamespacedName) { told++ }})
	for range 100 {
		registry.Changed(pt.Key("crm"))
	}
	registry.Counted(pt.Key("crm"))
	registry.Changed(pt.Key("crm"))
	if diff := cmp.Diff(2, told); diff != "" {
		t.Error(diff)
	}
}

// An account found again under the name of its create keeps that name until the link is written: its id then finds it, whatever the name.
func TestRenamedJoinerIsLinkedUnderTheNameThatTheAccountHas(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	w.script.users = []connector.User{{ID: "ours", UserName: "kim@corp.test", Active: true}}
	user.Spec.UserName = "kim.new@corp.test"
	w.put(user)
	w.give("kim.new@corp.test")
	got := w.work("kim")
	if got == nil || got.Event != "Linked" || got.Entry.RemoteID != "ours" {
		t.Fatalf("the outcome is %+v", got)
	}
	former := plan.HashValues(map[string]any{"userName": "kim@corp.test"})["userName"]
	if applied := plan.ParseApplied(got.Entry.Applied)["userName"]; applied != former {
		t.Errorf("the userName that counts as written has the hash %s, want the former name's, %s", applied, former)
	}
}
