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
	// fingerprint of everything that the connection is made of; credentials is that of the part that the app checks. They hold hashes of the
	// token, not the token.
	fingerprint, credentials string
	// first: this process has seen no other connection of the app, so the conditions in the status may be about this one.
	first bool
	// good: the app accepted the same credentials before. It runs on, and its conditions stand, while they are tested again.
	good bool
	// tested: the credential test was good, the app runs.
	tested bool
	// reason and message of a failed test.
	reason, message string
	attempts        int32
	retry           time.Time
	// nextTest is when an app that runs is tested next unless it answers before, zero if that is not decided. idleFailures are the tests of the running app that failed in a row.
	nextTest     time.Time
	idleFailures int32
	// address is the base URL; paused is the time before which the app there asked for no calls.
	address string
	paused  time.Time
	// counted is when the app's accounts were counted last.
	counted time.Time
	// closing: the guard held changes then that did not stand in the users' statuses.
	closing bool
	// mismatch is how the batches that the guard holds differ from those of the status, empty for not at all; mismatchSince is since when.
	mismatch      string
	mismatchSince time.Time
}

// connect submits new or failed credentials for a test, and runs the app once they are accepted. Nothing is written to an app
// before that, nor after a failure (S94). It does not wait for the app: the prober wakes the reconciler with the result, and the registry when
// the former app has ended.
func (r *Reconciler) connect(ctx context.Context, s *scope) error {
	if _, suspended := s.app.Suspended(); suspended || s.invalid != "" {
		r.disconnect(s)
		return nil
	}
	options, err := r.options(ctx, s)
	var problem *kube.SecretProblem
	if errors.As(err, &problem) {
		r.disconnect(s)
		told, err := kube.DistinguishSecret(ctx, r.Live, s.key.Namespace, *problem)
		if err != nil {
			return err
		}
		s.invalid, s.invalidReason = told.Message, told.Reason
		return nil
	}
	if err != nil {
		return err
	}
	s.connection = r.connectionOf(s, fingerprint(s.app, options), credentials(s.app, options))
	running := r.Apps.Get(s.key)
	r.notePause(s, running)
	if running != nil && !s.connection.tested && !s.connection.good {
		// It still runs with the former connection: an old token, another address.
		r.Apps.Stop(s.key)
		running = nil
	}
	if running != nil && s.connection.tested && !running.Health().FailedCredentials() {
		if running.TakeRescan() {
			if err := r.rescan(ctx, s); err != nil {
				return err
			}
		}
		return r.testIdle(s, options, running)
	}
	return r.test(ctx, s, options, running)
}

// disconnect stops the app and its credential test.
func (r *Reconciler) disconnect(s *scope) {
	s.connection = r.connectionOf(s, "", "")
	r.notePause(s, r.Apps.Get(s.key))
	r.Apps.Stop(s.key)
	r.Prober.Cancel(s.key)
}

// connectionOf is the connection as it was left by the last reconcile, or a new one if it is made of something else.
func (r *Reconciler) connectionOf(s *scope, fingerprint, credentials string) *connection {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[client.ObjectKey]*connection{}
	}
	before := r.known[s.key]
	if before != nil && before.fingerprint == fingerprint {
		return before
	}
	next := &connection{fingerprint: fingerprint, credentials: credentials, first: before == nil, address: address(s)}
	if before != nil {
		if before.address == next.address {
			next.paused = before.paused
		}
		next.counted, next.closing = before.counted, before.closing
		next.good = credentials != "" && before.credentials == credentials && (before.tested || before.good)
	}
	r.known[s.key] = next
	return next
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
			MembersPerRequest: int(limits.MembersPerRequest),
		}
	}
	options.MembersPerRequest = learned(s.app)
	return options, nil
}

// fingerprint changes whenever the credentials have to be tested again: with the connection, the limits, the token, the CA, and when a
// person asks for it (S23).
func fingerprint(app *v1alpha1.ScimApp, options scimconn.Options) string {
	concurrency := int32(0)
	if app.Spec.Limits != nil {
		concurrency = app.Spec.Limits.Concurrency
	}
	return hashOf(credentials(app, options), options.Limits, concurrency, app.Annotations[v1alpha1.AnnotationReconcile])
}

// credentials changes whenever an earlier test says nothing about the next one: with the connection, the token and the CA.
func credentials(app *v1alpha1.ScimApp, options scimconn.Options) string {
	return hashOf(app.UID, options.Profile.Name, options.BaseURL, options.Token, options.CABundle, options.ProxyURL)
}

func hashOf(parts ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", parts))
	return hex.EncodeToString(sum[:])
}

// wake enqueues every user and group of the namespace: those that waited for this app are found by their reconciles.
func (r *Reconciler) wake(ctx context.Context, s *scope) error {
	var users v1alpha1.ScimUserList
	if err := r.Client.List(ctx, &users, client.InNamespace(s.key.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the users: %w", err)
	}
	for i := range users.Items {
		user := &users.Items[i]
		if revokes(user, s.key.Name) {
			r.Wake.User(client.ObjectKeyFromObject(user))
			continue
		}
		r.WakeLater(client.ObjectKeyFromObject(user))
	}
	return r.wakeGroups(ctx, s)
}

// revokes reports whether a user may have a revocation for the app to make.
func revokes(user *v1alpha1.ScimUser, app string) bool {
	account := user.Status.Account(app)
	return !user.IsActive() || !user.DeletionTimestamp.IsZero() || (account != nil && account.PendingRevocationTime != nil)
}

// rescan enqueues the users and groups that the app's queue may have refused when it was full.
func (r *Reconciler) rescan(ctx context.Context, s *scope) error {
	users, err := r.View.Planned(ctx, s.key)
	if err != nil {
		return err
	}
	for _, user := range users {
		r.WakeLater(client.ObjectKey{Namespace: s.key.Namespace, Name: user})
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
