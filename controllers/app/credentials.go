// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	scimconn "github.com/scim-operator/scim-operator/internal/connector/scim"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// startRetry is the wait before another attempt to start an app whose credentials were accepted.
const startRetry = time.Second

// test submits a credential test when one is due. When its result is there, it starts, resumes or stops the app accordingly.
func (r *Reconciler) test(ctx context.Context, s *scope, options scimconn.Options, running *provisioner.Worker) error {
	result, exists := r.Prober.Result(s.key, s.connection.fingerprint)
	if result != nil {
		return r.conclude(ctx, s, result, running)
	}
	if exists {
		return nil
	}
	now := r.Clock.Now()
	if wait := max(s.connection.retry.Sub(now), s.connection.paused.Sub(now)); wait > 0 {
		s.soon(wait)
		return nil
	}
	return r.submit(s, options, s.connection.attempts > 0)
}

// submit submits a credential test. repeats: those of new and changed credentials go first.
func (r *Reconciler) submit(s *scope, options scimconn.Options, repeats bool) error {
	conn, err := r.connector(options)
	if err != nil {
		r.Apps.Stop(s.key)
		s.invalid, s.invalidReason = "spec.scim: "+err.Error(), v1alpha1.ReasonInvalidConfiguration
		return nil //nolint:nilerr // it is for a person, and stands in the status
	}
	r.Prober.Submit(Test{Key: s.key, Fingerprint: s.connection.fingerprint, Connector: conn, Retry: repeats})
	return nil
}

func (r *Reconciler) connector(options scimconn.Options) (connector.Connector, error) {
	if r.NewConnector != nil {
		return r.NewConnector(options)
	}
	return scimconn.New(options)
}

// conclude acts on the result of a credential test.
func (r *Reconciler) conclude(ctx context.Context, s *scope, result *TestResult, running *provisioner.Worker) error {
	if result.Err != nil {
		r.Prober.Cancel(s.key)
		r.Apps.Stop(s.key)
		r.failed(s, result.Err)
		return nil //nolint:nilerr // it stands in the status
	}
	if running != nil && s.connection.tested {
		r.Prober.Cancel(s.key)
		s.connection.succeeded()
		running.Resume()
		return nil
	}
	// It runs with former limits, or a person asked for the test, which ends its waits.
	r.Apps.Stop(s.key)
	if !r.Apps.Run(r.runConfig(s, result.Connector)) {
		// The prober keeps the result until the former app has ended.
		s.soon(startRetry)
		return nil
	}
	r.Prober.Release(s.key)
	s.connection.succeeded()
	return r.wake(ctx, s)
}

func (r *Reconciler) runConfig(s *scope, conn connector.Connector) provisioner.Config {
	config := provisioner.Config{
		Key: s.key, Connector: conn, Settle: s.compiled.Profile.SettleTime, Credentials: s.connection.credentials, PausedUntil: s.connection.paused,
		NoSeats: noSeats(s.app),
	}
	if s.app.Spec.Limits != nil {
		config.Concurrency = int(s.app.Spec.Limits.Concurrency)
	}
	return config
}

func (c *connection) succeeded() {
	c.tested, c.good, c.first = true, false, false
	c.reason, c.message, c.attempts, c.retry = "", "", 0, time.Time{}
	c.nextTest, c.idleFailures = time.Time{}, 0
}

// failed remembers the failure of a test and when it is repeated.
func (r *Reconciler) failed(s *scope, err error) {
	c := s.connection
	c.tested, c.good, c.first = false, false, false
	c.attempts++
	c.reason, c.message = provisioner.ReasonOf(err), err.Error()
	now := r.Clock.Now()
	c.noteRetryAfter(err, now)
	wait := kube.Jitter(testWait(err, c.attempts))
	c.retry = now.Add(wait)
	s.soon(wait)
}
