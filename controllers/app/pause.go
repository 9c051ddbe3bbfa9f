// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// pauseMoved is the smallest change of a pause that is worth a status write.
const pauseMoved = time.Second

// notePause records the pause that the app asked for: from the running app, if any, from an earlier test of the credentials, and
// from the status, which survives a restart and a failover. The latest time wins.
func (r *Reconciler) notePause(s *scope, running *provisioner.Worker) {
	if running != nil {
		s.connection.pauseUntil(running.PausedUntil())
	}
	now := r.Clock.Now()
	if recorded := s.app.Status.PausedUntil; recorded != nil && s.app.Status.BaseURL == address(s) && !s.connection.paused.After(now) {
		s.connection.pauseUntil(earlier(recorded.Time, now.Add(provisioner.MaxPause)))
	}
}

// noteRetryAfter is notePause for the failure of a credential test, whatever its status. With a rejected token the wait is for that token alone, see testWait.
func (c *connection) noteRetryAfter(err error, now time.Time) {
	if failure := connector.AsError(err); failure != nil && failure.Kind != connector.Credentials && failure.RetryAfter > 0 {
		c.pauseUntil(now.Add(failure.RetryAfter))
	}
}

func (c *connection) pauseUntil(until time.Time) {
	if until.After(c.paused) {
		c.paused = until
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// setPause shows a pause in the status until it is over. An app that asks for one can be reached.
func setPause(s *scope, now time.Time) {
	status, until := &s.app.Status, s.connection.paused
	wait := until.Sub(now)
	if wait <= 0 {
		status.PausedUntil = nil
		return
	}
	s.soon(wait)
	if status.PausedUntil == nil && wait <= provisioner.ShownPause {
		return
	}
	if status.PausedUntil == nil || until.Sub(status.PausedUntil.Time).Abs() > pauseMoved {
		// Status has whole seconds; a pause that is read back must not be shorter.
		status.PausedUntil = &metav1.Time{Time: until.Add(time.Second - 1).Truncate(time.Second)}
	}
	if s.app.Spec.Suspend || s.invalid != "" {
		return
	}
	if reachable := find(s.app, v1alpha1.ConditionReachable); reachable.Status == metav1.ConditionFalse {
		return
	}
	kube.SetCondition(s.app, v1alpha1.ConditionReachable, metav1.ConditionTrue, v1alpha1.ReasonRateLimited,
		"the app asked for no calls until "+status.PausedUntil.UTC().Format(time.RFC3339)+"; pending changes are queued")
}
