// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/resource"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// groupResources is the Groups endpoint.
type groupResources struct {
	d *Directory
	a *arbiter
}

func (groupResources) scim() *scim.ResourceType { return scim.GroupType }
func (groupResources) word() string             { return word(scim.GroupType) }
func (t groupResources) arbiter() *arbiter      { return t.a }

func (groupResources) owner(obj client.Object) (*string, v1alpha1.ManagedBy) {
	spec := &obj.(*v1alpha1.ScimGroup).Spec
	return &spec.Client, spec.ManagedBy
}

func (t groupResources) create(ctx context.Context, r *scim.Resource) (client.Object, error) {
	g := &v1alpha1.ScimGroup{}
	g.Namespace = t.d.scope.Namespace
	if err := resource.ApplyGroupAttributes(&g.Spec, r.Map(), t.d.scope.Client); err != nil {
		return nil, err
	}
	if err := t.d.sign(t, g); err != nil {
		return nil, err
	}
	labelGroup(g)
	created, err := t.d.store.createGroup(ctx, t.a, g, replaceMembers(r))
	if err != nil {
		return nil, err
	}
	return created, nil
}

func (t groupResources) replaced(ctx context.Context, obj client.Object, r *scim.Resource) (draft, error) {
	attributes := r.Clone()
	attributes.Delete("members")
	result, changed, err := scim.Replace(t.content(obj), attributes)
	if err != nil {
		return draft{}, err
	}
	return t.applied(ctx, obj, result, changed, replaceMembers(r))
}

func (t groupResources) patched(ctx context.Context, obj client.Object, p *scim.Patch) (draft, error) {
	attributes, members := scim.SplitGroupPatch(p)
	result, changed, err := scim.ApplyPatch(t.content(obj), attributes, t.d.options())
	if err != nil {
		return draft{}, err
	}
	return t.applied(ctx, obj, result, changed, members)
}

func (t groupResources) applied(
	ctx context.Context, obj client.Object, r *scim.Resource, changed bool, members []scim.MemberOp,
) (draft, error) {
	g := obj.(*v1alpha1.ScimGroup)
	next := g.DeepCopy()
	if changed {
		if err := resource.ApplyGroupAttributes(&next.Spec, r.Map(), t.d.scope.Client); err != nil {
			return draft{}, err
		}
		labelGroup(next)
		changed = !specs.DeepEqual(g.Spec, next.Spec)
	}
	slices, changedMembers, err := t.d.store.changeMembers(ctx, next, members)
	if err != nil || !changed && !changedMembers {
		return draft{}, err
	}
	return draft{obj: next, slices: slices}, nil
}

// content is what a client wrote, without the members, and the id.
func (t groupResources) content(obj client.Object) *scim.Resource {
	g := obj.(*v1alpha1.ScimGroup)
	r := scim.ResourceFromMap(scim.GroupType, resource.GroupAttributes(g, t.d.scope.Client))
	r.Set("id", g.SCIMID())
	return r
}

func (t groupResources) version(obj client.Object) string {
	return scim.ETagWithMembers(t.content(obj), digest(obj.(*v1alpha1.ScimGroup)))
}

// resource reads the group again where it was changed while its members were read.
func (t groupResources) resource(ctx context.Context, obj client.Object, show func(string) bool) (*scim.Resource, error) {
	if !show("members") {
		return t.shown(obj.(*v1alpha1.ScimGroup), show, nil), nil
	}
	var r *scim.Resource
	err := t.current(ctx, obj.(*v1alpha1.ScimGroup), func(g *v1alpha1.ScimGroup) error {
		members, err := t.d.store.members(ctx, g)
		r = t.shown(g, show, members)
		return err
	})
	return r, err
}

// current reads something of a group, and the group again where a slice is gone that it names: it has been changed since.
func (t groupResources) current(ctx context.Context, g *v1alpha1.ScimGroup, read func(*v1alpha1.ScimGroup) error) error {
	for wait := range t.a.pace.patience() {
		err := read(g)
		if !errors.Is(err, errStale) {
			return err
		}
		if wait != nil {
			if err := wait(ctx); err != nil {
				return err
			}
		}
		obj, err := t.d.find(ctx, t, g.SCIMID())
		if err != nil {
			return err
		}
		g = obj.(*v1alpha1.ScimGroup)
	}
	return errIncomplete
}

// membersAmong gives those of the ids that are members.
func (t groupResources) membersAmong(ctx context.Context, obj client.Object, ids []string) ([]scim.Member, error) {
	var members []scim.Member
	err := t.current(ctx, obj.(*v1alpha1.ScimGroup), func(g *v1alpha1.ScimGroup) (err error) {
		members, err = t.d.store.among(ctx, g, ids)
		return err
	})
	return members, err
}

// having gives the groups that have the id as a member, and all groups that this replica has written since.
func (t groupResources) having(ctx context.Context, id string) ([]client.Object, error) {
	recent := t.d.view(ctx, t).recent()
	groups, err := t.d.store.groupsOf(ctx, t.d.scope.Namespace, id)
	if err != nil {
		return nil, err
	}
	found := make([]client.Object, len(groups))
	for i, g := range groups {
		found[i] = g
	}
	return recent.over(found), nil
}

func (t groupResources) shown(g *v1alpha1.ScimGroup, show func(string) bool, members []scim.Member) *scim.Resource {
	r := t.content(g)
	if show("meta") {
		describe(r, g, scim.ETagWithMembers(r, digest(g)))
	}
	if len(members) > 0 {
		r.SetMembers(members)
	}
	return r
}
