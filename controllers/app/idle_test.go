// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// idleApp is an app that runs and has nothing to do.
type idleApp struct {
	*switchboard
	app    *v1alpha1.ScimApp
	server *tested
}

const testEvery = 10 * time.Minute

func newIdleApp(t *testing.T) *idleApp {
	t.Helper()
	i := &idleApp{server: &tested{takes: time.Second}}
	i.switchboard = newSwitchboard(t, map[string]*tested{"token": i.server})
	i.TestInterval = testEvery
	i.app = i.put("corp", "crm", "generic", "token", 0)
	i.connects(i.app)
	pass(time.Second)
	i.want("at first", i.connects(i.app), runs)
	return i
}

// during reconciles the app as often as the prober and the wait ask for, and says what its conditions are then.
func (i *idleApp) during(d time.Duration) string {
	i.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); pass(time.Second) {
		i.connects(i.app)
	}
	i.connects(i.app)
	return short(i.app, v1alpha1.ConditionCredentialsValid) + ", " + short(i.app, v1alpha1.ConditionReachable)
}

func (i *idleApp) running() *provisioner.Worker { return i.Apps.Get(client.ObjectKeyFromObject(i.app)) }

func (i *idleApp) tests(what string, want int) {
	i.t.Helper()
	if i.server.tests != want {
		i.t.Errorf("%s: %d tests, want %d", what, i.server.tests, want)
	}
}

const bothGood = "True Succeeded, True Succeeded"

func TestIdleAppIsTestedAgainAtIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIdleApp(t)
		former := i.running()
		i.want("before the interval is over", i.during(testEvery-time.Minute), bothGood)
		i.tests("before the interval is over", 1)
		i.want("after an hour", i.during(time.Hour), bothGood)
		if i.server.tests < 5 || i.server.tests > 7 {
			t.Errorf("%d tests in 70 minutes", i.server.tests)
		}
		if i.running() != former {
			t.Error("a good test has started the app anew")
		}
	})
}

func TestIdleAppWhoseTokenHasExpiredIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIdleApp(t)
		i.server.err = &connector.Error{Op: connector.OpTest, Kind: connector.Credentials, Status: 401}
		i.want("after the interval", i.during(testEvery*5/4), "False CredentialsRejected, True Succeeded")
		if i.running() != nil {
			t.Error("it still runs")
		}
		i.server.err = nil
		i.want("when it is accepted again", i.during(testRetryMax*5/4), bothGood)
	})
}

func TestIdleAppWhoseServerIsGoneIsNotReachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIdleApp(t)
		former := i.running()
		i.server.err = &connector.Error{Op: connector.OpTest, Kind: connector.Unreachable}
		i.want("after the interval", i.during(testEvery*5/4), "True Succeeded, False Unreachable")
		if ready := short(i.app, v1alpha1.ConditionReady); ready != "False "+v1alpha1.ReasonUnreachable {
			t.Errorf("Ready is %s", ready)
		}
		if i.running() != former {
			t.Error("the app was stopped: what is queued would have to be found again")
		}
		i.server.err = nil
		i.want("when it answers again", i.during(2*testRetryReachable), bothGood)
	})
}

func TestIdleAppThatAsksForFewerCallsIsReachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIdleApp(t)
		i.server.err = &connector.Error{Op: connector.OpTest, Kind: connector.RateLimited, Status: 429, RetryAfter: time.Hour}
		i.want("after the interval", i.during(testEvery*5/4), bothGood)
		before := i.server.tests
		i.during(time.Hour - testEvery)
		i.tests("during the pause", before)
		if !i.running().PausedUntil().After(time.Now()) {
			t.Error("the pause is not kept")
		}
	})
}

func TestAppThatAnswersCallsIsNotTested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIdleApp(t)
		for range 12 {
			// A worker that is told of a failure calls the app with the next key, and the app answers.
			i.running().Fail(&connector.Error{Op: connector.OpTest, Kind: connector.Timeout})
			i.running().Enqueue(provisioner.Key{Kind: provisioner.KindAccount, Name: "nobody"}, provisioner.ClassChange, "", 0)
			i.want("all the time", i.during(testEvery/2), bothGood)
		}
		i.tests("those of the worker, and the first one", 1+12)
	})
}
