// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/connectortest"
	"github.com/scim-operator/scim-operator/internal/crdtest"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/provisioner"
	"github.com/scim-operator/scim-operator/internal/provisioner/provisionertest"
)

// engine is the reconciler of groups and the worker of the app crm. The users have an active account each, with the number of the user as its id.
type engine struct {
	*provisionertest.Engine
	groups *Reconciler
	app    *connectortest.Script
	users  []*v1alpha1.ScimUser
}

// newEngine makes an engine with 40 users and the app crm, in which this process has led for longer than the settle time.
func newEngine(t *testing.T, change func(*v1alpha1.ScimApp)) *engine {
	t.Helper()
	app := pt.App("crm")
	app.Spec.Features = append(app.Spec.Features, v1alpha1.FeaturePushGroups)
	list(app, "Sales")
	if change != nil {
		change(app)
	}
	e := &engine{Engine: provisionertest.New(t, crdtest.Validator(t, "../..", "scimgroups"), app)}
	e.app, e.Reconcile = e.Apps["crm"], e.reconcile
	for i := range 40 {
		user := pt.User(fmt.Sprintf("user-%02d", i), v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: fmt.Sprint(i)})
		e.Client.Put(user)
		e.users = append(e.users, user)
	}
	e.Client.Put(pt.Mapping("crm", "crm", userNames(e.users)))
	e.lead()
	e.Run(2 * provisionertest.SettleTime)
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
	e.T.Helper()
	e.Lead(provisioner.Notify{User: func(types.NamespacedName) {}, Group: func(key types.NamespacedName) { e.Enqueue(key, 0) }})
	e.groups = &Reconciler{Client: e.Client, View: e.View, Apps: e.Registry, Clock: e.Clock, Recorder: events.NewFakeRecorder(1000)}
	e.start("token")
	e.event()
}

func (e *engine) start(credentials string) { e.Start("crm", credentials) }

// change changes the ScimApp.
func (e *engine) change(change func(*v1alpha1.ScimApp)) { e.Change("crm", change) }

// event is a change that concerns all groups.
func (e *engine) event() {
	e.T.Helper()
	var list v1alpha1.ScimGroupList
	if err := e.Client.List(e.T.Context(), &list); err != nil {
		e.T.Fatal(err)
	}
	for i := range list.Items {
		e.Enqueue(client.ObjectKeyFromObject(&list.Items[i]), 0)
	}
}

// reconcile is the reconcile of a group that is admitted. One that is deleted vanishes when no app needs to hear of it.
func (e *engine) reconcile(key types.NamespacedName) {
	e.T.Helper()
	view, err := e.View.Group(e.T.Context(), key)
	if err != nil {
		e.T.Fatal(err)
	}
	if view == nil {
		return
	}
	result, wrote, err := e.groups.push(e.T.Context(), view)
	if err != nil {
		e.T.Fatal(err)
	}
	settled := !slices.ContainsFunc(view.Apps, func(a desired.PushedGroupView) bool { return !a.Step.Drop && !a.Step.InSync })
	switch {
	case view.Group.DeletionTimestamp.IsZero():
	case wrote:
		e.Enqueue(key, staleWait)
	case settled:
		e.Client.Remove(view.Group)
	}
	if result.RequeueAfter > 0 {
		e.Enqueue(key, result.RequeueAfter)
	}
}

// members stores a group with these members.
func (e *engine) members(name string, users ...*v1alpha1.ScimUser) {
	e.T.Helper()
	objects := make([]client.Object, len(users))
	for i, user := range users {
		objects[i] = user
	}
	group := pt.Group(name, objects...)
	if stored := e.stored(name); stored != nil {
		group.Status, group.Generation = stored.Status, stored.Generation+1
	}
	e.Client.Put(group)
	e.event()
}

// delete marks a group as being deleted.
func (e *engine) delete(name string) {
	e.T.Helper()
	group, now := e.stored(name), e.now()
	group.DeletionTimestamp = &now
	group.Generation++
	e.Client.Put(group)
	e.event()
}

// stored is a copy of a group, nil if there is none.
func (e *engine) stored(name string) *v1alpha1.ScimGroup {
	e.T.Helper()
	group := &v1alpha1.ScimGroup{}
	err := e.Client.Get(e.T.Context(), pt.Key(name), group)
	if client.IgnoreNotFound(err) != nil {
		e.T.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return group.DeepCopy()
}

// entry is the status of Sales in the app, the zero value if there is none.
func (e *engine) entry() v1alpha1.PushedGroupStatus {
	e.T.Helper()
	if group := e.stored("Sales"); group != nil {
		if entry := group.Status.App("crm"); entry != nil {
			return *entry
		}
	}
	return v1alpha1.PushedGroupStatus{}
}

// ready is the reason of the Ready condition of Sales.
func (e *engine) ready() string {
	e.T.Helper()
	if condition := meta.FindStatusCondition(e.stored("Sales").Status.Conditions, v1alpha1.ConditionReady); condition != nil {
		return condition.Reason
	}
	return ""
}

// remote are the members that the app has of Sales, sorted.
func (e *engine) remote() []string {
	e.T.Helper()
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
	return e.Counted(d, "crm", looks, calls)
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
	e.Run(time.Minute)
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

func (e *engine) now() metav1.Time { return metav1.NewTime(e.Clock.Now()) }
