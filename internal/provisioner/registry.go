// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package provisioner runs the apps: for each ScimApp that may be called, a queue of keys, workers, a circuit breaker and the gate of the
// mass-change guard. It starts, changes and stops them as ScimApps come and go, and hands what came of the calls to the overlay.
package provisioner

import (
	"context"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/scim-operator/scim-operator/internal/desired"
)

// Notify tells the controllers that something changed. The functions do not block.
type Notify struct {
	User, Group, App func(types.NamespacedName)
}

// Registry is the running apps. It only runs them between Start and the end of its context, that is, while this process leads.
type Registry struct {
	// Manual: nothing runs by itself. A simulation calls Begin in place of Start, and takes the steps of each app's workers: see drive.go.
	Manual bool

	view    *desired.View
	clock   clock.Clock
	log     logr.Logger
	metrics *Metrics
	notify  Notify

	mu      sync.Mutex
	ctx     context.Context //nolint:containedctx // the apps live as long as the registry runs, not as long as the reconcile that starts them
	running map[types.NamespacedName]*App
	// ending are stopped apps whose last calls have not returned yet.
	ending map[types.NamespacedName]*App
	ends   sync.WaitGroup
	// recent outlive the running app: another token does not make the guard forget.
	recent map[types.NamespacedName]*recentRevocations
	// patience outlives it as well: a person who has the credentials tested again wants what failed tried again.
	patience map[types.NamespacedName]*patience
	// moved are the apps whose accounts changed since they were last counted.
	moved map[types.NamespacedName]bool
}

// NewRegistry makes an empty registry. SetNotify has to be called before Start.
func NewRegistry(view *desired.View, clk clock.Clock, log logr.Logger, metrics *Metrics) *Registry {
	return &Registry{
		view: view, clock: clk, log: log, metrics: metrics,
		running: map[types.NamespacedName]*App{}, ending: map[types.NamespacedName]*App{}, recent: map[types.NamespacedName]*recentRevocations{}, moved: map[types.NamespacedName]bool{},
		patience: map[types.NamespacedName]*patience{},
	}
}

// SetNotify says whom to tell.
func (r *Registry) SetNotify(notify Notify) { r.notify = notify }

// Start runs until ctx is done, which is when leadership is lost; it then cancels every call and waits for the workers.
func (r *Registry) Start(ctx context.Context) error {
	r.mu.Lock()
	r.ctx = ctx
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	apps := r.running
	r.running, r.ctx = map[types.NamespacedName]*App{}, nil
	r.mu.Unlock()
	for _, app := range apps {
		app.stop()
	}
	r.ends.Wait()
	return nil
}

// Get is a running app, nil if it does not run.
func (r *Registry) Get(key types.NamespacedName) *App {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running[key]
}

// Run starts an app. It is false while the registry does not run, and while the former app under the key runs or its last calls have not returned:
// ask again. Calls of Run, Stop and Forget for the same key have to come one after the other.
func (r *Registry) Run(config Config) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil || r.ctx.Err() != nil || r.running[config.Key] != nil || r.ending[config.Key] != nil {
		return false
	}
	if r.recent[config.Key] == nil {
		r.recent[config.Key], r.patience[config.Key] = &recentRevocations{}, newPatience()
	}
	app := newApp(config, r)
	app.recent, app.patience = r.recent[config.Key], r.patience[config.Key]
	app.start(r.ctx)
	r.running[config.Key] = app
	return true
}

// Stop cancels the calls of an app and returns at once. The app's reconciler is notified when the last of them has returned.
func (r *Registry) Stop(key types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	app := r.running[key]
	if app == nil {
		return
	}
	delete(r.running, key)
	r.ending[key] = app
	app.cancel()
	if r.Manual {
		app.endManually()
		return
	}
	r.ends.Go(func() {
		app.stop()
		r.ended(key)
	})
}

// ended makes room for the successor of a stopped app.
func (r *Registry) ended(key types.NamespacedName) {
	r.mu.Lock()
	delete(r.ending, key)
	forgotten := r.recent[key] == nil
	r.mu.Unlock()
	if forgotten {
		// Its last calls may have been counted after Forget.
		r.metrics.forget(key)
	}
	r.notify.App(key)
}

// Forget ends a deleted app, without waiting for its last calls.
func (r *Registry) Forget(key types.NamespacedName) {
	r.Stop(key)
	r.mu.Lock()
	delete(r.recent, key)
	delete(r.patience, key)
	delete(r.moved, key)
	r.mu.Unlock()
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

// Busy is whether an outcome for a user or group is about to come from any app of the namespace.
func (r *Registry) Busy(namespace string, key Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, app := range r.running {
		if name.Namespace == namespace && app.queue.busy(key) {
			return true
		}
	}
	return false
}
