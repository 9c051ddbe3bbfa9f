// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

func TestEntryOfAPushedGroup(t *testing.T) {
	pushed := v1alpha1.PushedGroupStatus{App: "crm", State: v1alpha1.GroupPushed, RemoteID: "1", Applied: "v1 x=y"}
	with := func(change func(*v1alpha1.PushedGroupStatus)) *v1alpha1.PushedGroupStatus {
		entry := pushed
		entry.Members = 3
		change(&entry)
		return &entry
	}
	now, since := metav1.NewTime(pt.Now), metav1.NewTime(pt.Now.Add(-time.Hour))
	removal := plan.GroupStep{Action: v1alpha1.ActionUpdate}
	good := appState{callable: true, known: true}
	down := appState{known: true, trouble: provisioner.Health{Reason: v1alpha1.ReasonUnreachable}}
	for name, tc := range map[string]struct {
		view   desired.PushedGroupView
		want   v1alpha1.PushedGroupStatus
		state  appState
		intent bool
		ready  string
	}{
		"a create is announced": {
			view:  desired.PushedGroupView{Step: plan.GroupStep{Action: v1alpha1.ActionCreate}},
			state: good, want: v1alpha1.PushedGroupStatus{App: "crm", State: v1alpha1.GroupCreating}, intent: true, ready: v1alpha1.ReasonProgressing,
		},
		// A promise that changed: a create was announced whatever the app's state.
		"no intent is written while the app cannot be called": {
			view: desired.PushedGroupView{Step: plan.GroupStep{Action: v1alpha1.ActionCreate}}, state: down,
			want: v1alpha1.PushedGroupStatus{App: "crm", State: v1alpha1.GroupPending, Reason: v1alpha1.ReasonAppNotReady}, ready: v1alpha1.ReasonAppNotReady,
		},
		"nor that an update may have been made": {
			view: desired.PushedGroupView{Entry: &pushed, Step: plan.GroupStep{Action: v1alpha1.ActionUpdate}}, state: down,
			want: pushed, ready: v1alpha1.ReasonProgressing,
		},
		"an update makes what was written doubtful": {
			view: desired.PushedGroupView{Entry: &pushed, Step: plan.GroupStep{Action: v1alpha1.ActionUpdate}}, state: good,
			want: v1alpha1.PushedGroupStatus{App: "crm", State: v1alpha1.GroupPushed, RemoteID: "1"}, intent: true,
			ready: v1alpha1.ReasonProgressing,
		},
		"members without an account are told of": {
			view: desired.PushedGroupView{Entry: &pushed, Step: plan.GroupStep{InSync: true}, WithoutAccount: 2}, state: good,
			want: v1alpha1.PushedGroupStatus{
				App: "crm", State: v1alpha1.GroupPushed, RemoteID: "1", Applied: "v1 x=y", Reason: v1alpha1.ReasonMembersPending,
			},
			ready: v1alpha1.ReasonSucceeded,
		},
		"a removal says that it is queued, and since when it is pending": {
			view: desired.PushedGroupView{Entry: with(func(e *v1alpha1.PushedGroupStatus) { e.Applied = "" }), Step: removal}, state: good,
			want: *with(func(e *v1alpha1.PushedGroupStatus) {
				e.Applied, e.Reason, e.PendingRevocationTime = "", v1alpha1.ReasonQueued, &now
			}),
			ready: v1alpha1.ReasonProgressing,
		},
		"a removal says what keeps the app from being called": {
			view:  desired.PushedGroupView{Entry: with(func(e *v1alpha1.PushedGroupStatus) { e.PendingRevocationTime = &since }), Step: removal},
			state: down,
			want: *with(func(e *v1alpha1.PushedGroupStatus) {
				e.Reason, e.PendingRevocationTime = v1alpha1.ReasonUnreachable, &since
			}),
			ready: v1alpha1.ReasonUnreachable,
		},
		"a held removal is pending": {
			view: desired.PushedGroupView{Entry: with(func(e *v1alpha1.PushedGroupStatus) {
				e.HeldBatch, e.Held, e.Reason, e.PendingRevocationTime = "b1", 1, v1alpha1.ReasonHeld, &since
			}), Step: plan.GroupStep{Action: v1alpha1.ActionUpdate}}, state: down,
			want: *with(func(e *v1alpha1.PushedGroupStatus) {
				e.HeldBatch, e.Held, e.Reason, e.PendingRevocationTime = "b1", 1, v1alpha1.ReasonHeld, &since
			}),
			ready: v1alpha1.ReasonHeld,
		},
		"a removal that was made is not pending": {
			view:  desired.PushedGroupView{Entry: with(func(e *v1alpha1.PushedGroupStatus) { e.PendingRevocationTime = &since }), Step: plan.GroupStep{InSync: true}},
			state: good, want: *with(func(*v1alpha1.PushedGroupStatus) {}), ready: v1alpha1.ReasonSucceeded,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.view.AppName = "crm"
			tc.view.App = &desired.App{Object: pt.App("crm")}
			group := pt.Group("sales", pt.User("kim"))
			intents := computeStatus(group, &desired.GroupView{Group: group, Apps: []desired.PushedGroupView{tc.view}}, []string{"unknown.id"}, metav1.NewTime(pt.Now),
				func(*desired.PushedGroupView) appState { return tc.state })
			got := group.Status.Apps[0]
			got.Message = ""
			if diff := cmp.Diff(tc.want, got); diff != "" || intents["crm"] != tc.intent {
				t.Errorf("intents %v\n%s", intents, diff)
			}
			if ready := meta.FindStatusCondition(group.Status.Conditions, v1alpha1.ConditionReady); ready.Reason != tc.ready {
				t.Errorf("Ready is %+v", ready)
			}
			if group.Status.Members != 1 || group.Status.UnresolvedMembers != 1 {
				t.Errorf("status %+v", group.Status)
			}
		})
	}
}

