// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package provisionertest drives a reconciler and the workers of apps step by step, on a simulated clock, for the tests of the controllers.
package provisionertest

import (
	"context"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/connectortest"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// SettleTime is the one of all apps.
const SettleTime = 10 * time.Second

// Engine is a reconciler and the workers of apps, single-threaded.
type Engine struct {
	T        *testing.T
	Clock    *clocktesting.FakeClock
	Client   *Client
	View     *desired.View
	Registry *provisioner.Registry
	// Apps are what the workers call, by the name of the ScimApp.
	Apps map[string]*connectortest.Script
	// Reconcile reconciles one object.
	Reconcile func(key types.NamespacedName)
	// Looks are the reconciles of objects and the keys that workers handled; more than Limit, if there is one, end the test.
	Looks, Limit int

	// due are the objects that are to be reconciled.
	due map[types.NamespacedName]time.Time
}

// Client reads from a cache and writes statuses into it.
type Client struct {
	client.Client
	*pt.Cache
	// Writes counts the statuses written.
	Writes int
	// Check says why the API server would refuse an object.
	Check func(any) error
	// Meanwhile is what happens once, after a ScimApp was read or before a status is written.
	Meanwhile struct{ Read, Write func() }
}

// Get implements client.Reader.
func (c *Client) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	err := c.Cache.Get(ctx, key, into, opts...)
	if _, ok := into.(*v1alpha1.ScimApp); ok {
		once(&c.Meanwhile.Read)
	}
	return err
}

// List implements client.Reader.
func (c *Client) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return c.Cache.List(ctx, list, opts...)
}

// Create implements client.Writer.
func (c *Client) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	c.Put(object)
	return nil
}

// Update implements client.Writer.
func (c *Client) Update(_ context.Context, object client.Object, _ ...client.UpdateOption) error {
	c.Put(object)
	return nil
}

// Patch implements client.Writer.
func (c *Client) Patch(_ context.Context, object client.Object, _ client.Patch, _ ...client.PatchOption) error {
	c.Put(object)
	return nil
}

// Delete implements client.Writer.
func (c *Client) Delete(_ context.Context, object client.Object, _ ...client.DeleteOption) error {
	c.Remove(object)
	return nil
}

// Status implements client.StatusClient.
func (c *Client) Status() client.SubResourceWriter { return &statusWriter{to: c} }

func once(f *func()) {
	if do := *f; do != nil {
		*f = nil
		do()
	}
}

type statusWriter struct {
	client.SubResourceWriter
	to *Client
}

// Patch stores the object if the API server would take it: nobody else writes.
func (w *statusWriter) Patch(_ context.Context, object client.Object, _ client.Patch, _ ...client.SubResourcePatchOption) error {
	if err := w.to.Check(object); err != nil {
		return err
	}
	once(&w.to.Meanwhile.Write)
	w.to.Writes++
	object.SetResourceVersion(w.to.Put(object))
	return nil
}

// New makes an engine with the apps. No process leads yet. check says why the API server would refuse an object.
func New(t *testing.T, check func(any) error, apps ...*v1alpha1.ScimApp) *Engine {
	t.Helper()
	e := &Engine{
		T: t, Clock: clocktesting.NewFakeClock(pt.Now), Client: &Client{Cache: pt.NewCache(), Check: check}, Apps: map[string]*connectortest.Script{},
	}
	for _, app := range apps {
		e.Client.Put(app)
		e.Apps[app.Name] = connectortest.NewScript()
	}
	return e
}

// Lead begins a term of leadership: nothing is remembered of an earlier one. notify tells which objects the workers notify. The apps are not started.
func (e *Engine) Lead(notify provisioner.Notify) {
	e.T.Helper()
	e.View = desired.NewView(e.Client, ledger.NewBook(e.Clock))
	e.Registry = provisioner.NewRegistry(e.View, e.Clock, logr.Discard(), provisioner.NewMetrics(prometheus.NewRegistry(), e.Clock))
	e.Registry.Manual = true
	e.due = map[types.NamespacedName]time.Time{}
	notify.App = e.record
	e.Registry.SetNotify(notify)
	e.Registry.Begin(e.T.Context())
}

