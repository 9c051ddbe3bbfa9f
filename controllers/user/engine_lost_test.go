// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// crowd is a number of users with an active account in the app crm, and their userNames.
func crowd(t *testing.T, n int, change func(*v1alpha1.ScimApp), roles ...string) (*engine, []string) {
	t.Helper()
	app := pt.App("crm")
	if change != nil {
		change(app)
	}
	e := newEngine(t, app)
	names := make([]string, n)
	for i := range n {
		names[i] = e.user(fmt.Sprintf("user-%02d", i)).Spec.UserName
	}
	e.give("crm", names, roles...)
	e.Run(3 * time.Minute)
	for _, name := range names {
		if got := e.entry(strings.TrimSuffix(name, "@corp.test"), "crm"); got.State != v1alpha1.AccountActive {
			t.Fatalf("%s has %+v", name, got)
		}
	}
	e.Apps["crm"].TakeCalls()
	return e, names
}

// revoked adds the accounts that are inactive to a set.
func (e *engine) revoked(set map[string]bool) {
	for i := range e.Apps["crm"].Users {
		if user := &e.Apps["crm"].Users[i]; !user.Active {
			set[user.ID] = true
		}
	}
}

// Time and again four users lose the app by a mistake, the answers of the deactivations are lost although they take effect, and the mistake is fixed before the retry. Each
// deactivation counts for the guard all the same.
func TestDeactivationsThatLoseTheirAnswersCount(t *testing.T) {
	fix := map[string]func(*engine, []string){
		"the mapping returns":                     func(e *engine, names []string) { e.give("crm", names) },
		"another process leads, the mapping back": func(e *engine, names []string) { e.Client.Put(pt.Mapping("crm", "crm", names)); e.lead() },
	}
	for name, back := range fix {
		for app, change := range map[string]func(*v1alpha1.ScimApp){"reactivation on": nil, "reactivation off": reactivateOff} {
			t.Run(name+", "+app, func(t *testing.T) {
				e, names := crowd(t, 40, change)
				off := map[string]bool{}
				for round := range 10 {
					rest := slices.Concat(names[:round*4], names[round*4+4:])
					for range 4 {
						lost := &connector.Error{Op: connector.OpSetActive, Kind: connector.Timeout, Sent: true}
						e.Apps["crm"].Errs[connector.OpSetActive] = append(e.Apps["crm"].Errs[connector.OpSetActive], lost)
					}
					e.give("crm", rest)
					e.Run(600 * time.Millisecond)
					e.revoked(off)
					back(e, names)
					e.Run(2 * time.Minute)
					e.Apps["crm"].Errs[connector.OpSetActive] = nil
					e.Run(2 * time.Minute)
				}
				if len(off) > 12 {
					t.Errorf("%d users were deactivated without an approval", len(off))
				}
				if held := e.Registry.Get(pt.Key("crm")).HeldBatches(); len(held) > 0 {
					t.Errorf("batches %q are held although everyone has the app", held)
				}
			})
		}
	}
}
