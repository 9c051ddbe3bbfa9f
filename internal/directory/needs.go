// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/resource"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// needs are the attributes that the filter and the order of a query read, so that nothing else is worked out for the resources that are looked at.
type needs struct {
	names []string
	// whole says that a part of the resource is not enough: schemas and the version follow from all of it.
	whole bool
	// id, active, groups, and the two of meta are read.
	id, active, groups, created, modified bool
	users                                 *resource.UserSelection
	// members are the ids of the members that matter, if few says that no others do.
	members []string
	few     bool
}

func needsOf(q Query) needs {
	var n needs
	var paths []string
	if q.Filter != nil {
		n.names, paths = q.Filter.Attributes(), q.Filter.Paths()
		n.members, n.few = q.Filter.MemberIDs()
	}
	if q.Sort != nil {
		n.few = n.few && q.Sort.Attribute() != "members"
		n.names, paths = append(n.names, q.Sort.Attribute()), append(paths, q.Sort.Path())
	}
	for _, p := range paths {
		n.whole = n.whole || p == "schemas" || p == "meta" || p == "meta.version"
	}
	n.id, n.active, n.groups = n.has("id"), n.has("active"), n.has("groups")
	n.created, n.modified = slices.Contains(paths, "meta.created"), slices.Contains(paths, "meta.lastModified")
	n.users = resource.SelectUser(n.names)
	return n
}

func (n *needs) has(attribute string) bool { return slices.Contains(n.names, attribute) }

// part gives what is needed of a user.
func (t userResources) part(ctx context.Context, obj client.Object, n *needs) (*scim.Resource, error) {
	if n.whole {
		return t.resource(ctx, obj, n.has)
	}
	u := obj.(*v1alpha1.ScimUser)
	r := n.users.Resource(u, t.d.scope.Client)
	if n.id {
		r.Set("id", u.SCIMID())
	}
	if n.active {
		// An absent active is true.
		r.Set("active", u.ActiveInSCIM())
	}
	if n.has("meta") {
		r.Set("meta", n.meta(u, scim.UserType))
	}
	if n.groups {
		groups, err := t.d.groupsOf(ctx, u)
		if err != nil {
			return nil, err
		}
		r.Set("groups", groups)
	}
	return r, nil
}

// part gives what is needed of a group.
func (t groupResources) part(ctx context.Context, obj client.Object, n *needs) (*scim.Resource, error) {
	if n.whole || n.has("members") && !n.few {
		return t.resource(ctx, obj, n.has)
	}
	r := t.content(obj)
	if n.has("members") {
		members, err := t.membersAmong(ctx, obj, n.members)
		if err != nil {
			return nil, err
		}
		r.SetMembers(members)
	}
	if n.has("meta") {
		r.Set("meta", n.meta(obj, scim.GroupType))
	}
	return r, nil
}

// meta is without the version, and without dates that are not read: to write and to parse them costs more than all else.
func (n *needs) meta(obj client.Object, rt *scim.ResourceType) *scim.Object {
	meta := scim.NewObject(3)
	meta.Append("resourceType", rt.Name)
	if n.created {
		meta.Append("created", obj.GetCreationTimestamp().UTC().Format(timeFormat))
	}
	if n.modified {
		meta.Append("lastModified", Modified(obj).Format(timeFormat))
	}
	return meta
}
