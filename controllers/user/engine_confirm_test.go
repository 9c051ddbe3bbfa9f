// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

const employeeNumber = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber"

// annotated gives a user an annotation.
func (e *engine) annotated(name, annotation, value string) {
	e.T.Helper()
	user := e.stored(name)
	user.Annotations = map[string]string{annotation: value}
	e.Client.Put(user)
	e.event()
}

// found is an account of kim's name that the app has already.
func found(active bool, attributes map[string]any) connector.User {
	user := connector.User{ID: "old-1", UserName: "kim@corp.test", Active: active, Attributes: map[string]any{"userName": "kim@corp.test"}}
	for name, value := range attributes {
		user.Attributes[name] = value
	}
	user.ExternalID, _ = user.Attributes["externalId"].(string)
	return user
}

// An account that exists is linked, waits for a person or is left alone, by the policy of the app and by what it shows.
func TestWhichAccountsWaitForAPerson(t *testing.T) {
	former := map[string]any{"externalId": "another-person"}
	number := func(value any) map[string]any {
		return map[string]any{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": map[string]any{"employeeNumber": value}}
	}
	for name, tc := range map[string]struct {
		app    func(*v1alpha1.ScimApp)
		found  connector.User
		reason string
	}{
		"an active account":                             {found: found(true, former)},
		"an inactive account":                           {found: found(false, nil)},
		"an inactive account of another externalId":     {found: found(false, former), reason: v1alpha1.ReasonAdoptionUnconfirmed},
		"an inactive account of another number":         {found: found(false, number("77")), reason: v1alpha1.ReasonAdoptionUnconfirmed},
		"an inactive account of the same number":        {found: found(false, number("42"))},
		"an inactive account of the same number as one": {found: found(false, number(42.0))},
		"an inactive account where the vendor reuses it": {
			app: func(app *v1alpha1.ScimApp) { app.Spec.Profile = "r-service" }, found: found(false, former),
		},
		"every account, with Confirm": {
			app: func(app *v1alpha1.ScimApp) { app.Spec.Adoption = v1alpha1.AdoptionConfirm }, found: found(true, nil), reason: v1alpha1.ReasonAdoptionUnconfirmed,
		},
		"no account, with Never": {
			app: func(app *v1alpha1.ScimApp) { app.Spec.Adoption = v1alpha1.AdoptionNever }, found: found(true, nil), reason: v1alpha1.ReasonAccountConflict,
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := pt.App("crm")
			app.Spec.Attributes = append(app.Spec.Attributes, v1alpha1.AttributeMapping{Name: employeeNumber, Expression: `"42"`})
			if tc.app != nil {
				tc.app(app)
			}
			e := newEngine(t, app)
			e.Apps["crm"].Users = []connector.User{tc.found}
			e.user("kim")
			e.give("crm", kim)
			e.Run(time.Minute)
			got := e.entry("kim", "crm")
			if got.Reason != tc.reason || (tc.reason == "") != (got.RemoteID == "old-1" && got.State == v1alpha1.AccountActive) {
				t.Fatalf("the account status is %+v", got)
			}
			if tc.reason != v1alpha1.ReasonAdoptionUnconfirmed {
				return
			}
			if account := e.Apps["crm"].User("old-1"); account.Active != tc.found.Active {
				t.Errorf("the account was changed: %+v", account)
			}
			if !strings.Contains(got.Message, "'scim-operator.io/confirm-account=crm/old-1'") {
				t.Errorf("the message does not say how to confirm: %s", got.Message)
			}
			e.annotated("kim", v1alpha1.AnnotationConfirmAccount, "wiki/old-1, crm/another")
			e.Run(time.Minute)
			if got := e.entry("kim", "crm"); got.RemoteID != "" {
				t.Errorf("after the confirmation of others: %+v", got)
			}
			e.annotated("kim", v1alpha1.AnnotationConfirmAccount, "wiki/old-1, crm/old-1")
			e.Run(time.Minute)
			if got := e.entry("kim", "crm"); got.RemoteID != "old-1" || got.State != v1alpha1.AccountActive || e.ready("kim") != v1alpha1.ReasonSucceeded {
				t.Errorf("after the confirmation: %+v", got)
			}
		})
	}
}

// The app keeps no externalId, and the account that it shows again is the one that the status tells of.
func TestAccountThatTheStatusTellsOfIsOurs(t *testing.T) {
	e := employed(t, func(app *v1alpha1.ScimApp) {
		app.Spec.Profile, app.Spec.Adoption = "common-room", v1alpha1.AdoptionNever
	}, "viewer")
	app := e.Apps["crm"]
	account := *e.account()
	app.Users = nil
	app.Always[connector.OpCreateUser] = &connector.Error{Op: connector.OpCreateUser, Kind: connector.Conflict, Status: 400, Sent: true}
	e.promoteName()
	e.Run(25 * time.Second)
	if got := e.entry("kim", "crm"); got.State != v1alpha1.AccountCreating {
		t.Fatalf("the account status is %+v", got)
	}
	app.Users = []connector.User{account}
	e.Run(2 * time.Hour)
	if got := e.entry("kim", "crm"); got.RemoteID != account.ID || e.ready("kim") != v1alpha1.ReasonSucceeded {
		t.Errorf("the account status is %+v", got)
	}
}

