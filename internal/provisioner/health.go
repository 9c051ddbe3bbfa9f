// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// Waits after failures of an app as a whole.
const (
	// rateLimitPause is the pause if an app asks to wait and does not say how long.
	rateLimitPause = 30 * time.Second
	// credentialsPause holds the calls until the ScimApp's reconciler has tested the credentials again, which resumes them.
	credentialsPause = time.Hour
	// keyFailures in a row of one key, while the credentials are found good, make it a failure of that account.
	keyFailures = 5
	// testMemory is how long a good test of the credentials makes another one unnecessary.
	testMemory = 10 * time.Second
	// ShownPause is the shortest pause that the status of the ScimApp shows.
	ShownPause = 5 * time.Second
)

// Health is what is wrong with an app as a whole.
type Health struct {
	// Reason is one of v1alpha1.Reason..., empty while all is well.
	Reason, Message string
}

// Resume ends the wait for good credentials. A pause that the app asked for stays.
func (w *Worker) Resume() {
	w.setHealth(Health{})
	w.queue.unblock()
}

// Health is what is wrong with the app as a whole.
func (w *Worker) Health() Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.health
}

// breakerError returns the error if it is one that opens the breaker.
func breakerError(line *line, err error) error {
	if !line.used {
		return errNotCalled
	}
	if failure := connector.AsError(err); failure != nil && failure.Scope() == connector.ScopeApp && opensBreaker(failure.Kind) {
		return failure
	}
	return nil
}

// opensBreaker reports whether a kind of failure opens the breaker: the app does not answer, or not in its protocol. NotFound of the app as a whole
// means that the endpoint does not exist.
func opensBreaker(kind connector.Kind) bool {
	switch kind {
	case connector.Unreachable, connector.Timeout, connector.ServerError, connector.UnexpectedAnswer, connector.NotFound:
		return true
	default:
		return false
	}
}

// Answered is when the app last answered a call as it should, zero if it has not been called.
func (w *Worker) Answered() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tested.After(w.lastAnswer) {
		return w.tested
	}
	return w.lastAnswer
}

// Fail handles the failure of a credential test that is not about the credentials: nothing is announced until the app answers. The calls go on, for they find out first.
func (w *Worker) Fail(failure *connector.Error) {
	if failure == nil {
		return
	}
	if failure.Kind == connector.RateLimited {
		w.pause(w.clock.Now().Add(kube.Jitter(pauseOf(failure))))
		return
	}
	w.setHealth(Health{Reason: reasonOf(failure.Kind), Message: failure.Error()})
}

// pauseOf is for how long the app asks for no calls.
func pauseOf(failure *connector.Error) time.Duration {
	if failure.RetryAfter > 0 {
		return failure.RetryAfter
	}
	return rateLimitPause
}

// answered records that the app works. Rejected credentials stay rejected until a test: the answer may belong to a call that was sent before.
func (w *Worker) answered(line *line) {
	w.mu.Lock()
	w.lastAnswer = w.clock.Now()
	w.mu.Unlock()
	if !line.alone {
		w.ledger.ClearFailures(line.id)
	}
	w.recovered()
}

// recovered ends what is wrong with the app as a whole, unless it is about credentials.
func (w *Worker) recovered() {
	if w.breaker.State() == gobreaker.StateClosed {
		w.changeHealth(func(h Health) Health {
			if aboutCredentials(h.Reason) {
				return h
			}
			return Health{}
		})
	}
}

// appFailed handles a failure of the app as a whole: the calls wait, and the ScimApp says why.
func (w *Worker) appFailed(key Key, line *line, failure *connector.Error) {
	now := w.clock.Now()
	health := Health{Reason: reasonOf(failure.Kind), Message: failure.Error()}
	switch {
	case failure.OwnLimit && failure.RetryAfter <= connector.MaxUrgentWait:
		w.queue.throttle(now.Add(failure.RetryAfter))
		w.queue.again(key, failure.RetryAfter)
	case failure.Kind == connector.RateLimited:
		w.pause(now.Add(kube.Jitter(pauseOf(failure))))
		w.queue.again(key, 0)
	case failure.Kind == connector.Credentials, failure.Kind == connector.Forbidden:
		w.queue.block(now.Add(credentialsPause))
		w.queue.again(key, 0)
		w.setHealth(health)
	default:
		wait := kube.Jitter(kube.Backoff(w.ledger.CountFailure(line.id), time.Second, time.Minute))
		w.ledger.BackOff(line.id, line.attempt, now.Add(wait))
		w.queue.again(key, wait)
		if failure.RetryAfter > 0 {
			w.pause(now.Add(kube.Jitter(failure.RetryAfter)))
		}
		if w.breaker.State() != gobreaker.StateClosed {
			w.queue.pause(now.Add(breakerPause))
			w.setHealth(health)
		}
	}
}

