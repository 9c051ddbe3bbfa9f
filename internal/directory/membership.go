// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/resource"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// maxTargets is up to how many members are looked up one by one. For more it is quicker to go through all of the group's.
const maxTargets = 2000

// replaceMembers is what a PUT or POST does to the members. A resource without members clears them.
func replaceMembers(r *scim.Resource) []scim.MemberOp {
	return []scim.MemberOp{{Kind: scim.MembersReplace, Members: r.Members()}}
}

// members gives the members of a group. errStale if the group is not what it was; errIncomplete if slices are missing.
func (s *Store) members(ctx context.Context, g *v1alpha1.ScimGroup) ([]scim.Member, error) {
	parts, err := s.parts(ctx, g)
	if err != nil {
		return nil, err
	}
	list := make([]scim.Member, 0, parts.Len())
	for m := range parts.All() {
		list = append(list, scim.Member{Value: m.Value, Type: string(m.Type)})
	}
	return list, nil
}

// parts gives the members as newLayout has its pieces.
func (s *Store) parts(ctx context.Context, g *v1alpha1.ScimGroup) (membership.Members, error) {
	if len(g.Spec.Slices) == 0 {
		return slices.Collect(slices.Chunk(g.Spec.Members, s.sizes.slice)), nil
	}
	parts := make(membership.Members, len(g.Spec.Slices))
	for i, ref := range g.Spec.Slices {
		var err error
		if parts[i], err = s.loadSlice(ctx, g, ref); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// digest is for the ETag.
func digest(g *v1alpha1.ScimGroup) scim.MemberDigest {
	var d scim.MemberDigest
	if b, err := hex.DecodeString(g.Spec.MembersDigest); err == nil && len(b) == 8*len(d) {
		for i := range d {
			d[i] = binary.BigEndian.Uint64(b[8*i:])
		}
	}
	for _, m := range g.Spec.Members {
		d.Add(m.Value)
	}
	return d
}

func hexDigest(d scim.MemberDigest) string {
	b := make([]byte, 0, 8*len(d))
	for _, word := range d {
		b = binary.BigEndian.AppendUint64(b, word)
	}
	return hex.EncodeToString(b)
}

// changeMembers applies operations to the group in memory, and gives the slices that have to be written before it. changed is whether the members are others
// afterwards.
func (s *Store) changeMembers(ctx context.Context, g *v1alpha1.ScimGroup, ops []scim.MemberOp) (written []*v1alpha1.ScimGroupSlice, changed bool, err error) {
	if len(ops) == 0 {
		return nil, false, nil
	}
	delta, at, err := s.delta(ctx, g, ops)
	if net, ok := scim.NetMemberOps(ops); errors.Is(err, errIncomplete) && ok && net.All {
		// Whom a missing slice had does not matter for one who says anew who is in the group.
		g.Spec.Slices, g.Spec.MembersDigest = nil, ""
		delta, err = scim.MembershipDelta{All: true, Add: net.Add}, nil
	}
	if err != nil || delta.Empty() {
		return nil, false, err
	}
	if g.Spec.MemberCount()+len(delta.Add)-len(delta.Remove) > v1alpha1.MaxMembers {
		return nil, false, scim.NewError(http.StatusRequestEntityTooLarge, "members: a group holds at most %d members", v1alpha1.MaxMembers)
	}
	added := make([]v1alpha1.GroupMember, len(delta.Add))
	for i, m := range delta.Add {
		if added[i], err = resource.Member(m); err != nil {
			return nil, false, err
		}
	}
	next := digest(g)
	for _, m := range delta.Add {
		next.Add(m.Value)
	}
	for _, id := range delta.Remove {
		next.Remove(id)
	}
	l, err := s.arrange(ctx, g, delta.Remove, at, added)
	if err != nil {
		return nil, false, err
	}
	written, err = s.place(g, l, next)
	return written, err == nil, err
}

// delta works out what operations really add and remove, and in which slices those are that they remove.
func (s *Store) delta(ctx context.Context, g *v1alpha1.ScimGroup, ops []scim.MemberOp) (scim.MembershipDelta, places, error) {
	if len(g.Spec.Slices) > 0 {
		net, ok := scim.NetMemberOps(ops)
		if ok && !net.All && len(net.Add)+len(net.Remove) <= maxTargets {
			return s.effective(ctx, g, net)
		}
	}
	parts, err := s.parts(ctx, g)
	if err != nil {
		return scim.MembershipDelta{}, nil, err
	}
	current := make([]scim.Member, 0, parts.Len())
	for m := range parts.All() {
		current = append(current, scim.Member{Value: m.Value, Type: string(m.Type)})
	}
	_, delta := scim.ApplyMemberOps(current, ops)
	at := make(places, len(delta.Remove))
	for _, id := range delta.Remove {
		at[id] = 0
	}
	for i, part := range parts {
		for _, m := range part {
			if _, gone := at[m.Value]; gone {
				at[m.Value] = i
			}
		}
	}
	return delta, at, nil
}

// among gives those of the ids that are members.
func (s *Store) among(ctx context.Context, g *v1alpha1.ScimGroup, ids []string) ([]scim.Member, error) {
	parts := membership.Members{g.Spec.Members}
	if len(g.Spec.Slices) > 0 {
		at, err := s.find(ctx, g, ids)
		if err != nil {
			return nil, err
		}
		parts = nil
		for i := range distinct(at) {
			part, err := s.loadSlice(ctx, g, g.Spec.Slices[i])
			if err != nil {
				return nil, err
			}
			parts = append(parts, part)
		}
	}
	var members []scim.Member
	for m := range parts.All() {
		if slices.Contains(ids, m.Value) {
			members = append(members, scim.Member{Value: m.Value, Type: string(m.Type)})
		}
	}
	return members, nil
}

// effective is what is left of a delta for a group: without members to add that are there, and to remove that are not.
func (s *Store) effective(ctx context.Context, g *v1alpha1.ScimGroup, net scim.MembershipDelta) (scim.MembershipDelta, places, error) {
	ids := make([]string, 0, len(net.Add)+len(net.Remove))
	for _, m := range net.Add {
		ids = append(ids, m.Value)
	}
	ids = append(ids, net.Remove...)
	at, err := s.find(ctx, g, ids)
	if err != nil {
		return scim.MembershipDelta{}, nil, err
	}
	var delta scim.MembershipDelta
	for _, m := range net.Add {
		if _, there := at[m.Value]; !there {
			delta.Add = append(delta.Add, m)
		}
	}
	for _, id := range net.Remove {
		if _, there := at[id]; there {
			delta.Remove = append(delta.Remove, id)
		}
	}
	return delta, at, nil
}

// arrange changes the layout of a group's members.
func (s *Store) arrange(
	ctx context.Context, g *v1alpha1.ScimGroup, removed []string, at places, added []v1alpha1.GroupMember,
) (*layout, error) {
	l := newLayout(&g.Spec, s.sizes.slice, func(ref v1alpha1.GroupSlice) ([]v1alpha1.GroupMember, error) { return s.loadSlice(ctx, g, ref) })
	gone := map[int]map[string]bool{}
	for _, id := range removed {
		if gone[at[id]] == nil {
			gone[at[id]] = map[string]bool{}
		}
		gone[at[id]][id] = true
	}
	for i, ids := range gone {
		if err := l.remove(i, ids); err != nil {
			return nil, err
		}
	}
	if err := l.add(added); err != nil {
		return nil, err
	}
	return l, l.merge()
}

// place puts the members into the group, or names for their slices.
func (s *Store) place(g *v1alpha1.ScimGroup, l *layout, d scim.MemberDigest) ([]*v1alpha1.ScimGroupSlice, error) {
	limit := s.sizes.inline
	if len(g.Spec.Slices) > 0 {
		limit /= 2
	}
	if l.count() <= limit {
		members, err := l.all()
		if err != nil {
			return nil, err
		}
		if fitsInline(members) {
			g.Spec.Members, g.Spec.Slices, g.Spec.MembersDigest = members, nil, ""
			return nil, nil
		}
	}
	refs := make([]v1alpha1.GroupSlice, len(l.pieces))
	var written []*v1alpha1.ScimGroupSlice
	for i := range l.pieces {
		p := &l.pieces[i]
		refs[i] = p.kept
		if !p.fresh() {
			continue
		}
		name, err := randomText(s.opts.Random, sliceNameSize)
		if err != nil {
			return nil, err
		}
		slice := &v1alpha1.ScimGroupSlice{Spec: v1alpha1.ScimGroupSliceSpec{Group: g.Name, Members: p.members}}
		slice.Namespace, slice.Name = g.Namespace, "s-"+name
		refs[i] = v1alpha1.GroupSlice{Name: slice.Name, Count: int32(p.count)}
		written = append(written, slice)
	}
	g.Spec.Members, g.Spec.Slices, g.Spec.MembersDigest = nil, refs, hexDigest(d)
	return written, nil
}

// RemoveMember takes a member out of a group that Git does not manage, whoever owns it. Nothing happens where it is none.
func (s *Store) RemoveMember(ctx context.Context, namespace, group, id string) error {
	a := s.groups(namespace, func(string) bool { return false })
	var pending []*v1alpha1.ScimGroupSlice
	for wait := range a.pace.attempts() {
		obj, err := a.get(ctx, group)
		if err != nil {
			return fmt.Errorf("reading a group that a member leaves: %w", err)
		}
		if obj == nil || obj.GetDeletionTimestamp() != nil || obj.(*v1alpha1.ScimGroup).Spec.ManagedBy == v1alpha1.ManagedByGit {
			return nil
		}
		current := obj.(*v1alpha1.ScimGroup)
		s.dropSlices(ctx, current, pending)
		next := current.DeepCopy()
		removal := []scim.MemberOp{{Kind: scim.MembersRemove, Members: []scim.Member{{Value: id}}}}
		written, changed, err := s.changeMembers(ctx, next, removal)
		if err == nil && !changed {
			return nil
		}
		if pending = written; err == nil {
			err = s.writeSlices(ctx, written)
		}
		if err == nil {
			err = s.api.Update(ctx, next)
		}
		if err == nil {
			s.views.wrote(next)
			return nil
		}
		if !lost(err) {
			return fmt.Errorf("taking a member out of a group: %w", err)
		}
		if err := wait(ctx); err != nil {
			return err
		}
	}
	return errContention
}

// groupsOf gives the groups that have the id as a direct member, as the cache has them. A group in it may be older than the slices; then it is waited for a little.
func (s *Store) groupsOf(ctx context.Context, namespace, id string) ([]*v1alpha1.ScimGroup, error) {
	for wait := range s.pace.patience() {
		groups, err := s.memberships.GroupsOf(ctx, namespace, id)
		if !errors.Is(err, membership.ErrIncomplete) {
			return groups, err
		}
		if wait == nil {
			break
		}
		if err := wait(ctx); err != nil {
			return nil, err
		}
	}
	return nil, errIncomplete
}

// groupsOf gives the groups of a user (RFC 7643 4.1.2): direct ones, and indirect ones through groups that are members of groups.
func (d *Directory) groupsOf(ctx context.Context, u *v1alpha1.ScimUser) ([]map[string]any, error) {
	var groups []map[string]any
	seen := map[string]bool{}
	kind := "direct"
	for level := []string{u.SCIMID()}; len(level) > 0; kind = "indirect" {
		var next []string
		for _, id := range level {
			found, err := d.store.groupsOf(ctx, u.Namespace, id)
			if err != nil {
				return nil, err
			}
			for _, g := range found {
				if !g.Admitted() || g.DeletionTimestamp != nil || seen[g.SCIMID()] {
					continue
				}
				seen[g.SCIMID()] = true
				next = append(next, g.SCIMID())
				groups = append(groups, map[string]any{"value": g.SCIMID(), "display": g.Spec.DisplayName, "type": kind})
			}
		}
		level = next
	}
	return groups, nil
}
