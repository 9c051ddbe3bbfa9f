// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/guard"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// short is a condition as "Status Reason", "" if it is not there.
func short(app *v1alpha1.ScimApp, conditionType string) string {
	condition := meta.FindStatusCondition(app.Status.Conditions, conditionType)
	if condition == nil {
		return ""
	}
	return string(condition.Status) + " " + condition.Reason
}

func TestConditionsOfTheConnection(t *testing.T) {
	const credentials, reachable, ready = v1alpha1.ConditionCredentialsValid, v1alpha1.ConditionReachable, v1alpha1.ConditionReady
	for name, tc := range map[string]struct {
		suspend    bool
		invalid    string
		connection connection
		health     provisioner.Health
		want       [3]string
		kstatus    string
	}{
		"nothing is known yet": {
			want: [3]string{"Unknown NotTested", "Unknown NotTested", "Unknown NotTested"}, kstatus: v1alpha1.ConditionReconciling,
		},
		"all is well": {
			connection: connection{tested: true}, want: [3]string{"True Succeeded", "True Succeeded", "True Succeeded"},
		},
		"the test was rejected": {
			connection: connection{reason: v1alpha1.ReasonCredentialsRejected},
			want:       [3]string{"False CredentialsRejected", "True Succeeded", "False CredentialsRejected"}, kstatus: v1alpha1.ConditionStalled,
		},
		"the test found nobody": {
			connection: connection{reason: v1alpha1.ReasonUnreachable},
			want:       [3]string{"Unknown NotTested", "False Unreachable", "Unknown NotTested"}, kstatus: v1alpha1.ConditionReconciling,
		},
		"a call was rejected": {
			connection: connection{tested: true}, health: provisioner.Health{Reason: v1alpha1.ReasonInsufficientPermissions},
			want: [3]string{"False InsufficientPermissions", "True Succeeded", "False InsufficientPermissions"}, kstatus: v1alpha1.ConditionStalled,
		},
		"the app went away": {
			connection: connection{tested: true}, health: provisioner.Health{Reason: v1alpha1.ReasonServerError},
			want: [3]string{"True Succeeded", "False ServerError", "False ServerError"}, kstatus: v1alpha1.ConditionReconciling,
		},
		"suspended": {
			suspend: true, connection: connection{tested: true},
			want: [3]string{"Unknown Suspended", "Unknown Suspended", "False Suspended"},
		},
		"invalid": {
			invalid: "spec.profile is wrong", want: [3]string{"Unknown NotTested", "Unknown NotTested", "False InvalidConfiguration"},
			kstatus: v1alpha1.ConditionStalled,
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := pt.App("crm")
			app.Spec.Suspend = tc.suspend
			s := &scope{app: app, connection: &tc.connection, invalid: tc.invalid, invalidReason: v1alpha1.ReasonInvalidConfiguration}
			setStatus(s, runState{health: tc.health})
			if diff := cmp.Diff(tc.want, [3]string{short(app, credentials), short(app, reachable), short(app, ready)}); diff != "" {
				t.Error(diff)
			}
			for _, condition := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
				if got := meta.IsStatusConditionTrue(app.Status.Conditions, condition); got != (condition == tc.kstatus) {
					t.Errorf("%s is %t", condition, got)
				}
			}
			before := app.DeepCopy()
			setStatus(s, runState{health: tc.health})
			if diff := cmp.Diff(before, app); diff != "" {
				t.Errorf("the same again is another status:\n%s", diff)
			}
		})
	}
}

func TestCountersAndBatches(t *testing.T) {
	app := pt.App("crm")
	census := &desired.AppCensus{Active: 50, Done: 3, Pending: 2}
	// One that was seen when it was not whole yet, as after a restart.
	app.Status.Batches = []v1alpha1.HeldBatch{{Digest: "b1", Changes: 1, Remaining: 1, Message: "Deactivate 1"}}
	for i := range 12 {
		census.Held = append(census.Held, desired.HeldChange{Name: fmt.Sprintf("user-%02d", 11-i), Effect: string(v1alpha1.ActionDeactivate), Users: 1, Batch: "b1"})
	}
	census.Held = append(census.Held, desired.HeldChange{Name: "kim", Effect: string(v1alpha1.ActionUpdate), Users: 1, Batch: "b2"})
	s := &scope{app: app, connection: &connection{tested: true}, census: census}
	setStatus(s, runState{})
	status := &app.Status
	if status.Accounts != 50 || status.Held != 13 || status.Pending != 2 || status.Failed != 0 || len(status.Batches) != 2 {
		t.Errorf("status %+v", status)
	}
	if batch := status.Batches[0]; batch.Digest != "b1" || batch.Changes != 12 || batch.Remaining != 12 || len(batch.Users) != maxBatchUsers || batch.Users[0] != "user-00" {
		t.Errorf("batch %+v", batch)
	}
	if message := status.Batches[0].Message; !strings.Contains(message, "Deactivate 12") || !strings.Contains(message, "50 active") {
		t.Errorf("message %q", message)
	}
	if got := short(app, v1alpha1.ConditionAccountsSynced); got != "False Held" {
		t.Errorf("AccountsSynced is %s", got)
	}

	// Two of them are done, and the other batch is approved.
	census.Held = census.Held[2:]
	app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: "b2"}
	setStatus(s, runState{})
	if status.Held != 10 || status.Pending != 3 || len(status.Batches) != 1 || status.Batches[0].Changes != 12 || status.Batches[0].Remaining != 10 {
		t.Errorf("status %+v", status)
	}
	if condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionMassChangeHeld); condition == nil || strings.Contains(condition.Message, "b2") {
		t.Errorf("MassChangeHeld is %+v", condition)
	}

	census.Held = nil
	census.Pending = 0
	setStatus(s, runState{})
	if got := short(app, v1alpha1.ConditionAccountsSynced) + short(app, v1alpha1.ConditionMassChangeHeld); got != "True Succeeded" || len(status.Batches) != 0 {
		t.Errorf("in the end: %s, %+v", got, status.Batches)
	}
}