// pause keeps the app from being called, as it asked; the latest moment wins. The ScimApp shows a pause of some length.
func (w *Worker) pause(until time.Time) {
	w.ledger.Pause(until)
	w.queue.pause(w.ledger.PausedUntil())
	if until.Sub(w.clock.Now()) > ShownPause {
		w.notify.App(w.config.Key)
	}
}

func aboutCredentials(reason string) bool {
	return reason == v1alpha1.ReasonCredentialsRejected || reason == v1alpha1.ReasonInsufficientPermissions
}

// FailedCredentials reports whether the app does not run because of its credentials.
func (h Health) FailedCredentials() bool { return aboutCredentials(h.Reason) }

// concernsOne reports whether a failure concerns the account or group alone. An app that refuses one of them, or fails repeatedly on it, but
// accepts the credentials, works otherwise. remoteID is the account's id in the app, empty where there is none.
func (w *Worker) concernsOne(ctx context.Context, id ledger.ID, failure *connector.Error, remoteID string) bool {
	switch {
	case failure.Scope() == connector.ScopeAccount, failure.Kind == connector.Unsupported:
		return true
	case failure.Kind == connector.Credentials:
		return w.test(ctx) == nil
	case failure.Kind == connector.Forbidden:
		return w.testedLately() || w.test(ctx) == nil
	case opensBreaker(failure.Kind):
		return w.blames(ctx, id, failure, remoteID) || w.ledger.Failures(id) >= keyFailures-1 && (w.testedLately() || w.test(ctx) == nil)
	default:
		return false
	}
}

// test tests the credentials without side effects.
func (w *Worker) test(ctx context.Context) error {
	if err := w.config.Connector.Test(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tested = w.clock.Now()
	return nil
}

// testedLately reports whether a recent test makes another one unnecessary: many accounts may fail in a row.
func (w *Worker) testedLately() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock.Since(w.tested) < testMemory
}

// reasonOf is the reason that a person sees for a kind of failure.
func reasonOf(kind connector.Kind) string {
	switch kind {
	case connector.Credentials:
		return v1alpha1.ReasonCredentialsRejected
	case connector.NoSeats:
		return v1alpha1.ReasonNoSeats
	case connector.Forbidden:
		return v1alpha1.ReasonInsufficientPermissions
	case connector.RateLimited:
		return v1alpha1.ReasonRateLimited
	case connector.ServerError:
		return v1alpha1.ReasonServerError
	case connector.UnexpectedAnswer, connector.NotFound, connector.Unconfirmed:
		return v1alpha1.ReasonUnexpectedAnswer
	case connector.Unsupported:
		return v1alpha1.ReasonUnsupportedFeature
	case connector.UnusableAnswer:
		return v1alpha1.ReasonUnusableAnswer
	case connector.Conflict:
		return v1alpha1.ReasonAccountConflict
	case connector.Invalid:
		return v1alpha1.ReasonRejected
	default:
		return v1alpha1.ReasonUnreachable
	}
}

// ReasonOf is the reason that a person sees for an error of a connector.
func ReasonOf(err error) string { return reasonOf(connector.KindOf(err)) }

func (w *Worker) setHealth(health Health) {
	w.changeHealth(func(Health) Health { return health })
}

// changeHealth keeps the first message of a reason: each call would have another one.
func (w *Worker) changeHealth(change func(Health) Health) {
	w.mu.Lock()
	health := change(w.health)
	changed := w.health.Reason != health.Reason
	if changed {
		w.health = health
	}
	w.mu.Unlock()
	if changed {
		w.notify.App(w.config.Key)
	}
}