// Start runs an app, with other credentials if it runs already.
func (e *Engine) Start(app, credentials string) {
	e.T.Helper()
	e.Registry.Stop(pt.Key(app))
	if !e.Registry.Run(provisioner.Config{Key: pt.Key(app), Connector: e.Apps[app], Settle: SettleTime, Credentials: credentials}) {
		e.T.Fatalf("%s does not run", app)
	}
}

// record writes revocations into the status of an app, as its reconciler does.
func (e *Engine) record(key types.NamespacedName) {
	e.Change(key.Name, func(app *v1alpha1.ScimApp) {
		status := v1alpha1.GuardStatus{Minimum: 10, Percent: 20, LeaversPerHour: 10}
		if app.Status.Guard != nil {
			status = *app.Status.Guard
		}
		var added []string
		status.Revoked, added = ledger.RecordRevoked(status.Revoked, e.View.Book.Ledger(key).RevokedUsers(), e.Clock.Now())
		app.Status.Guard = &status
		defer e.Registry.Recorded(key, added)
	})
}

// Change changes a ScimApp.
func (e *Engine) Change(name string, change func(*v1alpha1.ScimApp)) {
	e.T.Helper()
	stored := &v1alpha1.ScimApp{}
	if err := e.Client.Get(e.T.Context(), pt.Key(name), stored); err != nil {
		e.T.Fatal(err)
	}
	app := stored.DeepCopy()
	change(app)
	e.Client.Put(app)
}

// Enqueue has an object reconciled after a delay.
func (e *Engine) Enqueue(key types.NamespacedName, delay time.Duration) {
	at := e.Clock.Now().Add(delay)
	if before, ok := e.due[key]; !ok || at.Before(before) {
		e.due[key] = at
	}
}

// Run takes all steps that are due within a time, in order.
func (e *Engine) Run(d time.Duration) {
	e.T.Helper()
	end := e.Clock.Now().Add(d)
	for range 100_000 {
		wait := e.Step()
		if e.Limit > 0 && e.Looks > e.Limit {
			e.T.Fatalf("the engine does not come to rest within %d looks", e.Limit)
		}
		if wait == 0 {
			continue
		}
		if e.Clock.Now().Add(wait).After(end) {
			e.Clock.SetTime(end)
			return
		}
		e.Clock.Step(wait)
	}
	e.T.Fatal("the engine does not come to rest")
}

// Step takes one step, or says how long it takes until there is one.
func (e *Engine) Step() (wait time.Duration) {
	e.T.Helper()
	wait = time.Hour
	for key, at := range e.due {
		if left := at.Sub(e.Clock.Now()); left > 0 {
			wait = min(wait, left)
			continue
		}
		delete(e.due, key)
		e.Looks++
		e.Reconcile(key)
		return 0
	}
	for _, worker := range e.Registry.Workers() {
		if left, due := worker.GuardDue(); due && left == 0 {
			worker.CountGuard(e.T.Context())
			return 0
		} else if due {
			wait = min(wait, left)
		}
		key, left, ok := worker.Pick()
		if ok {
			e.Looks++
			worker.Handle(e.T.Context(), key)
			return 0
		}
		wait = min(wait, left)
	}
	return wait
}

// Counted runs for a time and checks how many looks and calls of an app that took at most. It returns the calls.
func (e *Engine) Counted(d time.Duration, app string, looks, calls int) []string {
	e.T.Helper()
	before := e.Looks
	e.Apps[app].TakeCalls()
	e.Limit = before + 10*looks
	defer func() { e.Limit = 0 }()
	e.Run(d)
	made := e.Apps[app].TakeCalls()
	if n := e.Looks - before; n > looks || len(made) > calls {
		e.T.Errorf("%d looks and the calls %q, want at most %d and %d", n, made, looks, calls)
	}
	return made
}