// The changes that found no room in a batch cannot be approved by the name of the overflow; the condition says when they can.
func TestOverflowBatchIsShownAndNotApproved(t *testing.T) {
	app := pt.App("crm")
	app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: guard.OverflowBatch}
	census := &desired.AppCensus{Active: 50}
	for _, batch := range []string{"b1", guard.OverflowBatch} {
		census.Held = append(census.Held, desired.HeldChange{Name: "kim", Effect: string(v1alpha1.ActionDeactivate), Users: 1, Batch: batch})
	}
	setStatus(&scope{app: app, connection: &connection{tested: true}, census: census}, runState{})
	if app.Status.Held != 2 || len(app.Status.Batches) != 2 {
		t.Errorf("status %+v", app.Status)
	}
	condition := meta.FindStatusCondition(app.Status.Conditions, v1alpha1.ConditionMassChangeHeld)
	if condition == nil || !strings.Contains(condition.Message, "in the batches b1;") || !strings.Contains(condition.Message, "overflow, which can be approved once") {
		t.Errorf("MassChangeHeld is %+v", condition)
	}
}

func TestStatusShowsAsManyBatchesAsItHolds(t *testing.T) {
	s := &scope{app: pt.App("crm"), census: &desired.AppCensus{}}
	for i := range 20 {
		s.census.Held = append(s.census.Held, desired.HeldChange{Name: "kim", Effect: string(v1alpha1.ActionDelete), Users: 1, Batch: fmt.Sprintf("b%02d", i)})
	}
	if got := batches(s); len(got) != maxBatches || got[0].Digest != "b00" {
		t.Errorf("%d batches: %v", len(got), got)
	}
}

func TestWaitAfterAFailedTest(t *testing.T) {
	for name, tc := range map[string]struct {
		err      error
		attempts int32
		want     time.Duration
	}{
		"first":                          {&connector.Error{Kind: connector.Credentials}, 1, testRetryBase},
		"a person has to act":            {&connector.Error{Kind: connector.Credentials}, 20, testRetryMax},
		"the app comes back by itself":   {&connector.Error{Kind: connector.Unreachable}, 20, testRetryReachable},
		"the app asks for a longer wait": {&connector.Error{Kind: connector.RateLimited, RetryAfter: time.Hour}, 1, time.Hour},
	} {
		if got := testWait(tc.err, tc.attempts); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestRequeueIsTheSoonest(t *testing.T) {
	s := &scope{}
	for _, d := range []time.Duration{0, time.Minute, time.Second, time.Hour, -time.Second} {
		s.soon(d)
	}
	if s.requeue != time.Second {
		t.Errorf("it comes back in %s", s.requeue)
	}
}

func TestAccountsSyncedSpeaksOfGroups(t *testing.T) {
	for name, tc := range map[string]struct {
		census desired.AppCensus
		failed int32
		want   string
	}{
		"a group fails": {
			census: desired.AppCensus{FailedGroups: []string{"sales"}}, failed: 1, want: "False Rejected: 1 groups (ScimGroup sales) failed to sync; their status says why",
		},
		"accounts and many groups fail": {
			census: desired.AppCensus{Failed: 2, FailedGroups: []string{"g", "f", "e", "d", "c", "b", "a"}}, failed: 9,
			want: "False Rejected: 2 accounts failed to sync; kubectl get scimusers shows which, and their status why; " +
				"7 groups (ScimGroup a, b, c, d, e and 2 more) failed to sync; their status says why",
		},
		"the app does not show members": {
			census: desired.AppCensus{NotShown: []string{"sales"}},
			want:   "False MembersNotShown: 1 groups (ScimGroup sales) are pushed, but the app does not show their members; check in the app that it takes members",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scope{app: pt.App("crm"), connection: &connection{tested: true}, census: &tc.census}
			setStatus(s, runState{})
			condition := meta.FindStatusCondition(s.app.Status.Conditions, v1alpha1.ConditionAccountsSynced)
			if got := string(condition.Status) + " " + condition.Reason + ": " + condition.Message; got != tc.want || s.app.Status.Failed != tc.failed {
				t.Errorf("%d failed, %s", s.app.Status.Failed, got)
			}
		})
	}
}

func TestLearnedSizeOfRequests(t *testing.T) {
	for name, tc := range map[string]struct {
		status, spec int32
		want         int
	}{
		"nothing is known":               {},
		"the app refused more":           {status: 60, want: 60},
		"the spec asks for more":         {status: 60, spec: 100, want: 60},
		"the spec asks for fewer":        {status: 60, spec: 20},
		"the spec asks for as many":      {status: 60, spec: 60},
		"the spec, and nothing is known": {spec: 60},
	} {
		t.Run(name, func(t *testing.T) {
			app := pt.App("crm")
			app.Status.MembersPerRequest = tc.status
			if tc.spec > 0 {
				app.Spec.Limits = &v1alpha1.AppLimits{MembersPerRequest: tc.spec}
			}
			if got := learned(app); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}
