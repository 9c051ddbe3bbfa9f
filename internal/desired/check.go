// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/bounded"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// maxRequest is for ScimUserStatus.lastHandledReconcileAt, in bytes of JSON.
const maxRequest = 253

// ReconcileRequest returns the request of a person to read and compare the user's accounts, empty for none. A long one is shortened.
func ReconcileRequest(user *v1alpha1.ScimUser) string {
	return bounded.Name(user.Annotations[v1alpha1.AnnotationReconcile], maxRequest)
}

// CheckRequest returns the form in which an account status keeps the request.
func CheckRequest(user *v1alpha1.ScimUser) string {
	request := ReconcileRequest(user)
	if request == "" {
		return ""
	}
	return plan.HashValues(map[string]any{"": request})[""]
}

// NeedsCheck reports whether a person has asked for the account to be read and compared, and it was not yet.
func (a *AccountView) NeedsCheck(user *v1alpha1.ScimUser) bool {
	request := ReconcileRequest(user)
	switch {
	case request == "", request == user.Status.LastHandledReconcileAt:
		return false
	case a.App == nil, a.App.Object.Spec.Suspend, a.Recorded == nil, a.Recorded.RemoteID == "":
		return false
	case a.Recorded.State != v1alpha1.AccountActive && a.Recorded.State != v1alpha1.AccountInactive:
		return false
	}
	return a.Recorded.CheckedFor != CheckRequest(user)
}

// check makes an account that needs no change, or can have none, be read if a person has asked for it.
func (a *AccountView) check(user *v1alpha1.ScimUser) {
	if a.Step.Action == "" && !a.Step.Drop && a.NeedsCheck(user) {
		a.Step.Action = v1alpha1.ActionCheck
	}
}
