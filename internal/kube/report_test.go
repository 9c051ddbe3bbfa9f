// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

func TestConditionReports(t *testing.T) {
	const bad, good = metav1.ConditionFalse, metav1.ConditionTrue
	ready := func(status metav1.ConditionStatus, reason string) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: "why"}}
	}
	for name, tc := range map[string]struct {
		before, after []metav1.Condition
		want          string
	}{
		"becomes bad":                        {ready(good, v1alpha1.ReasonSucceeded), ready(bad, v1alpha1.ReasonUnreachable), "Warning Unreachable"},
		"is bad from the start":              {nil, ready(bad, v1alpha1.ReasonUnreachable), "Warning Unreachable"},
		"is bad for another reason":          {ready(bad, v1alpha1.ReasonUnreachable), ready(bad, v1alpha1.ReasonServerError), "Warning ServerError"},
		"stays bad":                          {ready(bad, v1alpha1.ReasonUnreachable), ready(bad, v1alpha1.ReasonUnreachable), ""},
		"is good again":                      {ready(bad, v1alpha1.ReasonUnreachable), ready(good, v1alpha1.ReasonSucceeded), "Normal Succeeded"},
		"is good from the start":             {nil, ready(good, v1alpha1.ReasonSucceeded), ""},
		"is good after a test":               {ready(metav1.ConditionUnknown, v1alpha1.ReasonNotTested), ready(good, v1alpha1.ReasonSucceeded), "Normal Succeeded"},
		"is gone":                            {ready(bad, v1alpha1.ReasonUnreachable), nil, " Succeeded"},
		"somebody has suspended it":          {ready(good, v1alpha1.ReasonSucceeded), ready(bad, v1alpha1.ReasonSuspended), ""},
		"changes are being made":             {ready(good, v1alpha1.ReasonSucceeded), ready(bad, v1alpha1.ReasonProgressing), ""},
		"it is not known yet":                {ready(bad, v1alpha1.ReasonUnreachable), ready(metav1.ConditionUnknown, v1alpha1.ReasonNotTested), ""},
		"it is not asked for that condition": {nil, []metav1.Condition{{Type: "Other", Status: bad, Reason: "Broken"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, report := range kube.ConditionReports(tc.before, tc.after, bad, v1alpha1.ConditionReady) {
				got = append(got, report.Type+" "+report.Reason)
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, ", ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestReporterLogsAllAndBoundsEvents: a mass failure fills the log, and not the API server.
func TestReporterLogsAllAndBoundsEvents(t *testing.T) {
	recorder, clk := events.NewFakeRecorder(1000), clocktesting.NewFakeClock(time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC))
	var lines bytes.Buffer
	ctx := log.IntoContext(context.Background(), funcr.New(func(_, args string) { lines.WriteString(args + "\n") }, funcr.Options{}))
	reporter := kube.NewReporter(recorder, clk)
	tell := func(namespace string) {
		user := &v1alpha1.ScimUser{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "u-1"}}
		reporter.Tell(ctx, user, kube.Report{
			What: "An account is out of sync", Type: corev1.EventTypeWarning, Reason: v1alpha1.ReasonRejected, Action: "Create", Message: "crm: 100 % wrong", Details: []any{"app", "crm"},
		})
	}
	for range 300 {
		tell("corp")
	}
	if n := len(recorder.Events); n != 100 {
		t.Errorf("%d events of 300 failures at once", n)
	}
	if n := strings.Count(lines.String(), "An account is out of sync"); n != 300 {
		t.Errorf("%d lines in the log", n)
	}
	for _, want := range []string{`"reason"="Rejected"`, `"detail"="crm: 100 % wrong"`, `"app"="crm"`} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if got, want := fmt.Sprint(<-recorder.Events), "Warning Rejected crm: 100 % wrong"; got != want {
		t.Errorf("event %q, want %q", got, want)
	}
	tell("other")
	clk.Step(3 * time.Second)
	for range 10 {
		tell("corp")
	}
	if n := len(recorder.Events); n != 99+1+3 {
		t.Errorf("%d events, want one of the other namespace and three of the next three seconds", n-99)
	}
	(*kube.Reporter)(nil).Tell(ctx, &v1alpha1.ScimUser{}, kube.Report{What: "nothing"})
}
