// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// reports are the changes of a status that people should hear of: a group that is out of sync in an app for another reason than before, or in sync again, and a displayName that
// belongs to another group.
func reports(before, after *v1alpha1.ScimGroupStatus) []kube.Report {
	var all []kube.Report
	for i := range after.Apps {
		is := &after.Apps[i]
		was := before.App(is.App)
		if was == nil {
			was = &v1alpha1.PushedGroupStatus{}
		}
		switch details := []any{"app", is.App}; {
		case is.Reason == was.Reason:
		case told(is):
			all = append(all, kube.Report{
				What: "A pushed group is out of sync", Type: corev1.EventTypeWarning, Reason: is.Reason, Action: "Push",
				Message: is.App + ": " + connector.WithoutAppText(is.Message), Details: details,
			})
		case told(was) && !told(is):
			all = append(all, kube.Report{What: "The failure of a pushed group is over", Reason: v1alpha1.ReasonSucceeded, Details: append(details, "was", was.Reason)})
		}
	}
	for _, report := range kube.ConditionReports(before.Conditions, after.Conditions, metav1.ConditionFalse, v1alpha1.ConditionReady) {
		if report.Reason == v1alpha1.ReasonDisplayNameConflict {
			all = append(all, report)
		}
	}
	return all
}

// told reports whether people should hear of the reason of a pushed group. What waits for the app as a whole is told of on the ScimApp, unless members are to be removed.
func told(entry *v1alpha1.PushedGroupStatus) bool {
	switch entry.Reason {
	case "", v1alpha1.ReasonQueued, v1alpha1.ReasonMembersPending:
		return false
	case v1alpha1.ReasonAppNotReady, v1alpha1.ReasonSuspended:
		return entry.PendingRevocationTime != nil
	default:
		return true
	}
}
