// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/connectortest"
	"github.com/scim-operator/scim-operator/internal/crdtest"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

const settleTime = 10 * time.Second

// engine is the accounts phase of the reconciler and the workers of the apps, single-threaded, on a simulated clock.
type engine struct {
	t        *testing.T
	clock    *clocktesting.FakeClock
	client   *statusClient
	view     *desired.View
	registry *provisioner.Registry
	users    *Reconciler
	apps     map[string]*connectortest.Script
	// due are the users that are to be reconciled.
	due map[types.NamespacedName]time.Time
	// looks are the reconciles of users and the keys that workers handled; more than the limit, if there is one, end the test.
	looks, limit int
}

// statusClient reads from a cache and writes statuses into it.
type statusClient struct {
	client.Client
	*pt.Cache
	writes int
	// check says why the API server would refuse a user.
	check func(any) error
	// meanwhile is what happens once, after an app was read or before a status is written.
	meanwhile struct{ read, write func() }
}

func (c *statusClient) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	err := c.Cache.Get(ctx, key, into, opts...)
	if _, ok := into.(*v1alpha1.ScimApp); ok {
		once(&c.meanwhile.read)
	}
	return err
}

func once(f *func()) {
	if do := *f; do != nil {
		*f = nil
		do()
	}
}

func (c *statusClient) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return c.Cache.List(ctx, list, opts...)
}

func (c *statusClient) Status() client.SubResourceWriter { return &statusWriter{to: c} }

type statusWriter struct {
	client.SubResourceWriter
	to *statusClient
}

// Patch stores the object if the API server would take it: nobody else writes.
func (w *statusWriter) Patch(_ context.Context, object client.Object, _ client.Patch, _ ...client.SubResourcePatchOption) error {
	if err := w.to.check(object); err != nil {
		return err
	}
	once(&w.to.meanwhile.write)
	w.to.writes++
	object.SetResourceVersion(w.to.Put(object))
	return nil
}

// newEngine makes an engine with the apps, in which this process has led for longer than the settle time.
func newEngine(t *testing.T, apps ...*v1alpha1.ScimApp) *engine {
	t.Helper()
	e := &engine{t: t, clock: clocktesting.NewFakeClock(pt.Now), apps: map[string]*connectortest.Script{}}
	e.client = &statusClient{Cache: pt.NewCache(), check: crdtest.Validator(t, "../..", "scimusers")}
	for _, app := range apps {
		e.client.Put(app)
		e.apps[app.Name] = connectortest.NewScript()
	}
	e.lead()
	e.run(2 * settleTime)
	return e
}

// lead begins a term of leadership: nothing is remembered of an earlier one, and every user is reconciled.
func (e *engine) lead() {
	e.t.Helper()
	e.view = desired.NewView(e.client, ledger.NewBook(e.clock))
	e.registry = provisioner.NewRegistry(e.view, e.clock, logr.Discard(), provisioner.NewMetrics(prometheus.NewRegistry()))
	e.registry.Manual = true
	e.due = map[types.NamespacedName]time.Time{}
	e.registry.SetNotify(provisioner.Notify{User: func(key types.NamespacedName) { e.enqueue(key, 0) }, Group: func(types.NamespacedName) {}, App: e.record})
	e.registry.Begin(e.t.Context())
	e.users = &Reconciler{Client: e.client, View: e.view, Apps: e.registry, Clock: e.clock, Recorder: events.NewFakeRecorder(10_000)}
	for name := range e.apps {
		e.start(name, "token")
	}
	e.event()
}

// start runs an app, with other credentials if it runs already.
func (e *engine) start(app, credentials string) {
	e.t.Helper()
	e.registry.Stop(pt.Key(app))
	if !e.registry.Run(provisioner.Config{Key: pt.Key(app), Connector: e.apps[app], Settle: settleTime, Credentials: credentials}) {
		e.t.Fatalf("%s does not run", app)
	}
}

// record writes revocations into the status of an app, as its reconciler does.
func (e *engine) record(key types.NamespacedName) {
	e.change(key.Name, func(app *v1alpha1.ScimApp) {
		status := v1alpha1.GuardStatus{Minimum: 10, Percent: 20, LeaversPerHour: 10}
		if app.Status.Guard != nil {
			status = *app.Status.Guard
		}
		var added []string
		status.Revoked, added = ledger.RecordRevoked(status.Revoked, e.view.Book.Ledger(key).RevokedUsers(), e.clock.Now())
		app.Status.Guard = &status
		defer e.registry.Recorded(key, added)
	})
}

// change changes a ScimApp.
func (e *engine) change(name string, change func(*v1alpha1.ScimApp)) {
	e.t.Helper()
	stored := &v1alpha1.ScimApp{}
	if err := e.client.Get(e.t.Context(), pt.Key(name), stored); err != nil {
		e.t.Fatal(err)
	}
	app := stored.DeepCopy()
	change(app)
	e.client.Put(app)
}

func (e *engine) enqueue(key types.NamespacedName, delay time.Duration) {
	at := e.clock.Now().Add(delay)
	if before, ok := e.due[key]; !ok || at.Before(before) {
		e.due[key] = at
	}
}

