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

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// Limits and waits of the calls to one app.
const (
	defaultConcurrency = 4
	queueLimit         = 10_000
	// callTimeout bounds all calls for one key: short enough that an old leader has stopped calling before a new one starts.
	callTimeout = 30 * time.Second
	// breakerFailures in a row open the breaker for breakerPause; then one key is tried.
	breakerFailures = 5
	breakerPause    = 10 * time.Second
	// trialPause is how long keys wait for another one that tests whether the app has recovered.
	trialPause = time.Second
	// MaxPause bounds a pause that is read from status: the clock that it was written by may have been ahead.
	MaxPause = time.Hour
	// loopPause is how long a key waits that was reconciled repeatedly without effect.
	loopPause = time.Minute
)

// Config is an app to run.
type Config struct {
	Key         types.NamespacedName
	Connector   connector.Connector
	Concurrency int
	// Settle is how long the app may not show a write.
	Settle time.Duration
	// Credentials changes with the credentials: a failure that they may fix is retried at once.
	Credentials string
	// NoSeats: its status says that the app has no seat left.
	NoSeats bool
	// PausedUntil is the time before which the app asked for no calls, as its status says.
	PausedUntil time.Time
}

// Worker runs the calls of one app.
type Worker struct {
	config  Config
	view    *desired.View
	ledger  *ledger.Ledger
	clock   clock.Clock
	log     logr.Logger
	metrics *Metrics
	notify  Notify
	queue   *queue
	gate    *gate
	// evidence tells failures of the app from those that the data of one account causes.
	evidence evidence
	names    remoteNames
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]
	// rescan: the queue refused something that has room now.
	rescan atomic.Bool

	ctx    context.Context //nolint:containedctx // the worker works until it is stopped
	cancel context.CancelFunc
	ended  func()

	mu              sync.Mutex
	busy            int
	stopped, closed bool
	health          Health
	// tested is when the credentials were last found good; lastAnswer is when a call was last answered as it should be; unprobed is when a read of another account last failed.
	tested, lastAnswer, unprobed time.Time
	// reading is held while an account is read to see an attribute for all accounts.
	reading turn
}

func newWorker(config Config, r *Registry) *Worker {
	if config.Concurrency <= 0 {
		config.Concurrency = defaultConcurrency
	}
	w := &Worker{
		config: config, view: r.view, ledger: r.view.Book.Ledger(config.Key), clock: r.clock,
		log:     r.log.WithValues("namespace", config.Key.Namespace, "app", config.Key.Name),
		metrics: r.metrics, notify: r.notify, queue: newQueue(queueLimit, r.clock.Now), reading: newTurn(), names: remoteNames{turn: newTurn()},
	}
	w.ledger.SetSettle(config.Settle)
	w.ledger.Pause(boundedPause(config.PausedUntil, r.clock.Now()))
	w.queue.pause(w.ledger.PausedUntil())
	w.queue.seats.missing = config.NoSeats
	w.gate = newGate(w)
	w.breaker = newBreaker(breakerPause)
	return w
}

// boundedPause is a pause from a status.
func boundedPause(until, now time.Time) time.Time {
	if limit := now.Add(MaxPause); until.After(limit) {
		return limit
	}
	return until
}

func newBreaker(pause time.Duration) *gobreaker.TwoStepCircuitBreaker[struct{}] {
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: 1, Timeout: pause,
		ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= breakerFailures },
		IsExcluded:  func(err error) bool { return errors.Is(err, errNotCalled) },
	})
}

// start lets the worker work until it is stopped; ended is called once the last call has returned. manual: without goroutines.
func (w *Worker) start(ctx context.Context, manual bool, ended func()) {
	w.ctx, w.cancel = context.WithCancel(ctx)
	w.ended = ended
	if manual {
		return
	}
	w.busy = w.config.Concurrency + 1
	for range w.config.Concurrency {
		go w.work()
	}
	go func() {
		defer w.leave()
		w.gate.run(w.ctx)
	}()
}

