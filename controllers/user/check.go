// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"slices"
	"strings"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// explainCheck keeps why an account is out of sync while it is read, or why the read failed.
func (n *nextStatus) explainCheck(entry *v1alpha1.Account, step plan.Step, state appState) {
	if entry.Attempts == 0 {
		entry.Reason, entry.Message = step.Reason, kube.EntryMessage(step.Message)
		n.imminent = n.imminent || (state.running && state.healthy)
	}
}

// handled records the request of a person for which every account was read, once that is so.
func handled(view *desired.UserView, user *v1alpha1.ScimUser) {
	request := desired.ReconcileRequest(user)
	waits := func(account desired.AccountView) bool { return account.NeedsCheck(view.User) }
	if request != "" && !slices.ContainsFunc(view.Accounts, waits) {
		user.Status.LastHandledReconcileAt = request
	}
}

// notes tells what apps refuse, and what differed when a person asked.
func notes(user *v1alpha1.ScimUser) string {
	var parts []string
	for i := range user.Status.Accounts {
		account := &user.Status.Accounts[i]
		if len(account.RejectedAttributes) > 0 {
			parts = append(parts, account.App+" refuses "+strings.Join(account.RejectedAttributes, ", "))
		}
		if len(account.Differences) > 0 {
			parts = append(parts, account.App+" differed in "+strings.Join(account.Differences, ", ")+" at checkedTime")
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, "; ")
}