// event is a change that concerns all users.
func (e *engine) event() {
	e.t.Helper()
	var list v1alpha1.ScimUserList
	if err := e.client.List(e.t.Context(), &list); err != nil {
		e.t.Fatal(err)
	}
	for i := range list.Items {
		e.enqueue(client.ObjectKeyFromObject(&list.Items[i]), 0)
	}
}

// run takes all steps that are due within a time, in order.
func (e *engine) run(d time.Duration) {
	e.t.Helper()
	end := e.clock.Now().Add(d)
	for range 100_000 {
		wait := e.step()
		if e.limit > 0 && e.looks > e.limit {
			e.t.Fatalf("the engine does not come to rest within %d looks", e.limit)
		}
		if wait == 0 {
			continue
		}
		if e.clock.Now().Add(wait).After(end) {
			e.clock.SetTime(end)
			return
		}
		e.clock.Step(wait)
	}
	e.t.Fatal("the engine does not come to rest")
}

// step takes one step, or says how long it takes until there is one.
func (e *engine) step() (wait time.Duration) {
	e.t.Helper()
	wait = time.Hour
	for key, at := range e.due {
		if left := at.Sub(e.clock.Now()); left > 0 {
			wait = min(wait, left)
			continue
		}
		delete(e.due, key)
		e.reconcile(key)
		return 0
	}
	for _, worker := range e.registry.Workers() {
		if left, due := worker.GuardDue(); due && left == 0 {
			worker.CountGuard(e.t.Context())
			return 0
		} else if due {
			wait = min(wait, left)
		}
		key, left, ok := worker.Pick()
		if ok {
			e.looks++
			worker.Handle(e.t.Context(), key)
			return 0
		}
		wait = min(wait, left)
	}
	return wait
}

// reconcile is the reconcile of a user that is admitted.
func (e *engine) reconcile(key types.NamespacedName) {
	e.t.Helper()
	e.looks++
	view, err := e.view.User(e.t.Context(), key)
	if err != nil {
		e.t.Fatal(err)
	}
	if view == nil {
		return
	}
	if view.Stale {
		e.t.Fatal("the cache of a test is never stale")
	}
	result, _, err := e.users.accounts(e.t.Context(), view)
	if err != nil {
		e.t.Fatal(err)
	}
	if result.RequeueAfter > 0 {
		e.enqueue(key, result.RequeueAfter)
	}
}

// user stores a user.
func (e *engine) user(name string) *v1alpha1.ScimUser {
	user := pt.User(name)
	user.Status.ObservedGeneration = 0
	e.client.Put(user)
	return user
}

// give gives users an app with roles, and takes it from all others.
func (e *engine) give(app string, userNames []string, roles ...string) {
	e.client.Put(pt.Mapping(app, app, userNames, roles...))
	e.event()
}

// entry is the account status of a user, the zero value if there is none.
func (e *engine) entry(user, app string) v1alpha1.Account {
	e.t.Helper()
	if entry := e.stored(user).Status.Account(app); entry != nil {
		return *entry
	}
	return v1alpha1.Account{}
}

func (e *engine) stored(name string) *v1alpha1.ScimUser {
	e.t.Helper()
	user := &v1alpha1.ScimUser{}
	if err := e.client.Get(e.t.Context(), pt.Key(name), user); err != nil {
		e.t.Fatal(err)
	}
	return user.DeepCopy()
}

// ready is the reason of a user's Ready condition.
func (e *engine) ready(name string) string {
	e.t.Helper()
	for _, condition := range e.stored(name).Status.Conditions {
		if condition.Type == v1alpha1.ConditionReady {
			return condition.Reason
		}
	}
	return ""
}

// counted runs for a time and checks how many looks and calls that took at most. It returns the calls of the app.
func (e *engine) counted(d time.Duration, app string, looks, calls int) []string {
	e.t.Helper()
	before := e.looks
	e.apps[app].TakeCalls()
	e.limit = before + 10*looks
	defer func() { e.limit = 0 }()
	e.run(d)
	made := e.apps[app].TakeCalls()
	if n := e.looks - before; n > looks || len(made) > calls {
		e.t.Errorf("%d looks and the calls %q, want at most %d and %d", n, made, looks, calls)
	}
	return made
}

// employed is an engine in which kim and a bystander have an account of crm.
func employed(t *testing.T, change func(*v1alpha1.ScimApp), roles ...string) *engine {
	t.Helper()
	app := pt.App("crm")
	if change != nil {
		change(app)
	}
	e := newEngine(t, app)
	e.user("kim")
	e.user("bystander")
	e.client.Put(pt.Mapping("bystander", "crm", bystander, roles...))
	e.give("crm", kim, roles...)
	e.run(time.Minute)
	if got := e.entry("kim", "crm"); got.State != v1alpha1.AccountActive || e.ready("kim") != v1alpha1.ReasonSucceeded {
		t.Fatalf("kim has %+v", got)
	}
	e.apps["crm"].TakeCalls()
	return e
}

var (
	kim       = []string{"kim@corp.test"}
	bystander = []string{"bystander@corp.test"}
)

// account of kim in the app.
func (e *engine) account() *connector.User {
	e.t.Helper()
	account := e.apps["crm"].User(e.entry("kim", "crm").RemoteID)
	if account == nil {
		e.t.Fatal(errors.New("kim has no account in the app"))
	}
	return account
}
