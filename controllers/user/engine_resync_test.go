// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// deactivateUnnoticed makes kim inactive, and loses the event.
func (e *engine) deactivateUnnoticed() {
	e.T.Helper()
	user, inactive := e.stored("kim"), false
	user.Spec.Active = &inactive
	user.Generation++
	e.Client.Put(user)
}

func TestARevocationThatAResyncFindsIsARevocation(t *testing.T) {
	e := employed(t, nil)
	names := []string{kim[0]}
	for i := range 30 {
		name := fmt.Sprintf("joiner%d", i)
		e.user(name)
		names = append(names, name+"@corp.test")
	}
	e.Client.Put(pt.Mapping("crm", "crm", names))
	e.deactivateUnnoticed()
	for i := range 30 {
		e.reconcile(pt.Key(fmt.Sprintf("joiner%d", i)))
	}
	// As a resync does, after all others.
	e.reconcile(pt.Key("kim"))
	key, _, ok := e.Registry.Get(pt.Key("crm")).Pick()
	if want := (provisioner.Key{Kind: provisioner.KindAccount, Name: "kim"}); !ok || key != want {
		t.Errorf("the first key is %+v", key)
	}
}

// The guard finds revocations by itself, so the key is that of another change.
func TestAKeyThatIsLostInAnAppsQueueComesAgain(t *testing.T) {
	e := employed(t, nil)
	user := e.stored("kim")
	user.Spec.Title = "another"
	user.Generation++
	e.Client.Put(user)
	view, err := e.View.User(t.Context(), pt.Key("kim"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.users.accounts(t.Context(), view); err != nil {
		t.Fatal(err)
	}
	// The new worker of the app has an empty queue.
	e.Start("crm", "token")
	e.Run(time.Second)
	if calls := e.Apps["crm"].TakeCalls(); len(calls) > 0 {
		t.Fatalf("the key is not lost: %q", calls)
	}
	e.reconcile(pt.Key("kim"))
	e.Run(time.Minute)
	if got := e.entry("kim", "crm"); len(e.Apps["crm"].TakeCalls()) != 1 || got.Planned != "" {
		t.Errorf("the status is %+v", got)
	}
}

// A resync of users in sync writes nothing, calls no app, and enqueues nothing.
func TestAResyncOfUsersInSyncCostsNothing(t *testing.T) {
	const users = 200
	app := pt.App("crm")
	e := newEngine(t, app)
	names := make([]string, users)
	for i := range names {
		e.user(fmt.Sprintf("u%d", i))
		names[i] = fmt.Sprintf("u%d@corp.test", i)
	}
	e.give("crm", names)
	e.Run(2 * time.Minute)
	if got := e.entry("u199", "crm"); got.State != v1alpha1.AccountActive {
		t.Fatalf("the status is %+v", got)
	}
	e.Apps["crm"].TakeCalls()
	e.Client.Writes = 0
	for range 3 {
		e.event()
		e.Run(10 * time.Minute)
	}
	if calls := e.Apps["crm"].TakeCalls(); e.Client.Writes > 0 || len(calls) > 0 {
		t.Errorf("%d writes, calls %q", e.Client.Writes, calls)
	}
}
