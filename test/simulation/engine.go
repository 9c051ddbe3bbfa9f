// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	scimapp "github.com/scim-operator/scim-operator/controllers/app"
	"github.com/scim-operator/scim-operator/controllers/group"
	"github.com/scim-operator/scim-operator/controllers/rolemapping"
	"github.com/scim-operator/scim-operator/controllers/user"
	"github.com/scim-operator/scim-operator/internal/connector"
	scimconn "github.com/scim-operator/scim-operator/internal/connector/scim"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// process is one term of leadership: the engine with everything that it has in memory.
type process struct {
	w    *world
	name string
	ctx  context.Context //nolint:containedctx // it lives as long as the process
	stop context.CancelFunc
	// dead: the process was killed.
	dead bool
	// steps that a former leader still makes, -1 for the leader.
	steps int

	cache       *watchCache
	registry    *provisioner.Registry
	prober      *scimapp.Prober
	controllers []*controller
	busy        map[*provisioner.Worker]int
	// leaves is when a former leader notices at the latest.
	leaves time.Time
	view   *desired.View
	// resyncs enqueue everything from time to time, if the seed has them; resync is when they go on.
	resyncs []*kube.Resync
	resync  time.Time
	// began is when its term began.
	began time.Time
	// pauses are until when the apps have asked for no calls.
	pauses map[string]pause
}

// controller is a reconciler with its queue.
type controller struct {
	name       string
	reconciler reconcile.Reconciler
	watches    map[kind][]kube.Watch
	queue      *queue
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return scheme
}

// start begins a new term: the caches are filled, and every object is handed to the handlers.
func (w *world) start() *process {
	w.terms++
	p := &process{w: w, name: fmt.Sprintf("term%d", w.terms), steps: -1, began: time.Now(), busy: map[*provisioner.Worker]int{}, pauses: map[string]pause{}}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.cache = newCache(w.api, w.plan.resync)
	p.assemble()
	w.processes = append(w.processes, p)
	for _, name := range w.appNames {
		if until := w.scimApp(name).Status.PausedUntil; until != nil {
			p.paused(name, until.Time)
		}
	}
	for _, k := range kinds {
		if k == w.plan.deaf {
			continue
		}
		for _, object := range sorted(p.cache.kinds[k].objects) {
			p.handle(k, change{after: object}, true)
		}
	}
	return p
}

// assemble puts the engine together, as controllers.Setup does.
func (p *process) assemble() {
	cached, live := &apiClient{w: p.w, p: p}, &apiClient{w: p.w, p: p, live: true}
	store, err := directory.New(p.ctx, directory.Options{
		Client: live, Cache: readCache{cached, p.cache}, Clock: steps{}, Random: p.w.random, SliceWriters: 1,
	})
	if err != nil {
		panic(err)
	}
	view := desired.NewView(cached, ledger.NewBook(clock.RealClock{}))
	metrics := provisioner.NewMetrics(prometheus.NewRegistry(), clock.RealClock{})
	p.view = view
	p.registry = provisioner.NewRegistry(view, clock.RealClock{}, logr.Discard(), metrics)
	p.registry.Manual = true
	users, groups, apps, mappings := p.controller("user"), p.controller("group"), p.controller("app"), p.controller("mapping")
	notify := provisioner.Notify{User: users.add, Group: groups.add, App: apps.add}
	p.registry.SetNotify(notify)
	p.registry.Begin(p.ctx)
	userReconciler := &user.Reconciler{
		Client: cached, Live: live, Directory: store, View: view, Apps: p.registry, Recorder: noEvents{}, Clock: clock.RealClock{},
	}
	groupReconciler := &group.Reconciler{
		Client: cached, Live: live, Directory: store, View: view, Apps: p.registry, Recorder: noEvents{}, Clock: clock.RealClock{},
	}
	p.prober = scimapp.NewProber(apps.add)
	appReconciler := &scimapp.Reconciler{
		Client: cached, Live: live, View: view, Apps: p.registry, Metrics: metrics, Recorder: noEvents{}, Clock: clock.RealClock{}, Wake: notify, WakeLater: users.add, UserAgent: "simulation",
		Prober: p.prober,
		NewConnector: func(options scimconn.Options) (connector.Connector, error) {
			options.Transport = &transport{w: p.w, p: p}
			return scimconn.New(options)
		},
	}
	mappingReconciler := &rolemapping.Reconciler{Client: cached, Clock: clock.RealClock{}}
	users.follow(userReconciler.Wrapped(), userReconciler.Watches())
	groups.follow(groupReconciler.Wrapped(), groupReconciler.Watches())
	apps.follow(appReconciler.Wrapped(), appReconciler.Watches())
	mappings.follow(mappingReconciler.Wrapped(), mappingReconciler.Watches())
	p.resynced(map[*controller]*kube.Resync{
		users: userReconciler.Resync(schedule), groups: groupReconciler.Resync(schedule), apps: appReconciler.Resync(schedule), mappings: mappingReconciler.Resync(schedule),
	})
}

// readCache is the cache for the directory: reads go by way of the client, informers are those of the cache.
type readCache struct {
	client.Reader
	*watchCache
}

// Get implements client.Reader.
func (r readCache) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	return r.Reader.Get(ctx, key, into, opts...)
}

// List implements client.Reader.
func (r readCache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return r.Reader.List(ctx, list, opts...)
}

