// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/sony/gobreaker/v2"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// What the calls of one app are paced by.
const (
	defaultConcurrency = 4
	queueLimit         = 10_000
	// callTimeout bounds all calls for one key: short enough that an old leader has stopped calling before a new one starts.
	callTimeout = 30 * time.Second
	// breakerFailures in a row open the breaker for breakerPause; then one key is tried.
	breakerFailures = 5
	breakerPause    = 10 * time.Second
	// rateLimitPause is how long an app that asks to wait without saying how long is left alone.
	rateLimitPause = 30 * time.Second
	// credentialsPause holds the calls until the ScimApp's reconciler has tested the credentials again, which resumes them.
	credentialsPause = time.Hour
	// trialPause is how long keys wait for another one that tries whether the app is well again.
	trialPause = time.Second
	// keyFailures in a row of one key, while the credentials are found good, make it a failure of that account.
	keyFailures = 5
	// testMemory is how long a good test of the credentials spares another one.
	testMemory = 10 * time.Second
)

// Config is an app to run.
type Config struct {
	Key         types.NamespacedName
	Connector   connector.Connector
	Concurrency int
	// Settle is how long after a create whose outcome is unknown the account may still not show.
	Settle time.Duration
}

// Health is what is wrong with an app as a whole.
type Health struct {
	// Reason is one of v1alpha1.Reason..., empty while all is well.
	Reason, Message string
}

// App is a running app.
type App struct {
	config  Config
	view    *desired.View
	clock   clock.Clock
	log     logr.Logger
	metrics *Metrics
	notify  Notify
	queue   *queue
	gate    *gate
	// patience knows what waits for its next try.
	patience *patience
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]
	started  time.Time
	recent   *recentRevocations
	// rescan: the queue refused something that has room now.
	rescan atomic.Bool

	cancel  context.CancelFunc
	workers sync.WaitGroup
	manual  *manual

	mu     sync.Mutex
	health Health
	// unknown is when the outcome of a create became unknown; intents are the creates that this process decided itself.
	unknown  map[Key]time.Time
	intents  map[Key]bool
	failures map[Key]int
	// tested is when the credentials were last found good.
	tested time.Time
	// owners are the users that an account was linked to lately, before the cache shows it.
	owners owners
}

func newApp(config Config, r *Registry) *App {
	if config.Concurrency <= 0 {
		config.Concurrency = defaultConcurrency
	}
	a := &App{
		config: config, view: r.view, clock: r.clock, log: r.log.WithValues("namespace", config.Key.Namespace, "app", config.Key.Name),
		metrics: r.metrics, notify: r.notify, queue: newQueue(queueLimit, r.clock.Now), started: r.clock.Now(),
		unknown: map[Key]time.Time{}, intents: map[Key]bool{}, failures: map[Key]int{}, owners: newOwners(),
	}
	if r.Manual {
		a.manual = &manual{registry: r}
	}
	a.gate = newGate(a)
	a.breaker = newBreaker(breakerPause)
	return a
}

func newBreaker(pause time.Duration) *gobreaker.TwoStepCircuitBreaker[struct{}] {
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: 1, Timeout: pause,
		ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= breakerFailures },
		IsExcluded:  func(err error) bool { return errors.Is(err, errNotCalled) },
	})
}

func (a *App) start(ctx context.Context) {
	ctx, a.cancel = context.WithCancel(ctx)
	if a.manual != nil {
		a.manual.ctx = ctx
		return
	}
	a.workers.Add(a.config.Concurrency + 1)
	for range a.config.Concurrency {
		go a.work(ctx)
	}
	go a.gate.run(ctx)
}

func (a *App) stop() {
	a.cancel()
	a.workers.Wait()
	a.config.Connector.Close()
}

// Enqueue asks for a look at an account or group. It does nothing more if it is refused because the queue is full: a scan finds it again.
func (a *App) Enqueue(key Key, class Class, exclusive string, delay time.Duration) {
	a.queue.add(key, class, exclusive, delay)
	a.metrics.queueDepth(a.config.Key, a.queue.depth())
}

// Resume ends a pause after the credentials were found good.
func (a *App) Resume() {
	a.setHealth(Health{})
	a.queue.resume()
}

// Health is what is wrong with the app as a whole.
func (a *App) Health() Health {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.health
}

// HeldBatch is the batch in which the guard holds a change of the user's account, "" for none.
func (a *App) HeldBatch(user string, action v1alpha1.AccountAction) string {
	return a.gate.batchOf(user, string(action))
}

// HeldBatches are the digests of the batches that wait for a person, sorted.
func (a *App) HeldBatches() []string { return a.gate.batches() }

// HeldChanges are the changes that wait for a person, by the user's object name, whether their statuses say so already or not.
func (a *App) HeldChanges() map[string]desired.HeldChange { return a.gate.changes() }

