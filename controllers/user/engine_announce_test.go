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
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// A change that follows from the spec is recognised after a crash because the spec is newer than the status. The user's reconciler may write the status, without an operation,
// while a worker has decided on the change and not yet called: the process that takes over would not know of the call.
func TestStatusWrittenBetweenDecisionAndCallDoesNotHideTheCall(t *testing.T) {
	key := provisioner.Key{Kind: provisioner.KindAccount, Name: "kim"}
	for name, meanwhile := range map[string]func(e *engine){
		"the app does not accept its credentials": func(e *engine) { e.rejectCredentials("bystander") },
		"the app is suspended":                    func(e *engine) { e.Change("crm", func(app *v1alpha1.ScimApp) { app.Spec.Suspend = true }) },
		"the app has stopped":                     func(e *engine) { e.Registry.Stop(pt.Key("crm")) },
		"the change is taken back":                func(e *engine) { e.title("kim", "") },
	} {
		for when, do := range orders {
			for _, effect := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, effect %t", name, when, effect), func(t *testing.T) {
					e := employed(t, nil)
					e.title("kim", "Manager")
					e.lose(connector.OpUpdateUser, effect)
					worker := e.Registry.Get(pt.Key("crm"))
					do(e, func() { worker.Handle(t.Context(), key) }, func() { meanwhile(e) })

					// The process dies. The change is taken back in a way that no spec of the user tells of.
					e.Apps["crm"].Errs = map[string][]error{}
					e.lead()
					e.Change("crm", func(app *v1alpha1.ScimApp) {
						app.Spec.Suspend = false
						app.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: "title", Expression: `""`}}
						app.Generation++
					})
					e.event()
					e.Run(10 * time.Minute)
					if title := e.account().Attributes["title"]; title != nil && title != "" {
						t.Errorf("the account has the title %q, and its status is %+v", title, e.entry("kim", "crm"))
					}
					if reason := e.ready("kim"); reason != v1alpha1.ReasonSucceeded {
						t.Errorf("kim is %s: %+v", reason, e.entry("kim", "crm"))
					}
				})
			}
		}
	}
}

// orders are those of the worker's look and the reconcile of kim.
var orders = map[string]func(e *engine, work, meanwhile func()){
	"a status is written after the decision": func(e *engine, work, meanwhile func()) {
		e.Client.Meanwhile.Read = func() { meanwhile(); e.reconcile(pt.Key("kim")) }
		work()
	},
	"the worker decides while a status is written": func(e *engine, work, meanwhile func()) {
		meanwhile()
		e.Client.Meanwhile.Write = work
		e.reconcile(pt.Key("kim"))
	},
	"the worker calls before a status is computed": func(e *engine, work, meanwhile func()) {
		meanwhile()
		view, err := e.View.User(e.T.Context(), pt.Key("kim"))
		if err != nil {
			e.T.Fatal(err)
		}
		work()
		if _, _, err := e.users.accounts(e.T.Context(), view); err != nil {
			e.T.Fatal(err)
		}
	},
}

// title changes the spec of a user.
func (e *engine) title(name, title string) {
	e.T.Helper()
	user := e.stored(name)
	user.Spec.Title = title
	user.Generation++
	e.Client.Put(user)
}

// rejectCredentials has the app refuse a change of a user because of its credentials.
func (e *engine) rejectCredentials(name string) {
	e.T.Helper()
	script := e.Apps["crm"]
	later := script.Errs[connector.OpUpdateUser]
	refused := &connector.Error{Op: connector.OpUpdateUser, Kind: connector.Credentials, Status: 401, Sent: true}
	script.Errs = map[string][]error{connector.OpUpdateUser: {refused}, connector.OpTest: {refused}}
	e.title(name, "Director")
	worker := e.Registry.Get(pt.Key("crm"))
	worker.Handle(e.T.Context(), provisioner.Key{Kind: provisioner.KindAccount, Name: name})
	if worker.Health().Reason != v1alpha1.ReasonCredentialsRejected {
		e.T.Fatalf("the app has %+v", worker.Health())
	}
	script.Errs = map[string][]error{connector.OpUpdateUser: later}
}
