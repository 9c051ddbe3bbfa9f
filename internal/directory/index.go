// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Indexes of the cache. Use them with client.MatchingFields.
const (
	// IndexUserName finds admitted ScimUsers by scim.Fold of their userName.
	IndexUserName = "directory.userName"
	// IndexEmail finds ScimUsers by EmailKey of their e-mail addresses, and some that have others.
	IndexEmail = "directory.email"
	// IndexDisplayName finds admitted ScimGroups by scim.Fold of their displayName.
	IndexDisplayName = "directory.displayName"
	// IndexExternalID finds ScimUsers and ScimGroups by ExternalIDKey, and some that have another externalId.
	IndexExternalID = "directory.externalID"
	// IndexWaiting finds ScimUsers and ScimGroups that may wait for a name, by what stands for the name: NameHolder and GroupNameHolder. Users are there whose
	// name another object stands for, groups that are not admitted.
	IndexWaiting = "directory.waiting"
)

// ExternalIDKey is the value of IndexExternalID for a client's externalId.
func ExternalIDKey(client, id string) string { return kube.Bucket(client + "/" + id) }

// EmailKey is the value of IndexEmail for an e-mail address.
func EmailKey(address string) string { return kube.Bucket(scim.Fold(address)) }

// RegisterIndexes adds to the cache the indexes that Options.Cache needs.
func RegisterIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, index := range []struct {
		obj    client.Object
		field  string
		values client.IndexerFunc
	}{
		{&v1alpha1.ScimUser{}, IndexUserName, userIndex(func(u *v1alpha1.ScimUser) []string {
			return present(u.Admitted(), scim.Fold(u.Spec.UserName))
		})},
		{&v1alpha1.ScimUser{}, IndexEmail, userIndex(emails)},
		{&v1alpha1.ScimUser{}, IndexExternalID, userIndex(func(u *v1alpha1.ScimUser) []string { return externalIDs(u.Spec.ExternalIDs) })},
		{&v1alpha1.ScimUser{}, IndexWaiting, userIndex(func(u *v1alpha1.ScimUser) []string {
			holder := NameHolder(u)
			return present(holder != "" && holder != u.Name, holder)
		})},
		{&v1alpha1.ScimGroup{}, IndexWaiting, groupIndex(func(g *v1alpha1.ScimGroup) []string {
			return present(!g.Admitted() || !EntitledGroup(g), GroupNameHolder(g))
		})},
		{&v1alpha1.ScimGroup{}, IndexDisplayName, groupIndex(func(g *v1alpha1.ScimGroup) []string {
			return present(g.Admitted(), scim.Fold(g.Spec.DisplayName))
		})},
		{&v1alpha1.ScimGroup{}, IndexExternalID, groupIndex(func(g *v1alpha1.ScimGroup) []string { return externalIDs(g.Spec.ExternalIDs) })},
	} {
		if err := indexer.IndexField(ctx, index.obj, index.field, index.values); err != nil {
			return err
		}
	}
	return membership.RegisterIndexes(ctx, indexer)
}

func userIndex(values func(*v1alpha1.ScimUser) []string) client.IndexerFunc {
	return func(obj client.Object) []string { return values(obj.(*v1alpha1.ScimUser)) }
}

func groupIndex(values func(*v1alpha1.ScimGroup) []string) client.IndexerFunc {
	return func(obj client.Object) []string { return values(obj.(*v1alpha1.ScimGroup)) }
}

func present(ok bool, value string) []string {
	if !ok {
		return nil
	}
	return []string{value}
}

func emails(u *v1alpha1.ScimUser) []string {
	var values []string
	for _, e := range u.Spec.Emails {
		values = append(values, EmailKey(e.Value))
	}
	return values
}

func externalIDs(ids []v1alpha1.ExternalID) []string {
	var values []string
	for _, id := range ids {
		values = append(values, ExternalIDKey(id.Client, id.ID))
	}
	return values
}
