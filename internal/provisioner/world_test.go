// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/connectortest"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// world is a running app "crm" without goroutines: a test takes its steps.
type world struct {
	t        *testing.T
	clock    *clocktesting.FakeClock
	cache    *pt.Cache
	view     *desired.View
	script   *connectortest.Script
	registry *Registry
	metrics  *prometheus.Registry
	worker   *Worker
	mu       sync.Mutex
	told     map[string]int
}

const settleTime = 30 * time.Second

// newWorld makes a world in which this process has led for longer than the settle time.
func newWorld(t *testing.T, change func(*v1alpha1.ScimApp)) *world {
	t.Helper()
	w := &world{t: t, clock: clocktesting.NewFakeClock(pt.Now), cache: pt.NewCache(), told: map[string]int{}, script: connectortest.NewScript()}
	app := pt.App("crm")
	if change != nil {
		change(app)
	}
	w.cache.Put(app)
	w.lead()
	w.count() // the term begins with the first decision
	w.clock.Step(settleTime)
	return w
}

// lead begins a term of leadership: nothing is remembered of an earlier one.
func (w *world) lead() {
	w.t.Helper()
	w.view = desired.NewView(w.cache, ledger.NewBook(w.clock))
	w.metrics = prometheus.NewRegistry()
	w.registry = NewRegistry(w.view, w.clock, logr.Discard(), NewMetrics(w.metrics, w.clock))
	w.registry.Manual = true
	w.registry.SetNotify(Notify{User: w.tell("user "), Group: w.tell("group "), App: w.tell("app ")})
	w.registry.Begin(w.t.Context())
	w.run("token")
}

// run starts the app with other credentials.
func (w *world) run(credentials string) {
	w.t.Helper()
	w.registry.Stop(pt.Key("crm"))
	if !w.registry.Run(Config{Key: pt.Key("crm"), Connector: w.script, Settle: settleTime, Credentials: credentials}) {
		w.t.Fatal("the app does not run")
	}
	w.worker = w.registry.Get(pt.Key("crm"))
}

func (w *world) tell(what string) func(types.NamespacedName) {
	return func(key types.NamespacedName) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told[what+key.Name]++
	}
}

// put stores users as their reconciler leaves them: the spec is dealt with.
func (w *world) put(users ...*v1alpha1.ScimUser) {
	for _, user := range users {
		user.Status.ObservedGeneration = user.Generation
		w.cache.Put(user)
	}
}

// give gives the app to these users and to nobody else.
func (w *world) give(userNames ...string) {
	w.cache.Put(pt.Mapping("crm", "crm", userNames))
}

// change changes the ScimApp.
func (w *world) change(change func(*v1alpha1.ScimApp)) {
	w.t.Helper()
	stored := &v1alpha1.ScimApp{}
	if err := w.cache.Get(w.t.Context(), pt.Key("crm"), stored); err != nil {
		w.t.Fatal(err)
	}
	app := stored.DeepCopy()
	change(app)
	w.cache.Put(app)
}

// joiner is a user whose intent to create is written, by this process.
func (w *world) joiner(name string) *v1alpha1.ScimUser {
	user := pt.User(name, v1alpha1.Account{App: "crm", State: v1alpha1.AccountCreating, Planned: v1alpha1.ActionCreate, MatchValue: name + "@corp.test"})
	w.put(user)
	w.give(name + "@corp.test")
	w.worker.ledger.Intended(idOf(user))
	return user
}

// member is a user with an account that is in sync, by the remote id "r-<name>", and has the app.
func (w *world) member(name string) *v1alpha1.ScimUser {
	w.t.Helper()
	user := pt.User(name)
	w.put(user)
	w.give(user.Spec.UserName)
	values := w.desired(user).Values
	w.script.Users = append(w.script.Users, connector.User{
		ID: "r-" + name, UserName: user.Spec.UserName, Active: true, Attributes: nested(values),
	})
	user.Status.Accounts = []v1alpha1.Account{{
		App: "crm", State: v1alpha1.AccountActive, RemoteID: "r-" + name, Applied: plan.HashValues(values).String(),
	}}
	w.put(user)
	return user
}

func (w *world) desired(user *v1alpha1.ScimUser) plan.Desired {
	w.t.Helper()
	_, account, err := w.view.Account(w.t.Context(), client.ObjectKeyFromObject(user), "crm")
	if err != nil || account == nil {
		w.t.Fatalf("account %+v, error %v", account, err)
	}
	return account.Desired
}

// nested is the object that an app keeps of the values.
func nested(values map[string]any) map[string]any {
	return map[string]any{"userName": values["userName"], "name": map[string]any{"givenName": values["name.givenName"], "familyName": values["name.familyName"]}}
}

// announce writes that the account may be changed, as the user's reconciler does before a change that no spec tells of.
func (w *world) announce(user *v1alpha1.ScimUser, action v1alpha1.AccountAction, attributes ...string) {
	entry := &user.Status.Accounts[0]
	entry.Planned = action
	entry.Operation = &v1alpha1.AccountOperation{Types: []v1alpha1.AccountAction{action}, Attributes: attributes}
	w.put(user)
	w.worker.ledger.Announced(idOf(user))
}

func idOf(user *v1alpha1.ScimUser) ledger.ID { return ledger.ID{Kind: ledger.Account, UID: user.UID} }

// work does one look at a user's key, and gives the outcome if there is one.
func (w *world) work(name string) *outcome {
	w.t.Helper()
	w.look(account(name))
	user := &v1alpha1.ScimUser{}
	if err := w.cache.Get(w.t.Context(), pt.Key(name), user); err != nil {
		w.t.Fatal(err)
	}
	if o, ok := w.worker.ledger.AccountOutcome(user.UID); ok {
		return &o
	}
	return nil
}

// look does one look at a key.
func (w *world) look(want Key) {
	w.t.Helper()
	w.worker.Enqueue(want, ClassRevocation, "", 0)
	key, _, ok := w.worker.Pick()
	for ok && key != want {
		// It waits behind others, which are not what the test is about.
		w.worker.queue.done(key)
		key, _, ok = w.worker.Pick()
	}
	if !ok {
		w.t.Fatalf("%s cannot be worked on", want.Name)
	}
	w.worker.Handle(w.t.Context(), key)
}

// waits reports whether a key waits in the queue.
func (w *world) waits(key Key) bool { return w.worker.queue.waiting[key] != nil }

// write puts the outcome into the status, as the user's reconciler does.
func (w *world) write(user *v1alpha1.ScimUser, o *outcome) {
	w.t.Helper()
	if o == nil {
		w.t.Fatal("there is no outcome")
	}
	if o.Drop {
		user.Status.Accounts = nil
	} else {
		user.Status.Accounts = []v1alpha1.Account{o.Entry}
	}
	w.worker.ledger.AccountWritten(user.UID, *o)
	w.put(user)
}

// count makes the guard count.
func (w *world) count() {
	w.t.Helper()
	if err := w.worker.gate.count(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

type outcome = ledger.Outcome[v1alpha1.Account]

func (w *world) wantCalls(want ...string) {
	w.t.Helper()
	if calls := w.script.TakeCalls(); !slices.Equal(want, calls) {
		w.t.Errorf("the app was called %q, want %q", calls, want)
	}
}

func failure(op string, kind connector.Kind, status int) error {
	return &connector.Error{Op: op, Kind: kind, Status: status, Sent: true}
}

const (
	switchOff = connector.OpSetActive + "(false)"
	switchOn  = connector.OpSetActive + "(true)"
)
