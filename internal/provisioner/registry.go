// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package provisioner runs the apps: for each ScimApp that may be called, a queue of keys, workers, a circuit breaker and the mass-change guard. It starts and stops
// them as ScimApps are created, changed and deleted, and puts the outcomes of the calls into the ledger of the app.
package provisioner

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// Notify tells the controllers that something changed. The functions do not block.
type Notify struct {
	User, Group, App func(types.NamespacedName)
}

// Registry is the running apps. It only runs them between Start and the end of its context, that is, while this process leads.
type Registry struct {
	// Manual leaves out all goroutines: the owner calls Begin in place of Start, and takes the steps of the Workers. For simulations.
	Manual bool

	view    *desired.View
	clock   clock.Clock
	log     logr.Logger
	metrics *Metrics
	notify  Notify

	mu      sync.Mutex
	ctx     context.Context //nolint:containedctx // the apps live as long as the registry runs, not as long as the reconcile that starts them
	running map[types.NamespacedName]*Worker
	// ending are stopped apps whose last calls have not returned yet.
	ending map[types.NamespacedName]*Worker
	ends   sync.WaitGroup
	// moved are the apps whose accounts changed since they were last counted.
	moved map[types.NamespacedName]bool
	// troubles is why apps are not called, as their ScimApps show it.
	troubles map[types.NamespacedName]Health
}

// NewRegistry makes an empty registry. SetNotify has to be called before Start.
func NewRegistry(view *desired.View, clk clock.Clock, log logr.Logger, metrics *Metrics) *Registry {
	return &Registry{
		view: view, clock: clk, log: log, metrics: metrics,
		running: map[types.NamespacedName]*Worker{}, ending: map[types.NamespacedName]*Worker{}, moved: map[types.NamespacedName]bool{},
		troubles: map[types.NamespacedName]Health{},
	}
}

// SetNotify sets the functions that are told of changes.
func (r *Registry) SetNotify(notify Notify) { r.notify = notify }

// Start runs until ctx is done, which is when leadership is lost; it then cancels every call and waits for the workers.
func (r *Registry) Start(ctx context.Context) error {
	r.Begin(ctx)
	<-ctx.Done()
	r.mu.Lock()
	workers := r.running
	r.running, r.ctx = map[types.NamespacedName]*Worker{}, nil
	r.mu.Unlock()
	for _, worker := range workers {
		worker.stop()
	}
	r.ends.Wait()
	return nil
}

// Begin lets apps be run until ctx is done.
func (r *Registry) Begin(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ctx = ctx
}

// Get is a running app, nil if it does not run.
func (r *Registry) Get(key types.NamespacedName) *Worker {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running[key]
}

// Workers are the running apps, sorted by namespace and name.
func (r *Registry) Workers() []*Worker {
	r.mu.Lock()
	defer r.mu.Unlock()
	workers := make([]*Worker, 0, len(r.running))
	for _, worker := range r.running {
		workers = append(workers, worker)
	}
	slices.SortFunc(workers, func(a, b *Worker) int { return strings.Compare(a.config.Key.String(), b.config.Key.String()) })
	return workers
}

// Run starts an app. It is false while the registry does not run, and while the former app under the key runs or its last calls have not returned:
// ask again. Calls of Run, Stop and Forget for the same key have to come one after the other.
func (r *Registry) Run(config Config) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil || r.ctx.Err() != nil || r.running[config.Key] != nil || r.ending[config.Key] != nil {
		return false
	}
	worker := newWorker(config, r)
	r.ends.Add(1)
	worker.start(r.ctx, r.Manual, func() {
		r.ended(config.Key)
		r.ends.Done()
	})
	r.running[config.Key] = worker
	return true
}

// Stop cancels the calls of an app and returns at once. The app's reconciler is notified when the last of them has returned.
func (r *Registry) Stop(key types.NamespacedName) {
	r.mu.Lock()
	worker := r.running[key]
	if worker != nil {
		delete(r.running, key)
		r.ending[key] = worker
	}
	r.mu.Unlock()
	if worker != nil {
		worker.stop()
		r.metrics.queueDepth(key, [classes]int{})
	}
}

// ended makes room for the successor of a stopped app.
func (r *Registry) ended(key types.NamespacedName) {
	r.mu.Lock()
	delete(r.ending, key)
	r.mu.Unlock()
	r.notify.App(key)
}

// Forget ends a deleted app, without waiting for its last calls.
func (r *Registry) Forget(key types.NamespacedName) {
	r.Stop(key)
	r.mu.Lock()
	delete(r.moved, key)
	delete(r.troubles, key)
	r.mu.Unlock()
	r.view.Book.ForgetApp(key)
	r.metrics.forget(key)
}

// Changed says that accounts of an app were changed; its counters follow. It is told once until they are counted.
func (r *Registry) Changed(app types.NamespacedName) {
	r.mu.Lock()
	told := r.moved[app]
	r.moved[app] = true
	r.mu.Unlock()
	if !told {
		r.notify.App(app)
	}
}

// Counted says that the accounts of an app are being counted now.
func (r *Registry) Counted(app types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.moved, app)
}

// WakeWaiting wakes the users who wait for an account of the owner in an app.
func (r *Registry) WakeWaiting(app types.NamespacedName, owner types.UID) {
	for _, name := range r.view.Book.Ledger(app).Wake(owner) {
		r.notify.User(types.NamespacedName{Namespace: app.Namespace, Name: name})
	}
}

// ForgetUser drops what is remembered of a user that does not exist any more, and wakes who waited for its accounts.
func (r *Registry) ForgetUser(namespace string, uid types.UID) {
	for _, l := range r.view.Book.Namespace(namespace) {
		for _, name := range l.Forget(ledger.ID{Kind: ledger.Account, UID: uid}) {
			r.notify.User(types.NamespacedName{Namespace: namespace, Name: name})
		}
	}
}

// AskRecord asks for ScimApp.status.guard to tell of a revocation, and returns whether it does. who is notified when it does.
func (r *Registry) AskRecord(app types.NamespacedName, user string, revoked ledger.Revoked, who ledger.Waiting) bool {
	if r.view.Book.Ledger(app).AskRecord(user, revoked, who) {
		return true
	}
	r.notify.App(app)
	return false
}

// Recorded says that ScimApp.status.guard records the revocations of these users, and wakes the objects that waited for that.
func (r *Registry) Recorded(app types.NamespacedName, users []string) {
	for _, waiting := range r.view.Book.Ledger(app).MarkRecorded(users) {
		object := types.NamespacedName{Namespace: app.Namespace, Name: waiting.Name}
		if waiting.Kind == ledger.Account {
			r.notify.User(object)
		} else {
			r.notify.Group(object)
		}
	}
}

// Busy reports whether an outcome for a user or group is about to come from any app of the namespace.
func (r *Registry) Busy(namespace string, key Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, worker := range r.running {
		if name.Namespace == namespace && worker.queue.busy(key) {
			return true
		}
	}
	return false
}

// Pick takes the next key out of the queue. If there is none, it says how long it takes until there may be one.
func (w *Worker) Pick() (key Key, wait time.Duration, ok bool) { return w.queue.pick() }

// Name of the ScimApp.
func (w *Worker) Name() string { return w.config.Key.Name }
