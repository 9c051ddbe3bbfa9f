// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"net/http"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/resource"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// membership is where the members of groups are. Nothing else in this package knows.
type membership interface {
	// list gives the members.
	list(*v1alpha1.ScimGroup) []scim.Member
	// digest is for the ETag.
	digest(*v1alpha1.ScimGroup) scim.MemberDigest
	// change applies operations to the group in memory, and says whether the members are others afterwards.
	change(*v1alpha1.ScimGroup, []scim.MemberOp) (changed bool, err error)
}

// replaceMembers is what a PUT or POST does to the members. A resource without members clears them.
func replaceMembers(r *scim.Resource) []scim.MemberOp {
	return []scim.MemberOp{{Kind: scim.MembersReplace, Members: r.Members()}}
}

// inline has the members in spec.members.
type inline struct{}

func (inline) list(g *v1alpha1.ScimGroup) []scim.Member {
	members := make([]scim.Member, len(g.Spec.Members))
	for i, m := range g.Spec.Members {
		members[i] = scim.Member{Value: m.Value, Type: string(m.Type)}
	}
	return members
}

func (inline) digest(g *v1alpha1.ScimGroup) scim.MemberDigest {
	var d scim.MemberDigest
	for _, m := range g.Spec.Members {
		d.Add(m.Value)
	}
	return d
}

func (i inline) change(g *v1alpha1.ScimGroup, ops []scim.MemberOp) (bool, error) {
	if len(ops) == 0 {
		return false, nil
	}
	next, delta := scim.ApplyMemberOps(i.list(g), ops)
	if len(delta.Add) == 0 && len(delta.Remove) == 0 {
		return false, nil
	}
	if len(next) > v1alpha1.MaxInlineMembers {
		return false, scim.NewError(http.StatusRequestEntityTooLarge, "members: a group holds at most %d members", v1alpha1.MaxInlineMembers)
	}
	members := make([]v1alpha1.GroupMember, len(next))
	for i, m := range next {
		var err error
		if members[i], err = resource.Member(m); err != nil {
			return false, err
		}
	}
	if len(members) == 0 {
		members = nil
	}
	g.Spec.Members = members
	return true, nil
}
