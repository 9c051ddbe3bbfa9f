// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

func TestAttributesSyncedSumsUpTheFindings(t *testing.T) {
	finding := func(name string, f v1alpha1.Finding) v1alpha1.AttributeFinding {
		return v1alpha1.AttributeFinding{Name: name, Finding: f, Message: "why"}
	}
	var titles []v1alpha1.AttributeFinding
	for i := range 12 {
		titles = append(titles, finding(fmt.Sprintf("a%02d", i), v1alpha1.FindingRefused))
	}
	for name, tc := range map[string]struct {
		findings []v1alpha1.AttributeFinding
		status   metav1.ConditionStatus
		reason   string
		message  string
	}{
		"none":            {nil, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, ""},
		"another form":    {[]v1alpha1.AttributeFinding{finding("emails", v1alpha1.FindingNormalized)}, metav1.ConditionTrue, "Normalized", "emails"},
		"not shown":       {[]v1alpha1.AttributeFinding{finding("emails", v1alpha1.FindingNormalized), finding("title", v1alpha1.FindingNotShown)}, metav1.ConditionUnknown, "NotShown", "NotShown: title; Normalized: emails"},
		"the most urgent": {[]v1alpha1.AttributeFinding{finding("a", v1alpha1.FindingDiffers), finding("roles", v1alpha1.FindingNotApplied)}, metav1.ConditionFalse, "NotApplied", "NotApplied: roles; Differs: a"},
		"many":            {titles, metav1.ConditionFalse, "Refused", "a09, and 2 more"},
	} {
		t.Run(name, func(t *testing.T) {
			app := &v1alpha1.ScimApp{Status: v1alpha1.ScimAppStatus{Attributes: tc.findings}}
			setAttributes(app)
			got := find(app, v1alpha1.ConditionAttributesSynced)
			if got.Status != tc.status || got.Reason != tc.reason || !strings.Contains(got.Message, tc.message) {
				t.Errorf("the condition is %+v", got)
			}
		})
	}
}

func TestFindingIsReportedOnce(t *testing.T) {
	before := []v1alpha1.AttributeFinding{{Name: "title", Finding: v1alpha1.FindingDiffers}}
	after := []v1alpha1.AttributeFinding{{Name: "title", Finding: v1alpha1.FindingDiffers}, {Name: "roles", Finding: v1alpha1.FindingNotApplied, Message: "why"}}
	got := findingReports(before, after)
	if len(got) != 1 || got[0].Type != corev1.EventTypeWarning || got[0].Message != "attribute roles: why" {
		t.Errorf("the reports are %+v", got)
	}
	if again := findingReports(after, after); len(again) > 0 {
		t.Errorf("reported again: %+v", again)
	}
}

func TestFailedAccountsAreCountedByReason(t *testing.T) {
	reason, message := failedReason(map[string]int{v1alpha1.ReasonRejected: 1, v1alpha1.ReasonNotApplied: 2})
	if reason != v1alpha1.ReasonNotApplied || message != " (NotApplied 2, Rejected 1)" {
		t.Errorf("%s%s", reason, message)
	}
	if reason, message = failedReason(nil); reason != v1alpha1.ReasonRejected || message != "" {
		t.Errorf("%s%s", reason, message)
	}
}
