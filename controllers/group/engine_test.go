// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// engine is the reconciler of groups and the worker of the app crm, single-threaded, on a simulated clock. The users have an active account each, with the
// number of the user as its id.
type engine struct {
	t        *testing.T
	clock    *clocktesting.FakeClock
	client   *statusClient
	view     *desired.View
	registry *provisioner.Registry
	groups   *Reconciler
	app      *connectortest.Script
	users    []*v1alpha1.ScimUser
	// due are the groups that are to be reconciled.
	due map[types.NamespacedName]time.Time
	// looks are the reconciles of groups and the keys that the worker handled.
	looks int
}

// statusClient reads from a cache and writes statuses into it.
type statusClient struct {
	client.Client
	*pt.Cache
	// check says why the API server would refuse a group.
	check func(any) error
}

func (c *statusClient) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	return c.Cache.Get(ctx, key, into, opts...)
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
	object.SetResourceVersion(w.to.Put(object))
	return nil
}

// newEngine makes an engine with 40 users and the app crm, in which this process has led for longer than the settle time.
func newEngine(t *testing.T, change func(*v1alpha1.ScimApp)) *engine {
	t.Helper()
	e := &engine{t: t, clock: clocktesting.NewFakeClock(pt.Now), app: connectortest.NewScript()}
	e.client = &statusClient{Cache: pt.NewCache(), check: crdtest.Validator(t, "../..", "scimgroups")}
	app := pt.App("crm")
	app.Spec.Features = append(app.Spec.Features, v1alpha1.FeaturePushGroups)
	list(app, "Sales")
	if change != nil {
		change(app)
	}
	e.client.Put(app)
	for i := range 40 {
		user := pt.User(fmt.Sprintf("user-%02d", i), v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: fmt.Sprint(i)})
		e.client.Put(user)
		e.users = append(e.users, user)
	}
	e.client.Put(pt.Mapping("crm", "crm", userNames(e.users)))
	e.lead()
	e.run(2 * settleTime)
	return e
}

func userNames(users []*v1alpha1.ScimUser) []string {
	names := make([]string, len(users))
	for i, user := range users {
		names[i] = user.Spec.UserName
	}
	return names
}

// list makes an app list groups, which exist, and no others.
func list(app *v1alpha1.ScimApp, names ...string) {
	app.Spec.Groups, app.Status.Groups = nil, nil
	for _, name := range names {
		app.Spec.Groups = append(app.Spec.Groups, v1alpha1.PushedGroup{DisplayName: name})
		app.Status.Groups = append(app.Status.Groups, v1alpha1.ResolvedGroup{DisplayName: name, ID: pt.Group(name).SCIMID()})
	}
}

// lead begins a term of leadership: nothing is remembered of an earlier one, and every group is reconciled.
func (e *engine) lead() {
	e.t.Helper()
	e.view = desired.NewView(e.client, ledger.NewBook(e.clock))
	e.registry = provisioner.NewRegistry(e.view, e.clock, logr.Discard(), provisioner.NewMetrics(prometheus.NewRegistry()))
	e.registry.Manual = true
	e.due = map[types.NamespacedName]time.Time{}
	e.registry.SetNotify(provisioner.Notify{
		User: func(types.NamespacedName) {}, Group: func(key types.NamespacedName) { e.enqueue(key, 0) }, App: e.record,
	})
	e.registry.Begin(e.t.Context())
	e.groups = &Reconciler{Client: e.client, View: e.view, Apps: e.registry, Clock: e.clock, Recorder: events.NewFakeRecorder(1000)}
	e.start("token")
	e.event()
}

// start runs the app, with other credentials if it runs already.
func (e *engine) start(credentials string) {
	e.t.Helper()
	e.registry.Stop(pt.Key("crm"))
	if !e.registry.Run(provisioner.Config{Key: pt.Key("crm"), Connector: e.app, Settle: settleTime, Credentials: credentials}) {
		e.t.Fatal("the app does not run")
	}
}

