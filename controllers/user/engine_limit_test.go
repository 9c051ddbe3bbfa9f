// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// The accounts that a status has no room for are not worked on until it has: a worker would ask for an announcement that cannot be written, again and again.
func TestAccountsBeyondTheLimitOfAStatusAreNotPolled(t *testing.T) {
	const over = 3
	var apps []*v1alpha1.ScimApp
	for i := range maxAccounts + over {
		apps = append(apps, pt.App(fmt.Sprintf("app-%02d", i)))
	}
	e := newEngine(t, apps...)
	e.user("kim")
	for _, app := range apps {
		e.Client.Put(pt.Mapping(app.Name, app.Name, kim))
	}
	e.event()
	// Of each account there are a lookup and a create, and the status that is written in between.
	if calls := e.Counted(time.Minute, "app-00", 4*maxAccounts, 2); len(calls) != 2 {
		t.Errorf("the calls are %q", calls)
	}
	has := func() (n int) {
		for _, script := range e.Apps {
			n += len(script.Users)
		}
		return n
	}
	if has() != maxAccounts || e.ready("kim") != v1alpha1.ReasonTooManyAccounts {
		t.Fatalf("kim has %d accounts and is %s", has(), e.ready("kim"))
	}
	writes := e.Client.Writes
	for cause, happens := range map[string]func(){
		"time passes":        func() {},
		"all are reconciled": e.event,
		"a term begins":      e.lead,
	} {
		happens()
		if calls := e.Counted(2*time.Hour, "app-66", maxAccounts+over, 0); len(calls) > 0 || e.Client.Writes != writes {
			t.Errorf("%s: the calls are %q, and there are %d writes", cause, calls, e.Client.Writes-writes)
		}
	}

	// One app is taken away and the account deleted; the next one takes its place.
	e.Change("app-00", func(app *v1alpha1.ScimApp) { app.Spec.Deprovisioning = v1alpha1.DeprovisionDelete; app.Generation++ })
	e.give("app-00", nil)
	e.Run(10 * time.Minute)
	if entry := e.entry("kim", "app-64"); has() != maxAccounts || entry.State != v1alpha1.AccountActive {
		t.Errorf("kim has %d accounts, and of app-64 %+v", has(), entry)
	}
	if calls := e.Counted(2*time.Hour, "app-66", 4, 0); len(calls) > 0 {
		t.Errorf("the calls of app-66 are %q", calls)
	}
}
