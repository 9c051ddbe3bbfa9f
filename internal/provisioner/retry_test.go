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

// refused is a joiner whose create got 403 although the credentials are good.
func refused(t *testing.T) (*world, *v1alpha1.ScimUser) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	w.script.Errs[create] = []error{failure(create, connector.Forbidden, 403)}
	got := w.work("kim")
	w.write(user, got)
	if got.Entry.Reason != v1alpha1.ReasonInsufficientPermissions {
		t.Fatalf("the outcome is %+v", got)
	}
	w.script.TakeCalls()
	w.clock.Step(time.Minute)
	w.work("kim")
	w.wantCalls()
	return w, user
}

func TestChangeThatMayFixARefusalIsRetriedAtOnce(t *testing.T) {
	for name, cure := range map[string]func(*world, *v1alpha1.ScimUser){
		"a new token": func(w *world, _ *v1alpha1.ScimUser) { w.run("another token") },
		"a new token while nobody leads": func(w *world, _ *v1alpha1.ScimUser) {
			w.lead()
			w.run("another token")
			w.count()
			w.clock.Step(settleTime)
		},
		"another spec of the app":  func(w *world, _ *v1alpha1.ScimUser) { w.change(func(app *v1alpha1.ScimApp) { app.Generation++ }) },
		"another spec of the user": func(w *world, user *v1alpha1.ScimUser) { user.Spec.Title = "Manager"; w.put(user) },
		"an annotation of the user": func(w *world, user *v1alpha1.ScimUser) {
			user.Annotations = map[string]string{v1alpha1.AnnotationReconcile: "now"}
			w.put(user)
		},
		"an annotation of the app": func(w *world, _ *v1alpha1.ScimUser) {
			w.change(func(app *v1alpha1.ScimApp) { app.Annotations = map[string]string{v1alpha1.AnnotationReconcile: "now"} })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, user := refused(t)
			cure(w, user)
			if got := w.work("kim"); got == nil || got.Event != "Created" {
				t.Errorf("the outcome is %+v", got)
			}
		})
	}
}

// The same credentials after a restart of the worker cure nothing.
func TestRestartOfTheAppDoesNotEndAWait(t *testing.T) {
	w, _ := refused(t)
	w.run("token")
	w.work("kim")
	w.wantCalls()
}

func TestRetryTimeOfAClockThatWasAheadIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	user.Status.Accounts[0].NextRetryTime = &metav1.Time{Time: w.clock.Now().Add(10_000 * time.Hour)}
	w.put(user)
	wait := w.worker.ledger.Wait(idOf(user), ledger.Attempt{}, false, user.Status.Accounts[0].NextRetryTime)
	if wait != ledger.MaxWait {
		t.Errorf("the wait is %s", wait)
	}
}

func TestLongerPauseStays(t *testing.T) {
	w := newWorld(t, nil)
	w.joiner("kim")
	limited := func(wait time.Duration) error {
		return &connector.Error{Op: find, Kind: connector.RateLimited, RetryAfter: wait, Sent: true}
	}
	w.script.Errs[find] = []error{limited(10 * time.Minute)}
	w.work("kim")
	until := w.worker.PausedUntil()
	if until.Before(w.clock.Now().Add(10 * time.Minute)) {
		t.Fatalf("paused until %s", until)
	}
	w.worker.pause(w.clock.Now().Add(time.Minute))
	if got := w.worker.PausedUntil(); !got.Equal(until) {
		t.Errorf("a shorter pause makes it %s, was %s", got, until)
	}
	w.worker.Resume()
	if _, _, ok := w.worker.Pick(); ok {
		t.Error("good credentials end a pause that the app asked for")
	}
	w.run("another token")
	w.worker.Enqueue(account("kim"), ClassChange, "", 0)
	if _, _, ok := w.worker.Pick(); ok || !w.worker.PausedUntil().Equal(until) {
		t.Error("a restarted app forgets the pause")
	}
	w.clock.Step(13 * time.Minute)
	if _, _, ok := w.worker.Pick(); !ok {
		t.Error("the pause does not end")
	}
}

// The moment is in the status of the app, and survives a failover; one from a clock that was ahead is bounded.
func TestPauseOfAnEarlierProcess(t *testing.T) {
	for ahead, want := range map[time.Duration]time.Duration{10 * time.Minute: 10 * time.Minute, 1000 * time.Hour: MaxPause, -time.Minute: -time.Minute} {
		w := newWorld(t, nil)
		w.registry.Stop(pt.Key("crm"))
		if !w.registry.Run(Config{Key: pt.Key("crm"), Connector: w.script, Settle: settleTime, PausedUntil: w.clock.Now().Add(ahead)}) {
			t.Fatal("the app does not run")
		}
		if got := w.registry.Get(pt.Key("crm")).PausedUntil().Sub(w.clock.Now()); got != want {
			t.Errorf("%s ahead: paused for %s, want %s", ahead, got, want)
		}
	}
}
