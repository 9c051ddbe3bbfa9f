// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// waiting: the groups that were refused a displayName, when another one gives it up. A group that is being deleted has given it up.
func (r *Reconciler) waiting() handler.EventHandler {
	return kube.Handle(r.sweeps(), func(ctx context.Context, before, after *v1alpha1.ScimGroup) ([]types.NamespacedName, error) {
		had := nameOf(before)
		if had == "" || had == nameOf(after) {
			return nil, nil
		}
		var groups v1alpha1.ScimGroupList
		fields := client.MatchingFields{directory.IndexWaiting: had}
		if err := r.Client.List(ctx, &groups, client.InNamespace(before.Namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing the groups that wait for a name: %w", err)
		}
		keys := make([]types.NamespacedName, len(groups.Items))
		for i := range groups.Items {
			keys[i] = client.ObjectKeyFromObject(&groups.Items[i])
		}
		return keys, nil
	})
}

// nameOf is what stands for the displayName that a group keeps from others, "" for none.
func nameOf(group *v1alpha1.ScimGroup) string {
	if group == nil || !group.Admitted() || !group.DeletionTimestamp.IsZero() {
		return ""
	}
	return directory.GroupNameHolder(group)
}
