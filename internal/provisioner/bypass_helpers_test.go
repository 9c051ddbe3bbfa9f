// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

func idOfGroup(group *v1alpha1.ScimGroup) ledger.ID {
	return ledger.ID{Kind: ledger.Group, UID: group.UID}
}
func guardIDOf(user *v1alpha1.ScimUser) string {
	return ledger.GuardID(user.Status.Accounts[0].RemoteID, user.UID)
}
func approvedRole(now time.Time) ledger.Revoked { return ledger.Revoked{At: now, Approved: true} }
func nowOf(w *world) metav1.Time                { return metav1.NewTime(w.clock.Now()) }
