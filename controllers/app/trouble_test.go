// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// A broken app has those users and groups say what they wait for that have a pending revocation, once for each reason, and at most a hundred.
func TestTroubleOfAnAppReachesPendingRevocations(t *testing.T) {
	since := func(minutes int) *metav1.Time {
		return &metav1.Time{Time: pt.Now.Add(-time.Duration(minutes) * time.Minute)}
	}
	cache := pt.NewCache()
	app := pt.App("crm")
	cache.Put(app)
	cache.Put(pt.User("stays", v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, Planned: v1alpha1.ActionUpdate}))
	cache.Put(pt.User("leaver", v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, PendingRevocationTime: since(300)}))
	group := pt.Group("sales")
	group.Status.Apps = []v1alpha1.PushedGroupStatus{{App: "crm", State: v1alpha1.GroupPushed, PendingRevocationTime: since(200)}}
	cache.Put(group)
	r := &Reconciler{View: pt.NewView(cache)}
	r.Apps = provisioner.NewRegistry(r.View, clocktesting.NewFakeClock(pt.Now), logr.Discard(), provisioner.NewMetrics(prometheus.NewRegistry(), nil))
	var woken []string
	wake := func(key types.NamespacedName) { woken = append(woken, key.Name) }
	r.Wake = provisioner.Notify{User: wake, Group: wake}
	told := func(what, reason string, want ...string) {
		t.Helper()
		woken = nil
		status := metav1.ConditionFalse
		if reason == v1alpha1.ReasonSucceeded {
			status = metav1.ConditionTrue
		}
		kube.SetCondition(app, v1alpha1.ConditionReady, status, reason, "why")
		if err := r.tellRevocations(t.Context(), &scope{key: pt.Key("crm"), app: app}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, woken); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	told("while it is Ready", v1alpha1.ReasonSucceeded)
	told("it breaks", v1alpha1.ReasonUnreachable, "leaver", "sales")
	told("it is still broken", v1alpha1.ReasonUnreachable)
	told("for another reason", v1alpha1.ReasonCredentialsRejected, "leaver", "sales")
	told("it is Ready again: the revocations are made", v1alpha1.ReasonSucceeded)

	kube.SetCondition(app, v1alpha1.ConditionReachable, metav1.ConditionTrue, v1alpha1.ReasonRateLimited, "until noon")
	told("it asks for no calls", v1alpha1.ReasonSucceeded, "leaver", "sales")
	if trouble, known := r.Apps.Trouble(pt.Key("crm")); trouble.Reason != v1alpha1.ReasonRateLimited || !known {
		t.Errorf("users read the trouble %+v", trouble)
	}

	for i := range 150 {
		cache.Put(pt.User(fmt.Sprintf("leaver-%03d", i), v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, PendingRevocationTime: since(150 - i)}))
	}
	woken = nil
	told("many wait", v1alpha1.ReasonUnreachable, append([]string{"leaver", "sales"}, names("leaver-%03d", 98)...)...)
}

func names(format string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return list
}

func TestReportsOfAnApp(t *testing.T) {
	condition := func(conditionType string, status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: "why"}
	}
	before := &v1alpha1.ScimAppStatus{
		Conditions: []metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)},
		Batches:    []v1alpha1.HeldBatch{{Digest: "b1"}},
	}
	after := &v1alpha1.ScimAppStatus{
		Conditions: []metav1.Condition{
			condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonUnreachable),
			condition(v1alpha1.ConditionReachable, metav1.ConditionFalse, v1alpha1.ReasonUnreachable),
			condition(v1alpha1.ConditionAccountsSynced, metav1.ConditionFalse, v1alpha1.ReasonRejected),
			condition(v1alpha1.ConditionMassChangeHeld, metav1.ConditionTrue, v1alpha1.ReasonHeld),
		},
		Batches: []v1alpha1.HeldBatch{{Digest: "b1"}, {Digest: "b2", Message: "Deactivate 8", Changes: 8}},
	}
	var got []string
	for _, report := range reports(before, after) {
		got = append(got, report.Type+" "+report.Reason+" "+report.Action)
	}
	slices.Sort(got)
	want := []string{"Warning Held MassChangeHeld", "Warning Rejected AccountsSynced", "Warning Unreachable Ready"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	if again := reports(after, after); len(again) > 0 {
		t.Errorf("the same status is reported again: %+v", again)
	}
}
