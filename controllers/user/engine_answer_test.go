// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
)

// stranger is an account in the app that nobody manages.
func stranger(userName string) connector.User {
	return connector.User{ID: "stranger", UserName: userName, Active: true, Attributes: map[string]any{"userName": userName}}
}

// promote changes a mapped attribute of kim.
func (e *engine) promote() {
	e.T.Helper()
	user := e.stored("kim")
	user.Spec.Title = "Manager"
	user.Generation++
	e.Client.Put(user)
	e.event()
}

// The app answers a write with the id of another account. The account keeps its id, and the other one is never changed.
func TestAnswerWithTheIDOfAnotherAccountIsNotBelieved(t *testing.T) {
	for name, tt := range map[string]struct {
		op     string
		change func(*engine)
	}{
		"update": {connector.OpUpdateUser, (*engine).promote},
		"reactivation": {connector.OpSetActive, func(e *engine) {
			e.give("crm", nil)
			e.Run(time.Minute)
			e.give("crm", kim)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := employed(t, nil)
			app, id := e.Apps["crm"], e.entry("kim", "crm").RemoteID
			app.Users = append(app.Users, stranger("root@corp.test"))
			app.Answer = func(op string, user *connector.User) {
				if op == tt.op {
					user.ID = "stranger"
				}
			}
			tt.change(e)
			e.Run(2 * time.Minute)
			if got := e.entry("kim", "crm"); got.RemoteID != id || got.Reason != v1alpha1.ReasonNotApplied {
				t.Errorf("the account status is %+v", got)
			}
			app.Answer = nil
			e.give("crm", nil)
			e.Run(time.Hour)
			if app.User(id).Active || !app.User("stranger").Active {
				t.Errorf("active: the leaver %t, the stranger %t", app.User(id).Active, app.User("stranger").Active)
			}
		})
	}
}

// The app answers a deactivation with another account, which is inactive. The account itself is still active.
func TestDeactivationIsNotConfirmedByAnotherAccount(t *testing.T) {
	e := employed(t, nil)
	app := e.Apps["crm"]
	app.Users = append(app.Users, stranger("root@corp.test"))
	id := e.entry("kim", "crm").RemoteID
	app.Answer = func(op string, user *connector.User) {
		if op == connector.OpSetActive {
			user.ID, user.Active, user.ActiveShown = "stranger", false, true
			app.User(id).Active = true
		}
	}
	e.give("crm", nil)
	e.Run(time.Minute)
	if got := e.entry("kim", "crm"); got.State != v1alpha1.AccountActive || got.Reason != v1alpha1.ReasonNotApplied {
		t.Errorf("the account status is %+v", got)
	}
}

// Some apps give an account another id with its name.
func TestAnotherIDUnderWhichTheAppShowsTheUserIsKept(t *testing.T) {
	e := employed(t, nil)
	app, id := e.Apps["crm"], e.entry("kim", "crm").RemoteID
	app.Answer = func(_ string, user *connector.User) {
		if account := app.User(id); account != nil && user.ID == id {
			account.ID, user.ID = "renamed", "renamed"
		}
	}
	e.promote()
	e.Run(time.Minute)
	if got := e.entry("kim", "crm"); got.RemoteID != "renamed" || e.ready("kim") != v1alpha1.ReasonSucceeded {
		t.Errorf("the account status is %+v", got)
	}
}