func (p *process) controller(name string) *controller {
	c := &controller{name: name, watches: map[kind][]kube.Watch{}, queue: newQueue(kube.RateLimiter())}
	p.controllers = append(p.controllers, c)
	return c
}

func (c *controller) follow(reconciler reconcile.Reconciler, watches []kube.Watch) {
	c.reconciler = reconciler
	for _, watch := range watches {
		k := kindOf(watch.Object)
		c.watches[k] = append(c.watches[k], watch)
	}
}

func (c *controller) add(key types.NamespacedName) {
	c.queue.Add(reconcile.Request{NamespacedName: key})
}

// deliver moves the cache on by one event. Where the event is lost, the cache has it and the handlers do not hear of it.
func (p *process) deliver(k kind, lost bool) {
	event := p.cache.take(p.w.api, k)
	if slice, ok := event.before.(*v1alpha1.ScimGroupSlice); ok && event.after == nil {
		// The view follows the cache itself.
		p.view.SliceVanished(slice)
	}
	if lost {
		return
	}
	p.handle(k, event, false)
}

// handle gives an event to the handlers of all controllers.
func (p *process) handle(k kind, c change, initial bool) {
	for _, controller := range p.controllers {
		for _, watch := range controller.watches[k] {
			watchEvent(p.ctx, watch, c, controller.queue, initial)
		}
	}
}

func watchEvent(ctx context.Context, watch kube.Watch, c change, q *queue, initial bool) {
	pass := func(ask func(predicate.Predicate) bool) bool {
		for _, p := range watch.Predicates {
			if !ask(p) {
				return false
			}
		}
		return true
	}
	switch {
	case c.before == nil:
		e := event.CreateEvent{Object: c.after, IsInInitialList: initial}
		if pass(func(p predicate.Predicate) bool { return p.Create(e) }) {
			watch.Handler.Create(ctx, e, q)
		}
	case c.after == nil:
		e := event.DeleteEvent{Object: c.before}
		if pass(func(p predicate.Predicate) bool { return p.Delete(e) }) {
			watch.Handler.Delete(ctx, e, q)
		}
	default:
		e := event.UpdateEvent{ObjectOld: c.before, ObjectNew: c.after}
		if pass(func(p predicate.Predicate) bool { return p.Update(e) }) {
			watch.Handler.Update(ctx, e, q)
		}
	}
}

// reconcile begins the work on a key.
func (p *process) reconcile(c *controller, request reconcile.Request) {
	c.queue.take(request)
	name := c.name + "/" + p.w.short(request.Name)
	var result reconcile.Result
	var err error
	r := p.w.begin(p, name, p.name+" "+name, func(ctx context.Context) {
		result, err = c.reconciler.Reconcile(ctx, request)
	}, func() {
		switch {
		case err != nil:
			p.w.trace("%s %s failed: %v", p.name, name, err)
			c.queue.AddRateLimited(request)
		case result.RequeueAfter > 0:
			c.queue.Forget(request)
			c.queue.AddAfter(request, result.RequeueAfter)
		default:
			c.queue.Forget(request)
		}
		c.queue.Done(request)
	})
	p.w.looked(r)
	p.w.resume(r)
}

// pick lets the workers take keys, as many as they work on at once. Each begins when the scheduler says so.
func (p *process) pick() {
	for _, app := range p.registry.Workers() {
		for p.busy[app] < p.w.plan.workers {
			key, _, ok := app.Pick()
			if !ok {
				break
			}
			p.busy[app]++
			name := fmt.Sprintf("%s/%s %s", app.Name(), key.Kind, p.w.short(key.Name))
			r := p.w.begin(p, name, p.name+" "+name, func(ctx context.Context) { app.Handle(ctx, key) }, func() { p.busy[app]-- })
			p.w.looked(r)
		}
	}
}

// testCredentials begins the next credential test.
func (p *process) testCredentials() {
	p.w.trace("%s tests credentials", p.name)
	p.w.resume(p.w.begin(p, "test", "", func(ctx context.Context) { p.prober.RunNext(ctx) }, func() {}))
}

// countGuard makes the guards count that are due.
func (p *process) countGuard() {
	for _, app := range p.registry.Workers() {
		if wait, ok := app.GuardDue(); ok && wait <= 0 {
			r := p.w.begin(p, app.Name()+"/guard", "", app.CountGuard, func() {})
			p.w.resume(r)
		}
	}
}

// steps is the clock of the directory. It waits between half of a step and a step, by a chance that is not the seed's, and always a step here. A step is 10 ms
// doubled some times.
type steps struct{}

// Now implements directory.Clock.
func (steps) Now() time.Time { return time.Now() }

// After implements directory.Clock.
func (steps) After(d time.Duration) <-chan time.Time {
	step := 10 * time.Millisecond
	for step <= d {
		step *= 2
	}
	return time.After(step)
}

type noEvents struct{}

// Eventf implements events.EventRecorder.
func (noEvents) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}

// counter is the randomness of the directory.
type counter struct{ n uint64 }

// Read implements io.Reader.
func (c *counter) Read(into []byte) (int, error) {
	for i := range into {
		c.n = c.n*6364136223846793005 + 1442695040888963407
		into[i] = byte(c.n >> 56)
	}
	return len(into), nil
}

var _ io.Reader = (*counter)(nil)
