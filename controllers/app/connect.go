// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	scimconn "github.com/scim-operator/scim-operator/internal/connector/scim"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// Waits after a failed credential test. A changed Secret or spec is tested at once.
const (
	testRetryBase = 10 * time.Second
	testRetryMax  = 10 * time.Minute
	// testRetryReachable is the longest wait for an app that does not answer: it comes back by itself.
	testRetryReachable = time.Minute
)

// connection is what is known of the way to an app.
type connection struct {
	// fingerprint of everything that the connection is made of. It holds a hash of the token, not the token.
	fingerprint string
	// tested: the credential test was good, the app runs.
	tested bool
	// reason and message of a failed test.
	reason, message string
	attempts        int32
	retry           time.Time
	// counted is when the app's accounts were counted last.
	counted time.Time
	// closing: the guard held changes then that did not stand in the users' statuses.
	closing bool
}

// connect tests the credentials where they are new, or failed before, and runs the app once they are good. Nothing is written to an app
// before that, nor after a failure (S94).
func (r *Reconciler) connect(ctx context.Context, s *scope) error {
	if s.invalid != "" || s.app.Spec.Suspend {
		r.Apps.Stop(s.key)
		s.connection = r.connectionOf(s, "")
		return nil
	}
	options, err := r.options(ctx, s)
	var problem *kube.SecretProblem
	if errors.As(err, &problem) {
		r.Apps.Stop(s.key)
		told, err := kube.DistinguishSecret(ctx, r.Live, s.key.Namespace, *problem)
		if err != nil {
			return err
		}
		s.invalid, s.invalidReason = told.Message, told.Reason
		s.connection = r.connectionOf(s, "")
		return nil
	}
	if err != nil {
		return err
	}
	s.connection = r.connectionOf(s, fingerprint(s.app, options))
	running := r.Apps.Get(s.key)
	if running != nil && !s.connection.tested {
		// It runs with what the connection was made of before: an old token, another address.
		r.Apps.Stop(s.key)
		running = nil
	}
	if running != nil && !running.Health().FailedCredentials() {
		if running.TakeRescan() {
			return r.rescan(ctx, s)
		}
		return nil
	}
	if wait := s.connection.retry.Sub(r.Clock.Now()); wait > 0 {
		s.soon(wait)
		return nil
	}
	return r.test(ctx, s, options, running)
}

// connectionOf is the connection as it was left by the last reconcile, or a new one if it is made of something else.
func (r *Reconciler) connectionOf(s *scope, fingerprint string) *connection {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[client.ObjectKey]*connection{}
	}
	known := r.known[s.key]
	if known == nil || known.fingerprint != fingerprint {
		counted := time.Time{}
		if known != nil {
			counted = known.counted
		}
		known = &connection{fingerprint: fingerprint, counted: counted}
		r.known[s.key] = known
	}
	return known
}

// test tests the credentials and starts, resumes or stops the app by the result.
func (r *Reconciler) test(ctx context.Context, s *scope, options scimconn.Options, running *provisioner.App) error {
	conn, err := r.open(options)
	if err != nil {
		r.Apps.Stop(s.key)
		s.invalid, s.invalidReason = "spec.scim: "+err.Error(), v1alpha1.ReasonInvalidConfiguration
		return nil //nolint:nilerr // it is for a person, and stands in the status
	}
	testErr := conn.Test(ctx)
	now := r.Clock.Now()
	if testErr != nil {
		conn.Close()
		r.Apps.Stop(s.key)
		s.connection.tested = false
		s.connection.attempts++
		s.connection.reason, s.connection.message = provisioner.ReasonOf(testErr), testErr.Error()
		wait := kube.Jitter(testWait(testErr, s.connection.attempts))
		s.connection.retry = now.Add(wait)
		s.soon(wait)
		return nil
	}
	*s.connection = connection{fingerprint: s.connection.fingerprint, tested: true, counted: s.connection.counted}
	if running != nil {
		conn.Close()
		running.Resume()
		return nil
	}
	concurrency := 0
	if s.app.Spec.Limits != nil {
		concurrency = int(s.app.Spec.Limits.Concurrency)
	}
	if !r.Apps.Run(provisioner.Config{Key: s.key, Connector: conn, Concurrency: concurrency, Settle: s.compiled.Profile.SettleTime}) {
		conn.Close()
		s.connection.tested = false
		s.soon(time.Second)
		return nil
	}
	return r.wake(ctx, s)
}

