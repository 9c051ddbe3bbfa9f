// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package membership

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Diff gives the members that are in one of two versions of a group but not in the other, in no order. Either may be nil, which has no members. Slices that both
// name are not read: the cost follows the change, not the group. ErrIncomplete if the reader does not have the others.
func Diff(ctx context.Context, reader client.Reader, before, after *v1alpha1.ScimGroup) ([]v1alpha1.GroupMember, error) {
	if before != nil && after != nil && Same(before, after) {
		return nil, nil
	}
	had, err := besides(ctx, reader, before, after)
	if err != nil {
		return nil, err
	}
	has, err := besides(ctx, reader, after, before)
	if err != nil {
		return nil, err
	}
	changed := make(map[v1alpha1.GroupMember]struct{}, had.Len())
	for member := range had.All() {
		changed[member] = struct{}{}
	}
	var list []v1alpha1.GroupMember
	for member := range has.All() {
		if _, both := changed[member]; both {
			delete(changed, member)
		} else {
			list = append(list, member)
		}
	}
	for member := range changed {
		list = append(list, member)
	}
	return list, nil
}

// besides gives the members of a group, but for those in slices that the other version names too.
func besides(ctx context.Context, reader client.Reader, group, other *v1alpha1.ScimGroup) (Members, error) {
	if group == nil {
		return nil, nil
	}
	shared := map[string]bool{}
	if other != nil {
		for i := range other.Spec.Slices {
			shared[other.Spec.Slices[i].Name] = true
		}
	}
	if len(group.Spec.Slices) == 0 {
		return Members{group.Spec.Members}, nil
	}
	return parts(ctx, reader, group, shared)
}

// Same is whether two versions of a group have the same members, as far as can be told without reading them: false may be wrong, true never is.
func Same(before, after *v1alpha1.ScimGroup) bool {
	a, b := &before.Spec, &after.Spec
	return slices.Equal(a.Members, b.Members) && slices.Equal(a.Slices, b.Slices)
}