// Recheck makes the guard count again, as after an approval.
func (a *App) Recheck() { a.gate.submit() }

// TakeRescan is whether keys were refused that have room now. It is true once.
func (a *App) TakeRescan() bool { return a.rescan.Swap(false) }

func (a *App) work(ctx context.Context) {
	defer a.workers.Done()
	for {
		key, ok := a.queue.next(ctx)
		if !ok {
			return
		}
		a.look(ctx, key)
	}
}

// look is one look at a key that was picked.
func (a *App) look(ctx context.Context, key Key) {
	a.handle(ctx, key)
	if a.queue.done(key) {
		a.rescan.Store(true)
		a.notify.App(a.config.Key)
	}
	a.report(key)
	a.metrics.queueDepth(a.config.Key, a.queue.depth())
}

// report tells the reconciler of an outcome, once the key is not worked on any more: it would wait for further outcomes otherwise.
func (a *App) report(key Key) {
	object := types.NamespacedName{Namespace: a.config.Key.Namespace, Name: key.Name}
	switch {
	case key.Kind == KindGroup && a.view.Groups.Pending(object):
		a.notify.Group(object)
	case key.Kind == KindAccount && a.view.Users.Pending(object):
		a.notify.User(object)
	}
}

// handle works on a key: one look, and the calls for one change.
func (a *App) handle(ctx context.Context, key Key) {
	done, err := a.breaker.Allow()
	if err != nil {
		a.refuse(key, err)
		return
	}
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	line := &line{to: a.config.Connector}
	switch key.Kind {
	case KindGroup:
		err = a.syncGroup(bounded, key, line)
	default:
		err = a.syncAccount(bounded, key, line)
	}
	done(breakerError(line, err))
	if ctx.Err() == nil {
		a.settle(key, line, err)
	}
}

// idle ends a look at a key that needs nothing. If it was let through to find out whether the app is back, a test does that instead of the change that has
// disappeared: nothing else may come for days, and the ScimApp would be Unreachable all that time.
func (a *App) idle(ctx context.Context, key Key, line *line) error {
	a.forget(key)
	if a.breaker.State() != gobreaker.StateClosed {
		return line.connector().Test(ctx)
	}
	return nil
}

// line leads to the app and knows whether it was used: a look that called nobody says nothing about the app.
type line struct {
	to   connector.Connector
	used bool
	// alone: it failed, and that is the trouble of this account or group alone.
	alone bool
}

func (l *line) connector() connector.Connector {
	l.used = true
	return l.to
}

// errNotCalled tells the breaker that there was no call.
var errNotCalled = errors.New("the app was not called")

// refuse puts back a key that the breaker does not let through. When it is half open, another key is the trial.
func (a *App) refuse(key Key, err error) {
	pause := breakerPause
	if errors.Is(err, gobreaker.ErrTooManyRequests) {
		pause = trialPause
	}
	a.queue.pause(a.clock.Now().Add(pause))
	a.queue.again(key, 0)
}

// breakerError is the error if it says that the app is in trouble.
func breakerError(line *line, err error) error {
	if !line.used {
		return errNotCalled
	}
	if failure := connector.AsError(err); failure != nil && failure.Scope() == connector.ScopeApp && troubles(failure.Kind) {
		return failure
	}
	return nil
}

// troubles are the kinds of failures that make the breaker open: the app does not answer, or not as one of its kind. NotFound of the app as
// a whole is an endpoint that is not there.
func troubles(kind connector.Kind) bool {
	switch kind {
	case connector.Unreachable, connector.Timeout, connector.ServerError, connector.UnexpectedAnswer, connector.NotFound:
		return true
	default:
		return false
	}
}

// settle decides what came of a key. Errors of one account have become its outcome before.
func (a *App) settle(key Key, line *line, err error) {
	if err == nil {
		if line.used {
			a.answered(key, line.alone)
		}
		return
	}
	var again *retryLater
	if errors.As(err, &again) {
		a.queue.again(key, again.after)
		return
	}
	failure := connector.AsError(err)
	if failure == nil {
		a.log.Error(err, "Cannot decide what an app needs; it is tried again", "kind", key.Kind, "name", key.Name)
		a.queue.again(key, kube.Jitter(time.Second))
		return
	}
	if failure.UnknownOutcome() {
		a.markUnknown(key)
	}
	a.suffer(key, failure)
}

// answered: the app is well. What is wrong with the credentials stays until they were tested: another call may have been under way still.
func (a *App) answered(key Key, failedAlone bool) {
	if !failedAlone {
		a.mu.Lock()
		delete(a.failures, key)
		a.mu.Unlock()
	}
	if a.breaker.State() == gobreaker.StateClosed {
		a.changeHealth(func(h Health) Health {
			if aboutCredentials(h.Reason) {
				return h
			}
			return Health{}
		})
	}
}