// promoteName changes an attribute of kim that every profile maps.
func (e *engine) promoteName() {
	e.T.Helper()
	user := e.stored("kim")
	user.Spec.Name = &v1alpha1.Name{GivenName: "Kim", FamilyName: "Changed"}
	user.Generation++
	e.Client.Put(user)
	e.event()
}

// The last account of an app, whose 404 is no error of SCIM: nothing can prove its absence, and a person ends the wait.
func TestAbsenceThatAPersonConfirms(t *testing.T) {
	for name, deleted := range map[string]bool{"of a leaver": true, "of an employee": false} {
		t.Run(name, func(t *testing.T) {
			e := employed(t, nil)
			app := e.Apps["crm"]
			id := e.entry("kim", "crm").RemoteID
			app.Users = nil
			page := func(op string) error {
				return &connector.Error{Op: op, Kind: connector.NotFound, Status: 404, Sent: true}
			}
			for _, op := range []string{connector.OpSetActive, connector.OpUpdateUser, connector.OpGetUser} {
				app.Always[op] = page(op)
			}
			if deleted {
				user := e.stored("kim")
				user.DeletionTimestamp = &metav1.Time{Time: e.Clock.Now()}
				user.Generation++
				e.Client.Put(user)
				e.event()
			} else {
				e.promote()
			}
			e.Run(time.Hour)
			got := e.entry("kim", "crm")
			if got.Reason != v1alpha1.ReasonAbsenceUnproven || !strings.Contains(got.Message, "'scim-operator.io/confirm-absence=crm/"+id+"'") {
				t.Fatalf("the account status is %+v", got)
			}
			recorder, _ := e.users.Recorder.(*events.FakeRecorder)
			for len(recorder.Events) > 0 {
				<-recorder.Events
			}
			e.annotated("kim", v1alpha1.AnnotationConfirmAbsence, "crm/"+id)
			e.Run(time.Minute)
			got = e.entry("kim", "crm")
			if deleted && got.App != "" || !deleted && (got.State != v1alpha1.AccountActive || got.RemoteID == id) {
				t.Errorf("after the confirmation the account status is %+v", got)
			}
			if err := recorded(recorder, "AbsenceConfirmed"); err != nil {
				t.Error(err)
			}
		})
	}
}

// recorded returns an error unless an event of the reason was recorded.
func recorded(recorder *events.FakeRecorder, reason string) error {
	for len(recorder.Events) > 0 {
		if strings.Contains(<-recorder.Events, reason) {
			return nil
		}
	}
	return errors.New("there is no event " + reason)
}

// A confirmation that stands there does no harm: it is for the account that it names, and only once its absence could not be proven.
func TestConfirmedAbsenceIsForOneAccountThatIsNotShown(t *testing.T) {
	e := employed(t, nil)
	app := e.Apps["crm"]
	e.annotated("kim", v1alpha1.AnnotationConfirmAbsence, "crm/"+e.entry("kim", "crm").RemoteID+"0,wiki/"+e.entry("kim", "crm").RemoteID)
	app.Always[connector.OpSetActive] = &connector.Error{Op: connector.OpSetActive, Kind: connector.NotFound, Status: 404, Sent: true}
	e.give("crm", nil)
	e.Run(time.Hour)
	if got := e.entry("kim", "crm"); got.Reason != v1alpha1.ReasonAbsenceUnproven {
		t.Errorf("the account status is %+v", got)
	}
	e.notLost()
}

// A person confirms what turns out to be wrong: the app shows the account again. The confirmation does not count when it later denies the account of a leaver.
func TestConfirmationOfAnAbsenceIsForOneEvent(t *testing.T) {
	e := employed(t, nil)
	app := e.Apps["crm"]
	account := *e.account()
	denies := func() {
		for _, op := range []string{connector.OpSetActive, connector.OpUpdateUser, connector.OpGetUser} {
			app.Always[op] = &connector.Error{Op: op, Kind: connector.NotFound, Status: 404, Sent: true}
		}
	}
	denies()
	e.promote()
	e.Run(time.Hour)
	e.annotated("kim", v1alpha1.AnnotationConfirmAbsence, "crm/"+account.ID)
	e.Run(time.Second)
	clear(app.Always)
	e.Run(time.Hour)
	if got := e.entry("kim", "crm"); got.RemoteID != account.ID || got.State != v1alpha1.AccountActive {
		t.Fatalf("the account status is %+v", got)
	}
	if left := e.stored("kim").Annotations; left[v1alpha1.AnnotationConfirmAbsence] != "" {
		t.Errorf("the annotations are %v", left)
	}
	denies()
	e.give("crm", nil)
	e.Run(2 * time.Hour)
	if got := e.entry("kim", "crm"); got.Reason != v1alpha1.ReasonAbsenceUnproven {
		t.Errorf("the account status is %+v", got)
	}
}
