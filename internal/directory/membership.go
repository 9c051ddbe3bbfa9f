// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/client"

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

// LeaveGroups takes a user that goes away out of the groups that have it as a member, as far as the cache knows them. Groups that are managed in Git stay as they
// are: a member who is gone counts for nothing there. The origin of the groups stays, too: no client has changed them.
func (s *Store) LeaveGroups(ctx context.Context, u *v1alpha1.ScimUser) error {
	id := u.SCIMID()
	if id == "" {
		return nil
	}
	list := &v1alpha1.ScimGroupList{}
	if err := s.opts.Cache.List(ctx, list, client.InNamespace(u.Namespace), client.MatchingFields{IndexMember: id}); err != nil {
		return err
	}
	for i := range list.Items {
		if err := s.removeMember(ctx, &list.Items[i], id); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) removeMember(ctx context.Context, g *v1alpha1.ScimGroup, id string) error {
	remove := []scim.MemberOp{{Kind: scim.MembersRemove, Members: []scim.Member{{Value: id}}}}
	for wait := range s.pace.attempts() {
		if g.Spec.ManagedBy == v1alpha1.ManagedByGit {
			return nil
		}
		changed, err := inline{}.change(g, remove)
		if err != nil || !changed {
			return err
		}
		if err = s.api.Update(ctx, g); !lost(err) {
			return err
		}
		if err := wait(ctx); err != nil {
			return err
		}
		if err := s.api.Get(ctx, client.ObjectKeyFromObject(g), g); err != nil {
			return client.IgnoreNotFound(err)
		}
	}
	return errContention
}
