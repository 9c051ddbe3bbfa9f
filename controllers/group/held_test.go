// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// refuse makes the app refuse an operation from now on.
func (e *engine) refuse(op string, kind connector.Kind, status int) {
	e.app.Always[op] = &connector.Error{Op: op, Kind: kind, Status: status, Sent: true}
}

// approve approves the only held batch.
func (e *engine) approve() {
	e.T.Helper()
	held := e.Registry.Get(pt.Key("crm")).HeldBatches()
	if len(held) != 1 {
		e.T.Fatalf("the batches are %q, want one", held)
	}
	e.change(func(app *v1alpha1.ScimApp) {
		app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: held[0]}
	})
	e.Registry.Get(pt.Key("crm")).Recheck()
}

// A group whose removals are held waits for its retry time like any other one that failed.
func TestHeldGroupThatTheAppRefusesIsNotPolled(t *testing.T) {
	for name, tc := range map[string]struct {
		refuse func(*engine)
		// held: the removals of the batch are still wanted, as far as is known.
		held bool
	}{
		"the read, after a failover": {func(e *engine) {
			e.refuse(connector.OpGetGroup, connector.Forbidden, 403)
			e.lead()
		}, true},
		"an addition, after the members returned": {func(e *engine) {
			e.refuse(connector.OpUpdateGroup, connector.Invalid, 400)
			e.members("Sales", e.users[:21]...)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := pushed(t, 20)
			e.members("Sales")
			e.Run(time.Minute)
			batch := e.entry().HeldBatch
			if batch == "" {
				t.Fatalf("nothing is held: %+v", e.entry())
			}
			tc.refuse(e)
			e.counted(10*time.Minute, 20, 10)
			entry := e.entry()
			if (entry.HeldBatch == batch) != tc.held || entry.Attempts != 1 || entry.NextRetryTime == nil || e.ready() == v1alpha1.ReasonSucceeded {
				t.Errorf("the entry is %+v, Ready %s; held was %s", entry, e.ready(), batch)
			}
		})
	}
}

// A released account is left active in the app: its user still loses access with its membership.
func TestRemovalOfReleasedAccountsIsHeld(t *testing.T) {
	e := pushed(t, 40)
	for _, user := range e.users[:35] {
		released := user.DeepCopy()
		released.Status.Accounts[0].State = v1alpha1.AccountOrphaned
		e.Client.Put(released)
	}
	e.event()
	e.Run(10 * time.Minute)
	if entry := e.entry(); len(e.remote()) != 40 || entry.Held != 35 {
		t.Errorf("the app has the members %q, the entry is %+v", e.remote(), entry)
	}
}
