// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

func TestLatestPauseWinsAndSurvivesARestart(t *testing.T) {
	for name, tc := range map[string]struct {
		known    time.Duration
		recorded time.Duration
		// elsewhere: the status describes another address.
		elsewhere bool
		test      error
		want      time.Duration
	}{
		"nothing is known":                {},
		"read back after a restart":       {recorded: time.Minute, want: time.Minute},
		"the clock was ahead":             {recorded: 48 * time.Hour, want: time.Hour},
		"known beyond the bound":          {known: 2 * time.Hour, recorded: 2 * time.Hour, want: 2 * time.Hour},
		"of another address":              {recorded: time.Minute, elsewhere: true},
		"a test is refused for longer":    {known: time.Minute, test: &connector.Error{Kind: connector.RateLimited, RetryAfter: time.Hour}, want: time.Hour},
		"a test is refused for less long": {known: time.Hour, test: &connector.Error{Kind: connector.RateLimited, RetryAfter: time.Minute}, want: time.Hour},
		"a test fails and names a time":   {test: &connector.Error{Kind: connector.ServerError, RetryAfter: time.Minute}, want: time.Minute},
		"a test fails otherwise":          {test: &connector.Error{Kind: connector.ServerError}},
		"a token is rejected":             {test: &connector.Error{Kind: connector.Credentials, RetryAfter: time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
			r := &Reconciler{Clock: clocktesting.NewFakePassiveClock(now)}
			s := &scope{key: pt.Key("crm"), app: pt.App("crm"), connection: &connection{}}
			s.app.Status.BaseURL = s.app.Spec.SCIM.BaseURL
			if tc.elsewhere {
				s.app.Status.BaseURL = "https://elsewhere.test"
			}
			if tc.known > 0 {
				s.connection.paused = now.Add(tc.known)
			}
			if tc.recorded > 0 {
				s.app.Status.PausedUntil = &metav1.Time{Time: now.Add(tc.recorded)}
			}
			r.notePause(s, nil)
			if tc.test != nil {
				s.connection.noteRetryAfter(tc.test, now)
			}
			got := time.Duration(0)
			if !s.connection.paused.IsZero() {
				got = s.connection.paused.Sub(now)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStatusShowsAPause(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(d)} }
	for name, tc := range map[string]struct {
		recorded   *metav1.Time
		pause      time.Duration
		connection connection
		suspend    bool
		want       *metav1.Time
		conditions [2]string
	}{
		"none":                 {connection: connection{tested: true}, conditions: [2]string{"True Succeeded", "True Succeeded"}},
		"over":                 {recorded: at(-time.Second), pause: -time.Second, connection: connection{tested: true}, conditions: [2]string{"True Succeeded", "True Succeeded"}},
		"short":                {pause: 5 * time.Second, connection: connection{tested: true}, conditions: [2]string{"True Succeeded", "True Succeeded"}},
		"long":                 {pause: time.Minute, connection: connection{tested: true}, want: at(time.Minute), conditions: [2]string{"True RateLimited", "True Succeeded"}},
		"whole seconds":        {pause: 6100 * time.Millisecond, connection: connection{tested: true}, want: at(7 * time.Second), conditions: [2]string{"True RateLimited", "True Succeeded"}},
		"hardly moved":         {recorded: at(time.Minute), pause: time.Minute + time.Second, connection: connection{tested: true}, want: at(time.Minute), conditions: [2]string{"True RateLimited", "True Succeeded"}},
		"nearly over":          {recorded: at(time.Second), pause: time.Second, connection: connection{tested: true}, want: at(time.Second), conditions: [2]string{"True RateLimited", "True Succeeded"}},
		"the test was refused": {pause: time.Minute, connection: connection{reason: v1alpha1.ReasonRateLimited}, want: at(time.Minute), conditions: [2]string{"True RateLimited", "Unknown NotTested"}},
		"suspended":            {recorded: at(time.Minute), pause: time.Minute, suspend: true, want: at(time.Minute), conditions: [2]string{"Unknown Suspended", "False Suspended"}},
		"out of reach as well": {pause: time.Minute, connection: connection{reason: v1alpha1.ReasonUnreachable}, want: at(time.Minute), conditions: [2]string{"False Unreachable", "Unknown NotTested"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scope{app: pt.App("crm"), connection: &tc.connection}
			s.app.Spec.Suspend, s.app.Status.PausedUntil = tc.suspend, tc.recorded
			s.connection.paused = now.Add(tc.pause)
			setStatus(s, runState{})
			setPause(s, now)
			if diff := cmp.Diff(tc.want, s.app.Status.PausedUntil); diff != "" {
				t.Error(diff)
			}
			got := [2]string{short(s.app, v1alpha1.ConditionReachable), short(s.app, v1alpha1.ConditionReady)}
			if diff := cmp.Diff(tc.conditions, got); diff != "" {
				t.Error(diff)
			}
			if want := max(tc.pause, 0); s.requeue != want {
				t.Errorf("it comes back in %s, want %s", s.requeue, want)
			}
		})
	}
}
