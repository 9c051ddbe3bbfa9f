// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Lives is whether the user still is the object of that UID, and not being deleted.
func (v *View) Lives(ctx context.Context, key types.NamespacedName, uid types.UID) (bool, error) {
	user := &v1alpha1.ScimUser{}
	err := v.cache.Get(ctx, key, user, client.UnsafeDisableDeepCopy)
	return err == nil && user.UID == uid && user.DeletionTimestamp.IsZero(), client.IgnoreNotFound(err)
}
