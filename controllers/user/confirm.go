// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"context"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// endConfirmations removes confirmed absences that no account waits for, once the status has what followed from them.
func (r *Reconciler) endConfirmations(ctx context.Context, view *desired.UserView) (ended bool, err error) {
	confirmed := view.Cached.Annotations[v1alpha1.AnnotationConfirmAbsence]
	if confirmed == "" {
		return false, nil
	}
	open := provisioner.OpenConfirmations(confirmed, func(app, remoteID string) bool {
		entry := view.Stored.Account(app)
		return entry != nil && entry.RemoteID == remoteID && entry.Planned != ""
	})
	return kube.SetAnnotation(ctx, r.Client, view.Cached, v1alpha1.AnnotationConfirmAbsence, open)
}
