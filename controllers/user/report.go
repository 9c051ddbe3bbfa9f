// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// reports are the changes of a status that people should hear of: an account that is out of sync for another reason than before, or in sync again, and a userName that belongs to
// another user.
func reports(before, after *v1alpha1.ScimUserStatus) []kube.Report {
	var all []kube.Report
	for i := range after.Accounts {
		is := &after.Accounts[i]
		was := before.Account(is.App)
		if was == nil {
			was = &v1alpha1.Account{}
		}
		switch details := []any{"app", is.App, "planned", is.Planned}; {
		case is.Reason == was.Reason:
		case told(is):
			all = append(all, kube.Report{
				What: "An account is out of sync", Type: corev1.EventTypeWarning, Reason: is.Reason, Action: string(cmp.Or(is.Planned, v1alpha1.ActionObserve)),
				Message: is.App + ": " + connector.WithoutAppText(is.Message), Details: details,
			})
		case told(was) && is.Reason == "" && is.Planned == "":
			all = append(all, kube.Report{What: "An account is in sync again", Reason: v1alpha1.ReasonSucceeded, Details: append(details, "was", was.Reason)})
		}
	}
	for _, report := range kube.ConditionReports(before.Conditions, after.Conditions, metav1.ConditionFalse, v1alpha1.ConditionReady) {
		if report.Reason == v1alpha1.ReasonUserNameConflict {
			all = append(all, report)
		}
	}
	return all
}

// told reports whether people should hear of the reason of an account. What waits for the app as a whole is told of on the ScimApp, unless somebody has access meanwhile who should
// not.
func told(entry *v1alpha1.Account) bool {
	switch entry.Reason {
	case "", v1alpha1.ReasonQueued:
		return false
	case v1alpha1.ReasonAppNotReady, v1alpha1.ReasonSuspended:
		return entry.PendingRevocationTime != nil
	default:
		return true
	}
}
