// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// attributes takes over what the workers found out about attributes. Findings of a mapping that has changed are dropped. While the configuration is invalid, they stay.
func (r *Reconciler) attributes(_ context.Context, s *scope) error {
	if s.compiled != nil {
		s.app.Status.Attributes = s.compiled.Findings()
	}
	return nil
}

// findingOrder is from the finding that most needs a person to the one that needs none.
var findingOrder = []v1alpha1.Finding{
	v1alpha1.FindingNotApplied, v1alpha1.FindingRefused, v1alpha1.FindingValueRefused, v1alpha1.FindingDiffers, v1alpha1.FindingNotShown, v1alpha1.FindingNormalized,
}

// shownAttributes is how many names the message of AttributesSynced has of each finding.
const shownAttributes = 10

// setAttributes sums up the findings. What the app shows in another form is in sync, and what it does not show is not known.
func setAttributes(app *v1alpha1.ScimApp) {
	list := slices.Clone(app.Status.Attributes)
	if len(list) == 0 {
		kube.SetCondition(app, v1alpha1.ConditionAttributesSynced, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "no answer of the app refuses or contradicts an attribute")
		return
	}
	slices.SortStableFunc(list, func(a, b v1alpha1.AttributeFinding) int {
		return cmp.Compare(slices.Index(findingOrder, a.Finding), slices.Index(findingOrder, b.Finding))
	})
	status, reason := metav1.ConditionFalse, string(list[0].Finding)
	switch list[0].Finding {
	case v1alpha1.FindingNotShown:
		status = metav1.ConditionUnknown
	case v1alpha1.FindingNormalized:
		status = metav1.ConditionTrue
	}
	kube.SetCondition(app, v1alpha1.ConditionAttributesSynced, status, reason, describeFindings(list))
}

// describeFindings names the attributes of each finding.
func describeFindings(list []v1alpha1.AttributeFinding) string {
	var parts []string
	for _, finding := range findingOrder {
		var names []string
		for i := range list {
			if list[i].Finding == finding {
				names = append(names, list[i].Name)
			}
		}
		if more := len(names) - shownAttributes; more > 0 {
			names = append(names[:shownAttributes], fmt.Sprintf("and %d more", more))
		}
		if len(names) > 0 {
			parts = append(parts, string(finding)+": "+strings.Join(names, ", "))
		}
	}
	return strings.Join(parts, "; ") + "; status.attributes says what to do"
}

// findingReports tells of each finding once.
func findingReports(before, after []v1alpha1.AttributeFinding) []kube.Report {
	var reports []kube.Report
	for i := range after {
		f := &after[i]
		known := slices.ContainsFunc(before, func(b v1alpha1.AttributeFinding) bool { return b.Name == f.Name && b.Finding == f.Finding })
		if known {
			continue
		}
		report := kube.Report{
			What: "The answers of the app tell of an attribute", Type: corev1.EventTypeWarning, Reason: string(f.Finding), Action: v1alpha1.ConditionAttributesSynced,
			Message: "attribute " + f.Name + ": " + f.Message, Details: []any{"attribute", f.Name},
		}
		if f.Finding == v1alpha1.FindingNormalized {
			report.Type = corev1.EventTypeNormal
		}
		reports = append(reports, report)
	}
	return reports
}

// failedReason returns the most frequent reason of the failed accounts, and all of them with their counts.
func failedReason(byReason map[string]int) (reason, message string) {
	reasons := make([]string, 0, len(byReason))
	for reason := range byReason {
		reasons = append(reasons, reason)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		return cmp.Or(cmp.Compare(byReason[b], byReason[a]), strings.Compare(a, b))
	})
	if len(reasons) == 0 {
		return v1alpha1.ReasonRejected, ""
	}
	parts := make([]string, len(reasons))
	for i, reason := range reasons {
		parts[i] = fmt.Sprintf("%s %d", reason, byReason[reason])
	}
	return reasons[0], " (" + strings.Join(parts, ", ") + ")"
}
