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

// A change that failed is tried again after what kept it back is over: the app was suspended meanwhile. Nothing loops.
func TestFailedUpdateIsTriedAgainAfterASuspension(t *testing.T) {
	for name, failure := range map[string]*connector.Error{
		"refused":      {Op: connector.OpUpdateUser, Kind: connector.Invalid, Status: 400, Sent: true},
		"server error": {Op: connector.OpUpdateUser, Kind: connector.ServerError, Status: 500, Sent: true},
	} {
		t.Run(name, func(t *testing.T) {
			e := employed(t, nil)
			app := e.Apps["crm"]
			app.Always[connector.OpUpdateUser], app.NoEffect = failure, true
			e.promote()
			e.Run(30 * time.Second)
			if got := e.entry("kim", "crm"); got.Attempts == 0 {
				t.Fatalf("the account status is %+v", got)
			}
			delete(app.Always, connector.OpUpdateUser)
			e.Change("crm", func(app *v1alpha1.ScimApp) { app.Spec.Suspend, app.Generation = true, app.Generation+1 })
			e.event()
			e.Counted(time.Minute, "crm", 60, 0)
			e.Change("crm", func(app *v1alpha1.ScimApp) { app.Spec.Suspend, app.Generation = false, app.Generation+1 })
			e.event()
			e.Counted(2*time.Minute, "crm", 60, 5)
			if e.ready("kim") != v1alpha1.ReasonSucceeded || e.account().Attributes["title"] != "Manager" {
				t.Errorf("the account status is %+v", e.entry("kim", "crm"))
			}
		})
	}
}

// A mass revocation is held and approved, and the app refuses it: it is tried again, and nothing loops.
func TestApprovedChangeThatFailsIsTriedAgain(t *testing.T) {
	e := newEngine(t, pt.App("crm"))
	var names []string
	for i := range 20 {
		names = append(names, e.user(fmt.Sprintf("user-%02d", i)).Spec.UserName)
	}
	e.give("crm", names)
	e.Run(time.Minute)
	e.give("crm", nil)
	e.Run(time.Minute)
	held := e.entry("user-00", "crm")
	if held.Reason != v1alpha1.ReasonHeld {
		t.Fatalf("the account status is %+v", held)
	}
	app := e.Apps["crm"]
	app.NoEffect = true
	app.Always[setActive] = &connector.Error{Op: setActive, Kind: connector.Invalid, Status: 400, Sent: true}
	e.Change("crm", func(app *v1alpha1.ScimApp) {
		app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: held.HeldBatch}
	})
	e.Registry.Get(pt.Key("crm")).Recheck()
	e.event()
	e.Counted(time.Minute, "crm", 400, 40)
	if got := e.entry("user-00", "crm"); got.Reason != v1alpha1.ReasonRejected {
		t.Fatalf("the account status is %+v", got)
	}
	delete(app.Always, setActive)
	e.Counted(2*time.Hour, "crm", 800, 60)
	for i := range names {
		if got := e.entry(fmt.Sprintf("user-%02d", i), "crm"); got.State != v1alpha1.AccountInactive || got.Reason != "" {
			t.Fatalf("user-%02d has %+v", i, got)
		}
	}
}