// record writes revocations into the status of the app, as its reconciler does.
func (e *engine) record(key types.NamespacedName) {
	e.change(func(app *v1alpha1.ScimApp) {
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

// change changes the ScimApp.
func (e *engine) change(change func(*v1alpha1.ScimApp)) {
	e.t.Helper()
	stored := &v1alpha1.ScimApp{}
	if err := e.client.Get(e.t.Context(), pt.Key("crm"), stored); err != nil {
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

// event is a change that concerns all groups.
func (e *engine) event() {
	e.t.Helper()
	var list v1alpha1.ScimGroupList
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

// reconcile is the reconcile of a group that is admitted. One that is deleted vanishes when no app needs to hear of it.
func (e *engine) reconcile(key types.NamespacedName) {
	e.t.Helper()
	e.looks++
	view, err := e.view.Group(e.t.Context(), key)
	if err != nil {
		e.t.Fatal(err)
	}
	if view == nil {
		return
	}
	result, wrote, err := e.groups.push(e.t.Context(), view)
	if err != nil {
		e.t.Fatal(err)
	}
	settled := !slices.ContainsFunc(view.Apps, func(a desired.PushedGroupView) bool { return !a.Step.Drop && !a.Step.InSync })
	switch {
	case view.Group.DeletionTimestamp.IsZero():
	case wrote:
		e.enqueue(key, staleWait)
	case settled:
		e.client.Remove(view.Group)
	}
	if result.RequeueAfter > 0 {
		e.enqueue(key, result.RequeueAfter)
	}
}

// members stores a group with these members.
func (e *engine) members(name string, users ...*v1alpha1.ScimUser) {
	e.t.Helper()
	objects := make([]client.Object, len(users))
	for i, user := range users {
		objects[i] = user
	}
	group := pt.Group(name, objects...)
	if stored := e.stored(name); stored != nil {
		group.Status, group.Generation = stored.Status, stored.Generation+1
	}
	e.client.Put(group)
	e.event()
}

// delete marks a group as being deleted.
func (e *engine) delete(name string) {
	e.t.Helper()
	group, now := e.stored(name), e.now()
	group.DeletionTimestamp = &now
	group.Generation++
	e.client.Put(group)
	e.event()
}

// stored is a copy of a group, nil if there is none.
func (e *engine) stored(name string) *v1alpha1.ScimGroup {
	e.t.Helper()
	group := &v1alpha1.ScimGroup{}
	err := e.client.Get(e.t.Context(), pt.Key(name), group)
	if client.IgnoreNotFound(err) != nil {
		e.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return group.DeepCopy()
}

// entry is the status of Sales in the app, the zero value if there is none.
func (e *engine) entry() v1alpha1.PushedGroupStatus {
	e.t.Helper()
	if group := e.stored("Sales"); group != nil {
		if entry := group.Status.App("crm"); entry != nil {
			return *entry
		}
	}
	return v1alpha1.PushedGroupStatus{}
}

// ready is the reason of the Ready condition of Sales.
func (e *engine) ready() string {
	e.t.Helper()
	if condition := meta.FindStatusCondition(e.stored("Sales").Status.Conditions, v1alpha1.ConditionReady); condition != nil {
		return condition.Reason
	}
	return ""
}

// remote are the members that the app has of Sales, sorted.
func (e *engine) remote() []string {
	e.t.Helper()
	group := e.app.Group("group-Sales")
	if group == nil {
		return nil
	}
	ids := []string{}
	for _, member := range group.Members {
		ids = append(ids, member.ID)
	}
	slices.Sort(ids)
	return ids
}

// counted runs for a time and checks how many looks and calls that took at most. It returns the calls.
func (e *engine) counted(d time.Duration, looks, calls int) []string {
	e.t.Helper()
	before := e.looks
	e.app.TakeCalls()
	e.run(d)
	made := e.app.TakeCalls()
	if n := e.looks - before; n > looks || len(made) > calls {
		e.t.Errorf("%d looks and the calls %q, want at most %d and %d", n, made, looks, calls)
	}
	return made
}

// lose makes the next call of an operation lose its answer, with its effect or without.
func (e *engine) lose(op string, effect bool) {
	e.app.NoEffect = !effect
	e.app.Errs[op] = []error{connectortest.Lost(op)}
}

// pushed is an engine in which Sales has the first members and is in sync.
func pushed(t *testing.T, members int) *engine {
	t.Helper()
	e := newEngine(t, nil)
	e.members("Sales", e.users[:members]...)
	e.run(time.Minute)
	if entry := e.entry(); entry.State != v1alpha1.GroupPushed || entry.Applied == "" || e.ready() != v1alpha1.ReasonSucceeded || len(e.remote()) != members {
		t.Fatalf("the app has %+v, the members %q", entry, e.remote())
	}
	e.app.TakeCalls()
	return e
}

// late makes a change of the members that was sent before.
func (e *engine) late(change func([]connector.Member) []connector.Member) {
	group := e.app.Group("group-Sales")
	group.Members = change(group.Members)
}

func (e *engine) now() metav1.Time { return metav1.NewTime(e.clock.Now()) }
