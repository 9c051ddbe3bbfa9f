// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// RecordKey is the name of the ScimGroupRecord of a group in an app.
func RecordKey(group *v1alpha1.ScimGroup, app string) types.NamespacedName {
	sum := sha256.Sum256([]byte(string(group.UID) + " " + app))
	return types.NamespacedName{Namespace: group.Namespace, Name: "record-" + hex.EncodeToString(sum[:16])}
}

// RecordedMembers returns the members that a group may have in an app: what this process knows, else what an earlier one has recorded.
func (v *View) RecordedMembers(ctx context.Context, group *v1alpha1.ScimGroup, app string) (ledger.Members, bool, error) {
	book, id := v.Book.Ledger(types.NamespacedName{Namespace: group.Namespace, Name: app}), ledger.ID{Kind: ledger.Group, UID: group.UID}
	members, known := book.RecordedMembers(id)
	entry := group.Status.App(app)
	if known || entry == nil || !entry.MembersHidden {
		return members, known, nil
	}
	record := &v1alpha1.ScimGroupRecord{}
	if err := v.cache.Get(ctx, RecordKey(group, app), record); err != nil {
		return ledger.Members{}, false, client.IgnoreNotFound(err)
	}
	members, err := v.named(ctx, types.NamespacedName{Namespace: group.Namespace, Name: app}, ledger.DecodeMembers(record.Spec.Members))
	if err != nil {
		return ledger.Members{}, false, err
	}
	book.RecordIfUnknown(id, members)
	members, known = book.RecordedMembers(id)
	return members, known, nil
}

// named returns the accounts of the app that hashes stand for.
func (v *View) named(ctx context.Context, app types.NamespacedName, hashes map[ledger.MemberHash]bool) (ledger.Members, error) {
	members := ledger.Members{}
	err := v.eachUser(ctx, app, func(_ *UserView, entry *v1alpha1.Account) error {
		if hash := ledger.HashMember(entry.RemoteID); entry.RemoteID != "" && hashes[hash] {
			members.IDs = append(members.IDs, entry.RemoteID)
			delete(hashes, hash)
		}
		return nil
	})
	members.Nameless = slices.SortedFunc(maps.Keys(hashes), func(a, b ledger.MemberHash) int { return slices.Compare(a[:], b[:]) })
	return members, err
}

// HasUser reports whether an account of the app belongs to a user.
func (v *View) HasUser(ctx context.Context, app types.NamespacedName, remoteID string) (bool, error) {
	users, err := v.usersOf(ctx, app, remoteID)
	return len(users) > 0, err
}

// UserOf returns the name of a user to whom an account of the app belongs, with the user's UID; empty for none.
func (v *View) UserOf(ctx context.Context, app types.NamespacedName, remoteID string) (string, types.UID, error) {
	users, err := v.usersOf(ctx, app, remoteID)
	if err != nil || len(users) == 0 {
		return "", "", err
	}
	return users[0].Name, users[0].UID, nil
}

func (v *View) usersOf(ctx context.Context, app types.NamespacedName, remoteID string) ([]*v1alpha1.ScimUser, error) {
	var list v1alpha1.ScimUserList
	fields := client.MatchingFields{IndexUserRemote: RemoteKey(app.Name, remoteID)}
	if err := v.cache.List(ctx, &list, client.InNamespace(app.Namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("looking for the owner of an account: %w", err)
	}
	var users []*v1alpha1.ScimUser
	for i := range list.Items {
		user, _, err := v.latest(ctx, &list.Items[i])
		if err != nil {
			return nil, err
		}
		if user == nil {
			continue
		}
		if entry := user.Status.Account(app.Name); entry != nil && entry.RemoteID == remoteID {
			users = append(users, user)
		}
	}
	return users, nil
}

// AwaitsAccount reports whether a member of the group is to get an account in the app, which is not linked or created yet.
func (v *View) AwaitsAccount(ctx context.Context, group *v1alpha1.ScimGroup, app string) (bool, error) {
	members, err := v.memberIDs(ctx, group)
	if err != nil {
		return false, err
	}
	for id := range members {
		name, _, _ := v1alpha1.SplitSCIMID(id)
		key := types.NamespacedName{Namespace: group.Namespace, Name: name}
		user, err := v.readUser(ctx, key)
		if err != nil {
			return false, err
		}
		if user == nil || user.SCIMID() != id || !user.Admitted() || !user.DeletionTimestamp.IsZero() {
			continue
		}
		if entry := user.Status.Account(app); entry != nil && entry.RemoteID != "" {
			continue
		}
		_, account, err := v.Account(ctx, key, app)
		if err != nil {
			return false, err
		}
		if account != nil && account.Desired.Assigned && account.Desired.Active && !account.Desired.Deleted {
			return true, nil
		}
	}
	return false, nil
}
