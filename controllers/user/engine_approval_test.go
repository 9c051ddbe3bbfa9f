// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// A person approves a batch while the app is away; its cause is fixed before a call was made. The same mistake another time is another batch.
func TestApprovalEndsWithTheChangesThatItWasFor(t *testing.T) {
	e := newEngine(t, pt.App("crm"))
	var names []string
	for i := range 40 {
		name := fmt.Sprintf("user-%02d", i)
		e.user(name)
		names = append(names, name+"@corp.test")
	}
	e.give("crm", names)
	e.Run(2 * time.Minute)
	e.give("crm", nil)
	e.Run(time.Minute)
	held := e.entry("user-00", "crm").HeldBatch
	if held == "" {
		t.Fatal("nothing is held")
	}
	// The app asks for no calls.
	e.View.Book.Ledger(pt.Key("crm")).Pause(e.Clock.Now().Add(30 * time.Minute))
	e.Start("crm", "token")
	e.Change("crm", func(app *v1alpha1.ScimApp) {
		app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: held}
	})
	e.Registry.Get(pt.Key("crm")).Recheck()
	e.event()
	e.Run(time.Minute)
	e.give("crm", names)
	e.Run(10 * time.Minute)
	e.give("crm", nil)
	e.Apps["crm"].TakeCalls()
	e.Run(time.Hour)
	active := 0
	for _, user := range e.Apps["crm"].Users {
		if user.Active {
			active++
		}
	}
	if active != 40 {
		t.Errorf("%d of 40 accounts are active, user-00 has %+v", active, e.entry("user-00", "crm"))
	}
}

// A role that a lost call may have given is not forgotten by a deactivation that comes long after it.
func TestLostRoleIsNotForgottenByALaterDeactivation(t *testing.T) {
	e := employed(t, nil)
	e.lose(connector.OpUpdateUser, true)
	e.give("crm", kim, "editor")
	e.Run(100 * time.Millisecond)
	if got := e.entry("kim", "crm"); got.Operation == nil {
		t.Fatalf("the call is not announced: %+v", got)
	}
	// The app is away for longer than the settle time.
	e.View.Book.Ledger(pt.Key("crm")).Pause(e.Clock.Now().Add(time.Minute))
	e.Start("crm", "token")
	e.give("crm", nil)
	e.Run(5 * time.Minute)
	if e.account().Active {
		t.Fatalf("the account is %+v", e.account())
	}
	e.give("crm", kim)
	e.Run(5 * time.Minute)
	if roles := e.account().Attributes["roles"]; roles != nil || e.ready("kim") != v1alpha1.ReasonSucceeded {
		t.Errorf("the account is active with the roles %v, the entry %+v", roles, e.entry("kim", "crm"))
	}
}
