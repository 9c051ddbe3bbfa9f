// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

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

// waiting: the users who were refused a userName, or may have been, when somebody else gives it up. A user that is being deleted has given it up.
func (w *watches) waiting() handler.EventHandler {
	return kube.Handle(w.sweeper, func(ctx context.Context, before, after *v1alpha1.ScimUser) ([]types.NamespacedName, error) {
		if before == nil {
			return nil, nil
		}
		var keys []types.NamespacedName
		has := names(after)
		for name := range names(before) {
			if has[name] {
				continue
			}
			var users v1alpha1.ScimUserList
			fields := client.MatchingFields{directory.IndexWaiting: name}
			if err := w.cache.List(ctx, &users, client.InNamespace(before.Namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
				return nil, fmt.Errorf("listing the users who wait for a name: %w", err)
			}
			for i := range users.Items {
				if users.Items[i].Name != before.Name {
					keys = append(keys, client.ObjectKeyFromObject(&users.Items[i]))
				}
			}
		}
		return keys, nil
	})
}

// names are what stands for the names that an object keeps from others: its own userName, and the one that it reserves.
func names(user *v1alpha1.ScimUser) map[string]bool {
	names := map[string]bool{}
	if user == nil {
		return names
	}
	if user.Spec.Reservation != nil {
		names[user.Name] = true
	}
	if user.Admitted() && user.DeletionTimestamp.IsZero() {
		names[directory.NameHolder(user)] = true
	}
	return names
}
