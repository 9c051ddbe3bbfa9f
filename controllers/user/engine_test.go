// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/crdtest"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/provisioner"
	"github.com/scim-operator/scim-operator/internal/provisioner/provisionertest"
)

// engine is the accounts phase of the reconciler and the workers of the apps.
type engine struct {
	*provisionertest.Engine
	users *Reconciler
}

// newEngine makes an engine with the apps, in which this process has led for longer than the settle time.
func newEngine(t *testing.T, apps ...*v1alpha1.ScimApp) *engine {
	t.Helper()
	e := &engine{Engine: provisionertest.New(t, crdtest.Validator(t, "../..", "scimusers"), apps...)}
	e.Reconcile = e.reconcile
	e.lead()
	e.Run(2 * provisionertest.SettleTime)
	return e
}

// lead begins a term of leadership: nothing is remembered of an earlier one, and every user is reconciled.
func (e *engine) lead() {
	e.T.Helper()
	e.Lead(provisioner.Notify{User: func(key types.NamespacedName) { e.Enqueue(key, 0) }, Group: func(types.NamespacedName) {}})
	e.users = &Reconciler{Client: e.Client, View: e.View, Apps: e.Registry, Clock: e.Clock, Recorder: events.NewFakeRecorder(10_000)}
	for name := range e.Apps {
		e.Start(name, "token")
	}
	e.event()
}

// event is a change that concerns all users.
func (e *engine) event() {
	e.T.Helper()
	var list v1alpha1.ScimUserList
	if err := e.Client.List(e.T.Context(), &list); err != nil {
		e.T.Fatal(err)
	}
	for i := range list.Items {
		e.Enqueue(client.ObjectKeyFromObject(&list.Items[i]), 0)
	}
}

// reconcile is the reconcile of a user that is admitted.
func (e *engine) reconcile(key types.NamespacedName) {
	e.T.Helper()
	view, err := e.View.User(e.T.Context(), key)
	if err != nil {
		e.T.Fatal(err)
	}
	if view == nil {
		return
	}
	if view.Stale {
		e.T.Fatal("the cache of a test is never stale")
	}
	if ended, err := e.users.endConfirmations(e.T.Context(), view); ended || err != nil {
		e.Enqueue(key, 0)
		return
	}
	result, _, err := e.users.accounts(e.T.Context(), view)
	if err != nil {
		e.T.Fatal(err)
	}
	if result.RequeueAfter > 0 {
		e.Enqueue(key, result.RequeueAfter)
	}
}

// user stores a user.
func (e *engine) user(name string) *v1alpha1.ScimUser {
	user := pt.User(name)
	user.Status.ObservedGeneration = 0
	e.Client.Put(user)
	return user
}

// give gives users an app with roles, and takes it from all others.
func (e *engine) give(app string, userNames []string, roles ...string) {
	e.Client.Put(pt.Mapping(app, app, userNames, roles...))
	e.event()
}

// entry is the account status of a user, the zero value if there is none.
func (e *engine) entry(user, app string) v1alpha1.Account {
	e.T.Helper()
	if entry := e.stored(user).Status.Account(app); entry != nil {
		return *entry
	}
	return v1alpha1.Account{}
}

func (e *engine) stored(name string) *v1alpha1.ScimUser {
	e.T.Helper()
	user := &v1alpha1.ScimUser{}
	if err := e.Client.Get(e.T.Context(), pt.Key(name), user); err != nil {
		e.T.Fatal(err)
	}
	return user.DeepCopy()
}

// ready is the reason of a user's Ready condition.
func (e *engine) ready(name string) string {
	e.T.Helper()
	for _, condition := range e.stored(name).Status.Conditions {
		if condition.Type == v1alpha1.ConditionReady {
			return condition.Reason
		}
	}
	return ""
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
	e.Client.Put(pt.Mapping("bystander", "crm", bystander, roles...))
	e.give("crm", kim, roles...)
	e.Run(time.Minute)
	if got := e.entry("kim", "crm"); got.State != v1alpha1.AccountActive || e.ready("kim") != v1alpha1.ReasonSucceeded {
		t.Fatalf("kim has %+v", got)
	}
	e.Apps["crm"].TakeCalls()
	return e
}

var (
	kim       = []string{"kim@corp.test"}
	bystander = []string{"bystander@corp.test"}
)

// account of kim in the app.
func (e *engine) account() *connector.User {
	e.T.Helper()
	account := e.Apps["crm"].User(e.entry("kim", "crm").RemoteID)
	if account == nil {
		e.T.Fatal(errors.New("kim has no account in the app"))
	}
	return account
}