// A suspended app is not asked whether it is healthy: its worker may still be.
func TestSuspendedAppCannotBeCalled(t *testing.T) {
	app := pt.App("crm")
	app.Spec.Suspend = true
	view := pt.NewView(pt.NewCache())
	r := &Reconciler{Apps: provisioner.NewRegistry(view, clocktesting.NewFakeClock(pt.Now), logr.Discard(), provisioner.NewMetrics(prometheus.NewRegistry(), nil))}
	if r.stateOf(&desired.GroupView{Group: pt.Group("sales")})(&desired.PushedGroupView{AppName: "crm", App: &desired.App{Object: app}}).callable {
		t.Error("an intent would be written for a suspended app")
	}
}

func TestLossOfMembersGoesFirst(t *testing.T) {
	entry := &v1alpha1.PushedGroupStatus{Members: 2}
	for name, tc := range map[string]struct {
		view desired.PushedGroupView
		want provisioner.Class
	}{
		"a new group":   {desired.PushedGroupView{Step: plan.GroupStep{Action: v1alpha1.ActionCreate}}, provisioner.ClassChange},
		"fewer members": {desired.PushedGroupView{Entry: entry, Desired: plan.DesiredGroup{Members: []string{"1"}}}, provisioner.ClassRevocation},
		"more members":  {desired.PushedGroupView{Entry: entry, Desired: plan.DesiredGroup{Members: []string{"1", "2", "3"}}}, provisioner.ClassChange},
		"a deleted one": {desired.PushedGroupView{Step: plan.GroupStep{Action: v1alpha1.ActionDelete}}, provisioner.ClassRevocation},
	} {
		if got := classOf(&tc.view); got != tc.want {
			t.Errorf("%s: class %d, want %d", name, got, tc.want)
		}
	}
}

func TestGroupThatAPersonRenamedIsNotAdmitted(t *testing.T) {
	group := pt.Group("sales")
	group.Labels = map[string]string{v1alpha1.LabelDisplayName: directory.DisplayNameLabel("sales")}
	if !isAdmitted(group) {
		t.Error("a group with all it needs is admitted again and again")
	}
	group.Spec.DisplayName = "another name"
	if isAdmitted(group) {
		t.Error("nobody looks whether the new name is free")
	}
}

func TestPresenceIsWhatGroupsNeedToKnowOfAUser(t *testing.T) {
	user := pt.User("kim",
		v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: "1"}, v1alpha1.Account{App: "wiki", State: v1alpha1.AccountInactive, RemoteID: "2"})
	if diff := cmp.Diff(map[string]string{"": user.SCIMID(), "crm": "1"}, presence(user)); diff != "" {
		t.Error(diff)
	}
	user.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	if got := presence(user)[""]; got == user.SCIMID() {
		t.Error("a user that goes is there")
	}
	user.Spec.ID = ""
	if presence(user) != nil || presence(nil) != nil {
		t.Error("a user without effect is there")
	}
}
