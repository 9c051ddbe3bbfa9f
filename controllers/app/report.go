// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// reports are the changes of a status that people should hear of: an app that is not Ready for another reason than before, or Ready again, failed accounts, missing groups,
// revocations that the mass-change guard has begun to hold, and what the app's answers say about attributes.
func reports(before, after *v1alpha1.ScimAppStatus) []kube.Report {
	all := kube.ConditionReports(before.Conditions, after.Conditions, metav1.ConditionFalse,
		v1alpha1.ConditionReady, v1alpha1.ConditionAccountsSynced, v1alpha1.ConditionAttributesSynced, v1alpha1.ConditionSubjectsResolved)
	for i := range after.Batches {
		batch := &after.Batches[i]
		known := slices.ContainsFunc(before.Batches, func(b v1alpha1.HeldBatch) bool { return b.Digest == batch.Digest })
		if known {
			continue
		}
		all = append(all, kube.Report{
			What: "The mass-change guard holds revocations", Type: corev1.EventTypeWarning, Reason: v1alpha1.ReasonHeld, Action: v1alpha1.ConditionMassChangeHeld,
			Message: "batch " + batch.Digest + ": " + batch.Message + "; approve it, or fix the cause: the condition MassChangeHeld says how",
			Details: []any{"batch", batch.Digest, "changes", batch.Changes},
		})
	}
	return append(all, findingReports(before.Attributes, after.Attributes)...)
}
