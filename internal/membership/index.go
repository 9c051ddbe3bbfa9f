// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package membership

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Indexes of the cache. Use them with client.MatchingFields.
const (
	// IndexMember finds ScimGroups by the SCIM ids of the members that stand in the group itself.
	IndexMember = "membership.member"
	// IndexSliceMember finds ScimGroupSlices by the SCIM ids of their members.
	IndexSliceMember = "membership.slice.member"
	// IndexSliceGroup finds ScimGroupSlices by the metadata.name of their group.
	IndexSliceGroup = "membership.slice.group"
	// indexSliced finds ScimGroups that have slices, by sliced.
	indexSliced = "membership.sliced"
	sliced      = "true"
)

// RegisterIndexes adds to a cache the indexes that this package needs.
func RegisterIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	group := func(field string, values func(*v1alpha1.ScimGroup) []string) error {
		return indexer.IndexField(ctx, &v1alpha1.ScimGroup{}, field, func(obj client.Object) []string { return values(obj.(*v1alpha1.ScimGroup)) })
	}
	slice := func(field string, values func(*v1alpha1.ScimGroupSlice) []string) error {
		return indexer.IndexField(ctx, &v1alpha1.ScimGroupSlice{}, field, func(obj client.Object) []string { return values(obj.(*v1alpha1.ScimGroupSlice)) })
	}
	return errors.Join(
		group(IndexMember, func(g *v1alpha1.ScimGroup) []string { return values(g.Spec.Members) }),
		group(indexSliced, func(g *v1alpha1.ScimGroup) []string {
			if len(g.Spec.Slices) == 0 {
				return nil
			}
			return []string{sliced}
		}),
		slice(IndexSliceMember, func(s *v1alpha1.ScimGroupSlice) []string { return values(s.Spec.Members) }),
		slice(IndexSliceGroup, func(s *v1alpha1.ScimGroupSlice) []string { return []string{s.Spec.Group} }),
	)
}

func values(members []v1alpha1.GroupMember) []string {
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = m.Value
	}
	return ids
}
