// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"fmt"
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
	e.t.Helper()
	held := e.registry.Get(pt.Key("crm")).HeldBatches()
	if len(held) != 1 {
		e.t.Fatalf("the batches are %q, want one", held)
	}
	e.change(func(app *v1alpha1.ScimApp) {
		app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: held[0]}
	})
	e.registry.Get(pt.Key("crm")).Recheck()
}

// A create may have taken effect although its answer was lost: the group is the operator's, also while its deletion is held.
func TestGroupWhoseCreateLostItsAnswerIsDeletedAfterApproval(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash while the batch is held: %t", crash), func(t *testing.T) {
			e := newEngine(t, nil)
			e.lose(connector.OpCreateGroup, true)
			e.members("Sales", e.users[:8]...)
			e.run(600 * time.Millisecond)
			e.delete("Sales")
			e.run(10 * time.Minute)
			if entry := e.entry(); entry.HeldBatch == "" || !entry.Created || len(e.remote()) != 8 {
				t.Fatalf("the app has the members %q, the entry is %+v", e.remote(), entry)
			}
			if crash {
				e.lead()
				e.run(10 * time.Minute)
			}
			e.approve()
			e.run(10 * time.Minute)
			if e.stored("Sales") != nil || len(e.app.Groups) > 0 {
				t.Errorf("the app has %+v, the entry is %+v", e.app.Groups, e.entry())
			}
		})
	}
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
			e.run(time.Minute)
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
		e.client.Put(released)
	}
	e.event()
	e.run(10 * time.Minute)
	if entry := e.entry(); len(e.remote()) != 40 || entry.Held != 35 {
		t.Errorf("the app has the members %q, the entry is %+v", e.remote(), entry)
	}
}

// A provider deletes a group and makes another one of the same name, which links the app's group: the deletion of the former leaves it alone.
func TestSuccessorKeepsTheGroupOfADeletedOne(t *testing.T) {
	for _, members := range []int{3, 8} {
		for _, formerFirst := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d members, the former is reconciled first: %t", members, formerFirst), func(t *testing.T) {
				e := newEngine(t, func(app *v1alpha1.ScimApp) {
					app.Spec.Features = append(app.Spec.Features, v1alpha1.FeatureGroupLinking)
				})
				e.members("Sales", e.users[:members]...)
				e.run(time.Minute)
				e.change(func(app *v1alpha1.ScimApp) { app.Spec.Suspend = true; app.Generation++ })
				e.delete("Sales")
				next := e.succeed("Sales", "Sales-2")
				e.change(func(app *v1alpha1.ScimApp) {
					app.Status.Groups = []v1alpha1.ResolvedGroup{{DisplayName: "Sales", ID: next.SCIMID()}}
				})
				e.event()
				e.run(time.Minute)
				e.change(func(app *v1alpha1.ScimApp) { app.Spec.Suspend = false; app.Generation++ })
				if formerFirst {
					e.enqueue(pt.Key("Sales"), 0)
				} else {
					e.enqueue(pt.Key("Sales-2"), 0)
				}
				e.run(2 * time.Second)
				e.event()
				e.run(2 * time.Hour)
				if e.stored("Sales") != nil || len(e.app.Groups) != 1 || len(e.app.Groups[0].Members) != members {
					t.Errorf("the app has %+v, the entry of the former is %+v", e.app.Groups, e.entry())
				}
				if entry := e.stored("Sales-2").Status.App("crm"); entry == nil || entry.Applied == "" || entry.RemoteID != e.app.Groups[0].ID {
					t.Errorf("the entry of the successor is %+v", entry)
				}
			})
		}
	}
}

// succeed stores a group with the display name and members of another one.
func (e *engine) succeed(former, name string) *v1alpha1.ScimGroup {
	next, before := pt.Group(name), e.stored(former)
	next.Spec.DisplayName, next.Labels, next.Spec.Members = before.Spec.DisplayName, before.Labels, before.Spec.Members
	e.client.Put(next)
	return next
}