// stop cancels all calls and returns at once.
func (w *Worker) stop() {
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	w.cancel()
	w.enter()
	w.leave()
}

// enter and leave count the calls in progress. The last to leave a stopped worker closes its connections.
func (w *Worker) enter() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy++
}

func (w *Worker) leave() {
	w.mu.Lock()
	w.busy--
	last := w.stopped && w.busy == 0 && !w.closed
	w.closed = w.closed || last
	w.mu.Unlock()
	if last {
		w.config.Connector.Close()
		w.ended()
	}
}

// Enqueue enqueues an account or group. If the queue is full, the key is dropped: a scan enqueues it again.
func (w *Worker) Enqueue(key Key, class Class, exclusive string, delay time.Duration) {
	w.queue.add(key, class, exclusive, delay)
	w.showDepth()
}

// showDepth updates the metric of the queue. The keys of a stopped worker are enqueued again when the app is started.
func (w *Worker) showDepth() {
	if w.ctx.Err() == nil {
		w.metrics.queueDepth(w.config.Key, w.queue.depth())
	}
}

// PausedUntil returns the time before which the app asked for no calls.
func (w *Worker) PausedUntil() time.Time { return w.ledger.PausedUntil() }

// MembersPerRequest returns how many members of a group the app takes in one request, after it refused more; 0 where it never did.
func (w *Worker) MembersPerRequest() int {
	if batched, ok := w.config.Connector.(connector.Batched); ok {
		return batched.MembersPerRequest()
	}
	return 0
}

// HeldBatches are the digests of the batches that wait for an approval, sorted.
func (w *Worker) HeldBatches() []string { return w.gate.batches() }

// HeldChanges are the changes that wait for an approval, whether their statuses say so already or not.
func (w *Worker) HeldChanges() map[ledger.ID]desired.HeldChange { return w.gate.changes() }

// Recheck makes the guard count again, as after an approval.
func (w *Worker) Recheck() { w.gate.submit() }

// TakeRescan reports whether keys were refused that have room now. It is true once.
func (w *Worker) TakeRescan() bool { return w.rescan.Swap(false) }

func (w *Worker) work() {
	defer w.leave()
	for {
		key, ok := w.queue.next(w.ctx)
		if !ok {
			return
		}
		w.look(w.ctx, key)
	}
}

// Handle reconciles a key that Pick returned, in place of the worker's goroutines. It may run beside others of the same app.
func (w *Worker) Handle(ctx context.Context, key Key) {
	w.enter()
	defer w.leave()
	w.look(withValues{Context: w.ctx, values: ctx}, key)
}

// withValues is a context with the values of another one. It ends at once with its own, so that the order of steps does not depend on a goroutine.
type withValues struct {
	context.Context
	values context.Context //nolint:containedctx // it is a context
}

// Value implements context.Context.
func (c withValues) Value(key any) any {
	if value := c.Context.Value(key); value != nil {
		return value
	}
	return c.values.Value(key)
}

// look reconciles one key of the queue and reports its outcome.
func (w *Worker) look(ctx context.Context, key Key) {
	id := w.handle(ctx, key)
	if w.queue.done(key) {
		w.rescan.Store(true)
		w.notify.App(w.config.Key)
	}
	w.report(key, id)
	w.showDepth()
}

// report notifies the reconciler of an outcome, once the key is done: it would wait for further outcomes otherwise.
func (w *Worker) report(key Key, id ledger.ID) {
	object := types.NamespacedName{Namespace: w.config.Key.Namespace, Name: key.Name}
	switch {
	case !w.ledger.HasOutcome(id):
	case key.Kind == KindGroup:
		w.notify.Group(object)
	default:
		w.notify.User(object)
	}
}

