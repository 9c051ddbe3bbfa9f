// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// notFound is the answer, in the form of SCIM, that the app does not have an account.
func notFound(op string) error {
	return &connector.Error{Op: op, Kind: connector.NotFound, Status: 404, Sent: true, InProtocol: true}
}

// leaves lets the provider change the user kim and make it inactive in one push.
func (e *engine) leaves(change func(*v1alpha1.ScimUser)) {
	e.T.Helper()
	user, no := e.stored("kim"), false
	user.Spec.Active = &no
	user.Generation++
	change(user)
	e.Client.Put(user)
	e.event()
}

// notLost fails if the leaver's account is active and nothing tells of it.
func (e *engine) notLost() {
	e.T.Helper()
	for i := range e.Apps["crm"].Users {
		if e.Apps["crm"].Users[i].Active && e.ready("kim") == v1alpha1.ReasonSucceeded {
			e.T.Errorf("the account is active, the user is Ready and its account status is %+v", e.entry("kim", "crm"))
		}
	}
}

// A 404 of yesterday does not prove the one of today.
func TestAbsenceOfAnEarlierChangeProvesNothing(t *testing.T) {
	e := employed(t, nil)
	app := e.Apps["crm"]
	app.Errs[connector.OpSetActive] = []error{notFound(connector.OpSetActive)}
	e.give("crm", nil)
	e.Run(2 * time.Second)
	e.give("crm", kim)
	e.Run(24 * time.Hour)

	app.Errs[connector.OpSetActive] = []error{notFound(connector.OpSetActive)}
	app.Hidden = true
	e.give("crm", nil)
	e.Run(2 * time.Second)
	app.Hidden = false
	e.Run(2 * time.Hour)
	if e.account().Active {
		t.Errorf("the account is active, its status is %+v", e.entry("kim", "crm"))
	}
}

// The provider renames and deactivates the user in one push, and the app answers each write with 404. A lookup by the new name finds nothing, a read of the id does.
func TestAccountOfARenamedLeaverIsReadByItsIDBeforeItIsAbsent(t *testing.T) {
	e := employed(t, nil)
	app := e.Apps["crm"]
	app.Always[connector.OpSetActive], app.Always[connector.OpUpdateUser] = notFound(connector.OpSetActive), notFound(connector.OpUpdateUser)
	e.leaves(func(user *v1alpha1.ScimUser) { user.Spec.UserName = "kim.left@corp.test" })
	e.Run(2 * time.Hour)
	e.notLost()

	delete(app.Always, connector.OpSetActive)
	e.Run(time.Hour)
	if e.account().Active {
		t.Errorf("the account is active, its status is %+v", e.entry("kim", "crm"))
	}
}

// The create lost its answer, the user leaves, and the app answers the deactivation of the account that it shows with 404.
func TestMadeAccountThatTheAppShowsIsNotAbsent(t *testing.T) {
	e := newEngine(t, pt.App("crm"))
	app := e.Apps["crm"]
	e.user("kim")
	e.lose(connector.OpCreateUser, true)
	e.give("crm", kim)
	e.Run(20 * time.Millisecond)
	app.Always[connector.OpSetActive] = notFound(connector.OpSetActive)
	e.give("crm", nil)
	e.Run(2 * time.Hour)
	e.notLost()

	delete(app.Always, connector.OpSetActive)
	e.Run(time.Hour)
	if len(app.Users) != 1 || app.Users[0].Active {
		t.Errorf("the account is %+v, its status %+v", app.Users, e.entry("kim", "crm"))
	}
}

// Another process may have created the account that is found, and nothing tells: it is left alone, and the status has no operation that was never sent.
func TestAccountThatIsLeftAloneHasNoOperation(t *testing.T) {
	app := pt.App("crm")
	app.Spec.Attributes = append(app.Spec.Attributes, v1alpha1.AttributeMapping{Name: "externalId", Expression: "user.userName"})
	e := newEngine(t, app)
	e.user("kim")
	e.lose(connector.OpCreateUser, true)
	e.give("crm", kim)
	e.Run(20 * time.Millisecond)
	e.Client.Put(pt.Mapping("crm", "crm", nil))
	e.lead()
	e.Apps["crm"].TakeCalls()
	e.Run(2 * time.Minute)
	if got := e.entry("kim", "crm"); got.Reason != v1alpha1.ReasonOwnershipUnknown || got.Operation != nil {
		t.Errorf("the account status is %+v after the calls %q", got, e.Apps["crm"].TakeCalls())
	}
}