// suffer deals with a failure of the app as a whole: the calls wait, and the ScimApp says why.
func (a *App) suffer(key Key, failure *connector.Error) {
	now := a.clock.Now()
	health := Health{Reason: reasonOf(failure.Kind), Message: failure.Error()}
	switch failure.Kind {
	case connector.RateLimited:
		wait := failure.RetryAfter
		if wait <= 0 {
			wait = rateLimitPause
		}
		a.queue.pause(now.Add(kube.Jitter(wait)))
		a.queue.again(key, 0)
	case connector.Credentials, connector.Forbidden:
		a.queue.pause(now.Add(credentialsPause))
		a.queue.again(key, 0)
		a.setHealth(health)
	default:
		a.queue.again(key, kube.Jitter(kube.Backoff(a.countFailure(key), time.Second, time.Minute)))
		if a.breaker.State() != gobreaker.StateClosed {
			a.queue.pause(now.Add(breakerPause))
			a.setHealth(health)
		}
	}
}

func aboutCredentials(reason string) bool {
	return reason == v1alpha1.ReasonCredentialsRejected || reason == v1alpha1.ReasonInsufficientPermissions
}

// FailedCredentials is whether the app does not run because of its credentials.
func (h Health) FailedCredentials() bool { return aboutCredentials(h.Reason) }

// concernsOne is whether a failure is the trouble of the account or group alone. An app that refuses one of them, or fails over it again
// and again, but finds the credentials good, is well otherwise.
func (a *App) concernsOne(ctx context.Context, key Key, failure *connector.Error) bool {
	switch {
	case failure.Scope() == connector.ScopeAccount, failure.Kind == connector.Unsupported:
		return true
	case failure.Kind == connector.Credentials:
		return a.test(ctx)
	case failure.Kind == connector.Forbidden:
		return a.testedLately() || a.test(ctx)
	case troubles(failure.Kind):
		return a.failedOften(key) && (a.testedLately() || a.test(ctx))
	default:
		return false
	}
}

// test tests the credentials without side effects.
func (a *App) test(ctx context.Context) bool {
	if a.config.Connector.Test(ctx) != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tested = a.clock.Now()
	return true
}

// testedLately is whether a test may be spared: many accounts may fail in a row.
func (a *App) testedLately() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.clock.Since(a.tested) < testMemory
}

// reasonOf is the reason that a person sees for a kind of failure.
func reasonOf(kind connector.Kind) string {
	switch kind {
	case connector.Credentials:
		return v1alpha1.ReasonCredentialsRejected
	case connector.Forbidden:
		return v1alpha1.ReasonInsufficientPermissions
	case connector.RateLimited:
		return v1alpha1.ReasonRateLimited
	case connector.ServerError, connector.UnexpectedAnswer, connector.NotFound:
		return v1alpha1.ReasonServerError
	case connector.Unsupported:
		return v1alpha1.ReasonUnsupportedFeature
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

func (a *App) setHealth(health Health) {
	a.changeHealth(func(Health) Health { return health })
}

// changeHealth keeps the first message of a reason: each call would have another one.
func (a *App) changeHealth(change func(Health) Health) {
	a.mu.Lock()
	health := change(a.health)
	changed := a.health.Reason != health.Reason
	if changed {
		a.health = health
	}
	a.mu.Unlock()
	if changed {
		a.notify.App(a.config.Key)
	}
}

func (a *App) countFailure(key Key) int32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures[key]++
	return int32(min(a.failures[key], 1000))
}

// failedOften is whether this failure is one too many of a key to be the app's.
func (a *App) failedOften(key Key) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failures[key] >= keyFailures-1
}

// forget drops what is remembered of a key that needs nothing, or has got what it needed.
func (a *App) forget(key Key) {
	a.patience.forget(key)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.unknown, key)
	delete(a.intents, key)
	delete(a.failures, key)
}

func (a *App) markUnknown(key Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unknown[key] = a.clock.Now()
}

// Intended says that this process has just written the intent to create: nothing was called for it before.
func (a *App) Intended(key Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.intents[key] = true
}

// unsettled is how long to wait before something that a lookup does not find may be created: an earlier create may still not show.
// An intent that this process did not write may stem from one that died after its call, at the latest when this one started.
func (a *App) unsettled(key Key) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	since, ok := a.unknown[key]
	if !ok {
		if a.intents[key] {
			return 0
		}
		since = a.started
	}
	return max(0, since.Add(a.config.Settle).Sub(a.clock.Now()))
}

// retryLater asks for another look after a time, without a failure.
type retryLater struct{ after time.Duration }

func (r *retryLater) Error() string { return "look again in " + r.after.String() }
