// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// ownsName reports whether a user owns its userName, as far as the cache shows. A person may write any name into a ScimUser, and a queued change must not write it to
// an app before the user's reconciler has checked it. The reconciler decides: it enqueues the user's accounts again once the name is found to be the user's.
func (v *View) ownsName(ctx context.Context, user *v1alpha1.ScimUser) (bool, error) {
	if user.Status.ObservedGeneration == user.Generation {
		return !refused(user), nil
	}
	var others v1alpha1.ScimUserList
	fields := client.MatchingFields{directory.IndexUserName: scim.Fold(user.Spec.UserName)}
	if err := v.cache.List(ctx, &others, client.InNamespace(user.Namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("listing the users of a userName: %w", err)
	}
	for i := range others.Items {
		if others.Items[i].Name != user.Name && others.Items[i].DeletionTimestamp.IsZero() {
			return directory.Entitled(ctx, v.cache, user)
		}
	}
	return true, nil
}

// refused is whether the user's reconciler found that the userName belongs to another user.
func refused(user *v1alpha1.ScimUser) bool { return RefusedBy(&user.Status) }

// RefusedBy reports whether a status says that the userName belongs to another user.
func RefusedBy(status *v1alpha1.ScimUserStatus) bool {
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == v1alpha1.ReasonUserNameConflict
}