// handle reconciles a key and makes the calls for one step. It returns the ID of the object, if that exists.
func (w *Worker) handle(ctx context.Context, key Key) ledger.ID {
	done, err := w.breaker.Allow()
	if err != nil {
		w.refuse(key, err)
		return ledger.ID{}
	}
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if w.queue.urgent(key) {
		bounded = connector.Urgent(bounded)
	}
	line := &line{}
	line.to = &witness{Connector: w.config.Connector, evidence: &w.evidence, line: line}
	switch key.Kind {
	case KindGroup:
		err = w.syncGroup(bounded, key, line)
	default:
		err = w.syncAccount(bounded, key, line)
	}
	done(breakerError(line, err))
	if ctx.Err() == nil {
		w.settle(key, line, err)
	}
	return line.id
}

// idle ends the reconcile of a key that needs no call, or may make none now. If the key was the trial of the breaker, a credential test takes its place: the next key
// may come in days only, and the ScimApp would be Unreachable all that time. The same while the app is called unhealthy although the breaker lets keys through, as after a
// trial that was answered with 429: nothing is announced until it is healthy.
func (w *Worker) idle(ctx context.Context, line *line) error {
	health := w.Health()
	if w.breaker.State() != gobreaker.StateClosed || (health.Reason != "" && !health.FailedCredentials()) {
		return line.connector().Test(ctx)
	}
	return nil
}

// line records whether a reconcile called the app: one without a call says nothing about the app.
type line struct {
	to   connector.Connector
	used bool
	// id is the account or group that is reconciled.
	id ledger.ID
	// attempt is what the reconcile is about to try, the zero value for nothing.
	attempt ledger.Attempt
	// alone: the failure concerns this account or group alone.
	alone bool
}

func (l *line) connector() connector.Connector {
	l.used = true
	return l.to
}

// errNotCalled tells the breaker that there was no call.
var errNotCalled = errors.New("the app was not called")

// refuse puts back a key that the breaker does not let through. When it is half open, another key is the trial.
func (w *Worker) refuse(key Key, err error) {
	pause := breakerPause
	if errors.Is(err, gobreaker.ErrTooManyRequests) {
		pause = trialPause
	}
	w.queue.pause(w.clock.Now().Add(pause))
	w.queue.again(key, 0)
}

// settle handles the result of a key. An error of one account has already become its outcome.
func (w *Worker) settle(key Key, line *line, err error) {
	if err == nil {
		if line.used {
			w.answered(line)
		}
		return
	}
	var again *retryLater
	if errors.As(err, &again) {
		if line.used {
			// The app was asked and has nothing to show yet: it is not asked again before.
			w.ledger.BackOff(line.id, line.attempt, w.clock.Now().Add(again.after))
		}
		w.queue.again(key, again.after)
		return
	}
	failure := connector.AsError(err)
	if failure == nil {
		w.log.Error(err, "Failed to decide the next step; retrying", "kind", key.Kind, "name", key.Name)
		w.queue.again(key, kube.Jitter(time.Second))
		return
	}
	w.appFailed(key, line, failure)
}

// countIdle counts a reconcile of a key that led to no call, write or wait. Too many are a bug: the key then waits, and a metric and the log show it.
func (w *Worker) countIdle(id ledger.ID, key Key) error {
	if !w.ledger.CountIdle(id) {
		return nil
	}
	w.metrics.idleLoop(w.config.Key)
	w.log.Error(nil, "A key was reconciled repeatedly without a call, a write or a wait; retrying in a minute. This is a bug, please report it", "kind", key.Kind, "name", key.Name)
	return &retryLater{after: loopPause}
}

// backOff ends the reconcile of a key whose attempt is not to be made yet.
func (w *Worker) backOff(ctx context.Context, line *line) (wait bool, err error) {
	left := w.ledger.BackOffLeft(line.id, line.attempt)
	if left <= 0 {
		return false, nil
	}
	if err := w.idle(ctx, line); err != nil {
		return true, err
	}
	if line.used {
		w.recovered()
	}
	return true, &retryLater{after: left}
}

// retryLater requeues a key after a time, without a failure.
type retryLater struct{ after time.Duration }

func (r *retryLater) Error() string { return "reconcile again in " + r.after.String() }