// open makes the connector of an app.
func (r *Reconciler) open(options scimconn.Options) (connector.Connector, error) {
	if r.NewConnector != nil {
		return r.NewConnector(options)
	}
	return scimconn.New(options)
}

// testWait is how long to wait after a failed test: longer where a person has to act, and as long as the app asks for.
func testWait(err error, attempts int32) time.Duration {
	limit := testRetryMax
	failure := connector.AsError(err)
	if failure != nil && failure.Retriable() {
		limit = testRetryReachable
	}
	wait := kube.Backoff(attempts, testRetryBase, limit)
	if failure != nil {
		wait = max(wait, failure.RetryAfter)
	}
	return wait
}

// options read the Secrets and put together what the connection is made of.
func (r *Reconciler) options(ctx context.Context, s *scope) (scimconn.Options, error) {
	spec := s.app.Spec.SCIM
	token, err := kube.SecretValue(ctx, r.Client, s.key.Namespace, spec.Token)
	if err != nil {
		return scimconn.Options{}, err
	}
	options := scimconn.Options{
		Profile: s.compiled.Profile, BaseURL: spec.BaseURL, Token: string(token), ProxyURL: spec.ProxyURL,
		Egress: r.Egress, UserAgent: r.UserAgent, Clock: r.Clock.Now, Observe: r.Metrics.Observer(s.key),
	}
	if spec.CA != nil {
		if options.CABundle, err = kube.SecretValue(ctx, r.Client, s.key.Namespace, *spec.CA); err != nil {
			return scimconn.Options{}, err
		}
	}
	if limits := s.app.Spec.Limits; limits != nil {
		options.Limits = connector.Limits{
			PerSecond: float64(limits.RequestsPerMinute) / 60, Burst: int(limits.Burst), Timeout: time.Duration(limits.TimeoutSeconds) * time.Second,
		}
	}
	return options, nil
}

// fingerprint changes whenever the credentials have to be tested again: with the connection, the limits, the token, the CA, and when a
// person asks for it (S23).
func fingerprint(app *v1alpha1.ScimApp, options scimconn.Options) string {
	concurrency := int32(0)
	if app.Spec.Limits != nil {
		concurrency = app.Spec.Limits.Concurrency
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %v %d %q %q", app.UID, options.Profile.Name, options.BaseURL, options.Token, options.CABundle,
		options.Limits, concurrency, options.ProxyURL, app.Annotations[v1alpha1.AnnotationReconcile]))
	return hex.EncodeToString(sum[:])
}

// wake has every user and group of the namespace looked at: what waited for this app is found by the cache.
func (r *Reconciler) wake(ctx context.Context, s *scope) error {
	var users v1alpha1.ScimUserList
	if err := r.Client.List(ctx, &users, client.InNamespace(s.key.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the users: %w", err)
	}
	for i := range users.Items {
		r.Wake.User(client.ObjectKeyFromObject(&users.Items[i]))
	}
	return r.wakeGroups(ctx, s)
}

// rescan has those looked at that the app's queue may have refused when it was full.
func (r *Reconciler) rescan(ctx context.Context, s *scope) error {
	users, err := r.View.Planned(ctx, s.key)
	if err != nil {
		return err
	}
	for _, user := range users {
		r.Wake.User(client.ObjectKey{Namespace: s.key.Namespace, Name: user})
	}
	return r.wakeGroups(ctx, s)
}

func (r *Reconciler) wakeGroups(ctx context.Context, s *scope) error {
	var groups v1alpha1.ScimGroupList
	if err := r.Client.List(ctx, &groups, client.InNamespace(s.key.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the groups: %w", err)
	}
	for i := range groups.Items {
		r.Wake.Group(client.ObjectKeyFromObject(&groups.Items[i]))
	}
	return nil
}
