// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// sliceSize is how many members a slice has. It is small, so that groups of some users have several.
const sliceSize = 3

// membersOf are the members of a group, wherever they stand.
func (w *world) membersOf(group *v1alpha1.ScimGroup) []v1alpha1.GroupMember {
	members := slices.Clone(group.Spec.Members)
	for _, named := range group.Spec.Slices {
		if slice, ok := w.api.get("ScimGroupSlice", key(named.Name)).(*v1alpha1.ScimGroupSlice); ok {
			members = append(members, slice.Spec.Members...)
		}
	}
	return members
}

func (w *world) isMember(group *v1alpha1.ScimGroup, id string) bool {
	return slices.ContainsFunc(w.membersOf(group), func(m v1alpha1.GroupMember) bool { return m.Value == id })
}

func memberOf(user *v1alpha1.ScimUser) v1alpha1.GroupMember {
	return v1alpha1.GroupMember{Value: user.SCIMID(), Type: v1alpha1.MemberTypeUser}
}

// setMembers gives a group other members, as the endpoint does: the slices are written first, then the group that names them. Those that it no longer names stay for
// a while (dropSlices).
func (w *world) setMembers(group *v1alpha1.ScimGroup, members []v1alpha1.GroupMember) bool {
	if !w.plan.sliced {
		return edit(w.api, key(group.Name), &v1alpha1.ScimGroup{}, func(g *v1alpha1.ScimGroup) { g.Spec.Members, g.Spec.Slices = members, nil })
	}
	named := w.writeSlices(group.Name, group.Spec.Slices, members)
	return edit(w.api, key(group.Name), &v1alpha1.ScimGroup{}, func(g *v1alpha1.ScimGroup) { g.Spec.Members, g.Spec.Slices = nil, named })
}

// writeSlices creates the slices that a group does not have yet.
func (w *world) writeSlices(group string, have []v1alpha1.GroupSlice, members []v1alpha1.GroupMember) []v1alpha1.GroupSlice {
	var named []v1alpha1.GroupSlice
	for part := range slices.Chunk(members, sliceSize) {
		i := slices.IndexFunc(have, func(s v1alpha1.GroupSlice) bool {
			slice, ok := w.api.get("ScimGroupSlice", key(s.Name)).(*v1alpha1.ScimGroupSlice)
			return ok && slices.Equal(slice.Spec.Members, part)
		})
		if i >= 0 {
			named = append(named, have[i])
			continue
		}
		w.created++
		slice := &v1alpha1.ScimGroupSlice{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s-s%d", group, w.created)}}
		slice.Spec.Group, slice.Spec.Members = group, part
		w.mustCreate(slice)
		named = append(named, v1alpha1.GroupSlice{Name: slice.Name, Count: int32(len(part))})
	}
	return named
}

// dropSlices deletes the slices that no group names any more.
func (w *world) dropSlices() bool {
	dropped := false
	for _, object := range w.api.all("ScimGroupSlice") {
		group, _ := w.api.get("ScimGroup", key(object.(*v1alpha1.ScimGroupSlice).Spec.Group)).(*v1alpha1.ScimGroup)
		if group == nil || !slices.ContainsFunc(group.Spec.Slices, func(s v1alpha1.GroupSlice) bool { return s.Name == object.GetName() }) {
			dropped = w.api.remove("ScimGroupSlice", key(object.GetName()), nil) == nil || dropped
		}
	}
	if dropped {
		w.trace("EVENT slices without a group are deleted")
		w.checks.concern(w, w.plan.users)
	}
	return dropped
}
