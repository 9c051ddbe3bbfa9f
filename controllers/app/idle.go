// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	scimconn "github.com/scim-operator/scim-operator/internal/connector/scim"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// testIdle tests the credentials of a running app again when it has not answered for TestInterval: without changes for it, nobody would notice that its server is gone or that its
// token has expired.
func (r *Reconciler) testIdle(s *scope, options scimconn.Options, running *provisioner.Worker) error {
	if r.TestInterval <= 0 {
		return nil
	}
	result, exists := r.Prober.Result(s.key, s.connection.fingerprint)
	switch {
	case result != nil:
		r.concludeIdle(s, result.Err, running)
		return nil
	case exists:
		return nil
	}
	if wait := r.untilIdleTest(s.connection, running); wait > 0 {
		s.soon(wait)
		return nil
	}
	return r.submit(s, options, true)
}

// untilIdleTest is how long to wait before the next test of a running app. An answer to another call makes it unnecessary, and an app that fails calls is called again anyway.
func (r *Reconciler) untilIdleTest(c *connection, running *provisioner.Worker) time.Duration {
	now := r.Clock.Now()
	failing := running.Health().Reason != ""
	if !failing {
		c.idleFailures = 0
	}
	if c.nextTest.IsZero() {
		c.nextTest = now.Add(kube.Jitter(r.TestInterval))
	}
	if !c.nextTest.After(now) && c.idleFailures == 0 {
		if answered := running.Answered(); failing {
			c.nextTest = now.Add(kube.Jitter(testRetryReachable))
		} else if now.Sub(answered) < r.TestInterval {
			c.nextTest = answered.Add(kube.Jitter(r.TestInterval))
		}
	}
	return max(c.nextTest.Sub(now), c.paused.Sub(now))
}

// concludeIdle acts on the result of a test of a running app. Only rejected credentials stop it: an app that cannot be reached is tested again soon, and may answer the next call.
func (r *Reconciler) concludeIdle(s *scope, err error, running *provisioner.Worker) {
	c, now := s.connection, r.Clock.Now()
	r.Prober.Cancel(s.key)
	switch reason := provisioner.ReasonOf(err); {
	case err == nil:
		if c.idleFailures > 0 {
			running.Resume()
		}
		c.idleFailures, c.nextTest = 0, now.Add(kube.Jitter(r.TestInterval))
	case provisioner.Health{Reason: reason}.FailedCredentials():
		r.Apps.Stop(s.key)
		r.failed(s, err)
		return
	case reason == v1alpha1.ReasonRateLimited:
		// It answers.
		running.Fail(connector.AsError(err))
		c.pauseUntil(running.PausedUntil())
		c.nextTest = c.paused.Add(kube.Jitter(r.TestInterval))
	default:
		running.Fail(connector.AsError(err))
		c.idleFailures++
		c.nextTest = now.Add(kube.Jitter(testWait(err, c.idleFailures)))
	}
	s.soon(c.nextTest.Sub(now))
}
