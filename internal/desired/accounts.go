// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Living returns the user if it has that UID and is not being deleted, nil otherwise.
func (v *View) Living(ctx context.Context, key types.NamespacedName, uid types.UID) (*v1alpha1.ScimUser, error) {
	user := &v1alpha1.ScimUser{}
	err := v.cache.Get(ctx, key, user, client.UnsafeDisableDeepCopy)
	if err != nil || user.UID != uid || !user.DeletionTimestamp.IsZero() {
		return nil, client.IgnoreNotFound(err)
	}
	return user, nil
}

// OtherAccount returns the id of an active account of the app that belongs to a user, other than the one given; empty for none.
func (v *View) OtherAccount(ctx context.Context, app types.NamespacedName, except string) (string, error) {
	var list v1alpha1.ScimUserList
	fields := client.MatchingFields{IndexUserApp: app.Name}
	if err := v.cache.List(ctx, &list, client.InNamespace(app.Namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("listing the users of the app: %w", err)
	}
	for i := range list.Items {
		entry := list.Items[i].Status.Account(app.Name)
		if entry != nil && entry.State == v1alpha1.AccountActive && entry.RemoteID != "" && entry.RemoteID != except && entry.Operation == nil {
			return entry.RemoteID, nil
		}
	}
	return "", nil
}

// HasActiveAccount reports whether an account of the app may be active: unless the status of its user says that it is inactive, and no operation may have reactivated it. An account
// that was released is left as it is, and one that belongs to no user may be anything.
func (v *View) HasActiveAccount(ctx context.Context, app types.NamespacedName, remoteID string) (bool, error) {
	users, err := v.usersOf(ctx, app, remoteID)
	if err != nil {
		return false, err
	}
	for _, user := range users {
		if entry := user.Status.Account(app.Name); entry.State != v1alpha1.AccountInactive || entry.Operation != nil {
			return true, nil
		}
	}
	return len(users) == 0, nil
}
