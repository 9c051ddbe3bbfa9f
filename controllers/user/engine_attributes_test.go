// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// refusesTitle is an app that refuses titles, with or without their name.
func refusesTitle(scimType string, named ...string) func(string, connector.Attributes) error {
	return func(op string, sent connector.Attributes) error {
		if sent["title"] == nil {
			return nil
		}
		return &connector.Error{Op: op, Kind: connector.Invalid, Status: 400, ScimType: scimType, Attributes: named, Sent: true, InProtocol: true}
	}
}

func (e *engine) annotate(name, request string) {
	e.T.Helper()
	user := e.stored(name)
	user.Annotations = map[string]string{v1alpha1.AnnotationReconcile: request}
	e.Client.Put(user)
	e.event()
}

func (e *engine) calls(op string) int {
	calls := e.Apps["crm"].TakeCalls()
	return len(slices.DeleteFunc(calls, func(call string) bool { return call != op }))
}

// A refused attribute is named on the account, which is in sync otherwise; it is written again when its value changes or a person asks, and not by itself.
func TestRefusedAttributeDoesNotBlockTheAccount(t *testing.T) {
	e := employed(t, nil)
	e.Apps["crm"].Refuse = refusesTitle("invalidValue", "title")
	e.calls("")
	e.promote()
	e.Run(3 * time.Hour)
	got := e.entry("kim", "crm")
	if !slices.Equal(got.RejectedAttributes, []string{"title"}) || got.Reason != "" || e.ready("kim") != v1alpha1.ReasonSucceeded {
		t.Errorf("the account status is %+v", got)
	}
	if n := e.calls(connector.OpUpdateUser); n != 1 {
		t.Errorf("%d updates", n)
	}
	e.lead()
	e.Run(time.Hour)
	if n := e.calls(connector.OpUpdateUser); n != 0 {
		t.Errorf("%d updates after a restart", n)
	}
	e.annotate("kim", "please")
	e.Run(time.Hour)
	if n := e.calls(connector.OpUpdateUser); n != 1 {
		t.Errorf("%d updates because a person asks", n)
	}
	e.Apps["crm"].Refuse = nil
	user := e.stored("kim")
	user.Spec.Title = "Director"
	user.Generation++
	e.Client.Put(user)
	e.event()
	e.Run(time.Minute)
	if got := e.entry("kim", "crm"); len(got.RejectedAttributes) > 0 || e.Apps["crm"].User(got.RemoteID).Attributes["title"] != "Director" {
		t.Errorf("the account status is %+v", got)
	}
}

// Reactivation gives access, whatever attribute the app refuses.
func TestRefusedAttributeDoesNotBlockReactivation(t *testing.T) {
	for name, refuse := range map[string]func(string, connector.Attributes) error{
		"named": refusesTitle("mutability", "title"), "not named": refusesTitle(""),
	} {
		t.Run(name, func(t *testing.T) {
			e := employed(t, nil)
			e.promote()
			e.give("crm", nil)
			e.Run(time.Minute)
			if got := e.entry("kim", "crm"); got.State != v1alpha1.AccountInactive {
				t.Fatalf("the account status is %+v", got)
			}
			e.Apps["crm"].Refuse = refuse
			user := e.stored("kim")
			user.Spec.Title, user.Spec.NickName = "Director", "K"
			user.Generation++
			e.Client.Put(user)
			e.give("crm", kim)
			e.Run(5 * time.Minute)
			got := e.entry("kim", "crm")
			account := e.Apps["crm"].User(got.RemoteID)
			if got.State != v1alpha1.AccountActive || !account.Active || account.Attributes["nickName"] != "K" || !slices.Equal(got.RejectedAttributes, []string{"title"}) {
				t.Errorf("the account status is %+v, the account %+v", got, account)
			}
		})
	}
}

// A role that the app drops is not claimed, and taking it later is a revocation all the same.
func TestRoleThatTheAppDoesNotShowIsNotClaimed(t *testing.T) {
	e := newEngine(t, pt.App("crm"))
	e.user("kim")
	app := e.Apps["crm"]
	app.Answer = func(_ string, user *connector.User) { delete(user.Attributes, "roles") }
	e.give("crm", kim, "editor")
	hide := func() {
		for i := range app.Users {
			delete(app.Users[i].Attributes, "roles")
		}
	}
	app.Answer = func(_ string, user *connector.User) { delete(user.Attributes, "roles"); hide() }
	e.Run(time.Minute)
	got := e.entry("kim", "crm")
	if got.State != v1alpha1.AccountActive || len(got.Roles) > 0 || e.ready("kim") != v1alpha1.ReasonSucceeded {
		t.Errorf("the account status is %+v", got)
	}
	e.calls("")
	e.Run(3 * time.Hour)
	e.lead()
	e.Run(time.Hour)
	if calls := app.TakeCalls(); len(calls) > 0 {
		t.Errorf("the calls %q", calls)
	}
	view, err := e.View.User(t.Context(), pt.Key("kim"))
	if err != nil || !view.Accounts[0].Step.InSync {
		t.Fatalf("view %+v, error %v", view, err)
	}
	e.Client.Put(pt.Mapping("crm", "crm", kim, "viewer"))
	if view, err = e.View.User(t.Context(), pt.Key("kim")); err != nil || !view.Accounts[0].Step.Revocation {
		t.Errorf("the step is %+v, error %v", view.Accounts[0].Step, err)
	}
}

// The annotation has the account read once for each value, and nothing corrected.
func TestReconcileAnnotationReadsTheAccountOnce(t *testing.T) {
	e := employed(t, nil)
	e.promote()
	e.Run(time.Minute)
	app, id := e.Apps["crm"], e.entry("kim", "crm").RemoteID
	app.User(id).Attributes["title"] = "Intern"
	app.User(id).Active = false
	app.TakeCalls()
	for _, request := range []string{"first", "second"} {
		e.annotate("kim", request)
		e.Run(time.Hour)
		e.event()
		e.Run(time.Hour)
		if calls := app.TakeCalls(); !slices.Equal(calls, []string{connector.OpGetUser}) {
			t.Errorf("the calls %q", calls)
		}
		got := e.entry("kim", "crm")
		if diff := cmp.Diff([]string{"active", "title"}, got.Differences); diff != "" || got.CheckedTime == nil || got.State != v1alpha1.AccountActive {
			t.Errorf("the account status is %+v (-want +got):\n%s", got, diff)
		}
		if handled := e.stored("kim").Status.LastHandledReconcileAt; handled != request {
			t.Errorf("handled %q, want %q", handled, request)
		}
	}
	e.lead()
	e.Run(time.Hour)
	if calls := app.TakeCalls(); len(calls) > 0 {
		t.Errorf("the calls %q after a restart", calls)
	}
}
