// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// hide makes the app show the members of Sales no more.
func (e *engine) hide() { e.app.Group("group-Sales").MembersKnown = false }

// wantHeld checks that the app has as many members, the first of them this one, and that the removal of some is held.
func (e *engine) wantHeld(when string, remote int, first string, held int32) {
	e.T.Helper()
	if got, entry := e.remote(), e.entry(); len(got) != remote || got[0] != first || entry.Held != held || (held > 0) != (entry.HeldBatch != "") {
		e.T.Fatalf("%s the app has the members %q, the entry is %+v", when, got, entry)
	}
}

// As many members come as others leave, and the app does not show who is there.
func TestSwapOfHiddenMembersIsHeld(t *testing.T) {
	e := pushed(t, 20)
	e.hide()
	e.members("Sales", e.users[20:40]...)
	e.Run(10 * time.Minute)
	e.wantHeld("after the swap", 20, "0", 20)
	e.lead()
	e.Run(10 * time.Minute)
	e.wantHeld("after a failover", 20, "0", 20)
	e.approve()
	e.Run(10 * time.Minute)
	e.wantHeld("after the approval", 20, "20", 0)

	e.members("Sales", e.users[19:40]...)
	e.Run(2 * time.Hour)
	e.wantHeld("after an addition by the process that wrote the others", 21, "19", 0)
	e.members("Sales", e.users[:22]...)
	e.Run(10 * time.Minute)
	e.wantHeld("after a second swap", 21, "19", 18)
}

// A group that is linked may have any members, who all lose it when the app takes the whole list alone.
func TestLinkOfAGroupWithHiddenMembersIsHeld(t *testing.T) {
	for _, wanted := range []int{0, 2} {
		t.Run(fmt.Sprintf("%d are wanted", wanted), func(t *testing.T) {
			e := newEngine(t, func(app *v1alpha1.ScimApp) {
				app.Spec.Features = append(app.Spec.Features, v1alpha1.FeatureGroupLinking)
			})
			theirs := connector.Group{ID: "group-Sales", DisplayName: "Sales"}
			for i := range 3 {
				theirs.Members = append(theirs.Members, connector.Member{ID: fmt.Sprint(i + 5)})
			}
			e.app.Groups = append(e.app.Groups, theirs)
			e.members("Sales", e.users[:wanted]...)
			e.Run(10 * time.Minute)
			batch := e.entry().HeldBatch
			e.wantHeld("after the lookup", 3, "5", 1)
			e.Run(3 * time.Hour)
			e.wantHeld("hours later", 3, "5", 1)
			e.lead()
			e.Run(10 * time.Minute)
			e.wantHeld("after a failover", 3, "5", 1)
			if again := e.entry().HeldBatch; again != batch {
				t.Errorf("the batch became %s, was %s", again, batch)
			}
			e.approve()
			e.Run(10 * time.Minute)
			if entry := e.entry(); len(e.remote()) != wanted || entry.HeldBatch != "" || entry.Applied == "" || entry.Created {
				t.Errorf("after the approval the app has the members %q, the entry is %+v", e.remote(), entry)
			}
		})
	}
}

// A create that lost its answer has made the group with the members that were sent.
func TestCreateOfAGroupWithHiddenMembersLosesItsAnswer(t *testing.T) {
	e := newEngine(t, nil)
	e.lose(connector.OpCreateGroup, true)
	e.members("Sales", e.users[:12]...)
	e.Run(700 * time.Millisecond)
	e.hide()
	e.Run(time.Minute)
	e.wantHeld("after the lost answer", 12, "0", 0)
	if entry := e.entry(); entry.Applied == "" || !entry.Created {
		t.Errorf("the entry is %+v", entry)
	}
}

// An app that shows a group without members, or cannot show it at all: who leaves is removed by the record, also after a failover.
func TestLeaverIsRemovedByTheRecord(t *testing.T) {
	for name, tc := range map[string]struct {
		misbehave func(*engine)
		reason    string
	}{
		"members are not shown": {misbehave: func(e *engine) { e.app.HideMembers = true }, reason: v1alpha1.ReasonMembersNotShown},
		"the group is not shown": {misbehave: func(e *engine) {
			e.app.Always[connector.OpGetGroup] = &connector.Error{Op: connector.OpGetGroup, Kind: connector.ServerError, Status: 500, Sent: true}
		}, reason: v1alpha1.ReasonServerError},
	} {
		t.Run(name, func(t *testing.T) {
			e := pushed(t, 6)
			tc.misbehave(e)
			e.members("Sales", e.users[1:6]...)
			e.Run(10 * time.Minute)
			e.wantHeld("after a leaver", 5, "1", 0)
			if entry := e.entry(); !entry.MembersHidden || entry.Reason != tc.reason {
				t.Errorf("the entry is %+v", entry)
			}
			group := e.stored("Sales")
			e.members("Sales", e.users[2:6]...)
			e.lead()
			e.Run(10 * time.Minute)
			e.wantHeld("after a failover", 4, "2", 0)

			e.app.HideMembers = false
			delete(e.app.Always, connector.OpGetGroup)
			e.members("Sales", e.users[3:6]...)
			e.Run(10 * time.Minute)
			e.wantHeld("after the app shows the group", 3, "3", 0)
			record := &v1alpha1.ScimGroupRecord{}
			if err := e.Client.Get(t.Context(), desired.RecordKey(group, "crm"), record); !apierrors.IsNotFound(err) || e.entry().MembersHidden {
				t.Errorf("the record is left: %v, %+v", err, e.entry())
			}
		})
	}
}

// Nothing is known of the members in one app, which says nothing about the next one.
func TestMembersAreRecordedInEachApp(t *testing.T) {
	e := pushed(t, 6)
	group := e.stored("Sales")
	crm := *group.Status.App("crm")
	crm.MembersHidden = true
	other := crm
	other.App = "another"
	group.Status.Apps = []v1alpha1.PushedGroupStatus{other, crm}
	view := &desired.GroupView{
		Group: group, Cached: group, Apps: []desired.PushedGroupView{{AppName: "another"}, {AppName: "crm"}},
		Outcomes: map[string]ledger.Outcome[v1alpha1.PushedGroupStatus]{"another": {}, "crm": {}},
	}
	if err := e.groups.recordMembers(t.Context(), view, group, nil); err != nil {
		t.Fatal(err)
	}
	record := &v1alpha1.ScimGroupRecord{}
	if err := e.Client.Get(t.Context(), desired.RecordKey(group, "crm"), record); err != nil || len(ledger.DecodeMembers(record.Spec.Members)) != 6 {
		t.Errorf("the record is %+v, error %v", record, err)
	}
}
