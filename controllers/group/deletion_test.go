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

// A create may have taken effect although its answer was lost: the group is the operator's, also while its deletion is held.
func TestGroupWhoseCreateLostItsAnswerIsDeletedAfterApproval(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash while the batch is held: %t", crash), func(t *testing.T) {
			e := newEngine(t, nil)
			e.lose(connector.OpCreateGroup, true)
			e.members("Sales", e.users[:8]...)
			e.Run(600 * time.Millisecond)
			e.delete("Sales")
			e.Run(10 * time.Minute)
			if entry := e.entry(); entry.HeldBatch == "" || !entry.Created || len(e.remote()) != 8 {
				t.Fatalf("the app has the members %q, the entry is %+v", e.remote(), entry)
			}
			if crash {
				e.lead()
				e.Run(10 * time.Minute)
			}
			e.approve()
			e.Run(10 * time.Minute)
			if e.stored("Sales") != nil || len(e.app.Groups) > 0 {
				t.Errorf("the app has %+v, the entry is %+v", e.app.Groups, e.entry())
			}
		})
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
				e.Run(time.Minute)
				e.change(func(app *v1alpha1.ScimApp) { app.Spec.Suspend = true; app.Generation++ })
				e.delete("Sales")
				next := e.succeed("Sales", "Sales-2")
				e.change(func(app *v1alpha1.ScimApp) {
					app.Status.Groups = []v1alpha1.ResolvedGroup{{DisplayName: "Sales", ID: next.SCIMID()}}
				})
				e.event()
				e.Run(time.Minute)
				e.change(func(app *v1alpha1.ScimApp) { app.Spec.Suspend = false; app.Generation++ })
				if formerFirst {
					e.Enqueue(pt.Key("Sales"), 0)
				} else {
					e.Enqueue(pt.Key("Sales-2"), 0)
				}
				e.Run(2 * time.Second)
				e.event()
				e.Run(2 * time.Hour)
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
	e.Client.Put(next)
	return next
}
