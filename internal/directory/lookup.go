// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// part is what a query goes through of one type: rows, in order, among them all that its filter selects.
type part struct {
	t    resourceType
	rows interface {
		window(after *rowKey, skip, n int) (objects []client.Object, left int)
	}
	// found says that an index or the API server has found the rows: they are few.
	found bool
}

// part takes what is surest of the filter: one equality that an index serves is enough, whatever else it asks for.
func (d *Directory) part(ctx context.Context, t resourceType, f *scim.Filter) (part, error) {
	if excludes(f, t.scim()) {
		return part{t: t, rows: &ordered{}, found: true}, nil
	}
	objects, found, err := t.lookUp(ctx, f)
	if err != nil {
		return part{}, err
	}
	if found {
		rows := &ordered{}
		for _, obj := range objects {
			rows.put(obj)
		}
		return part{t: t, rows: rows, found: true}, nil
	}
	return part{t: t, rows: d.view(ctx, t)}, nil
}

// excludes is whether no resource of the type can satisfy the filter, which is about other types, too.
func excludes(f *scim.Filter, rt *scim.ResourceType) bool {
	if f == nil {
		return false
	}
	for _, e := range f.Equalities() {
		if e.Attribute == "meta.resourceType" && e.Value != rt.Name || e.Value != "" && !rt.Has(e.Attribute) {
			return true
		}
	}
	return false
}

// view gives all objects of the type.
func (d *Directory) view(ctx context.Context, t resourceType) *view {
	v := d.store.views.of(t.arbiter().empty(), d.scope.Namespace)
	v.verify(ctx, d.store.api)
	d.catchUp(ctx, v)
	return v
}

// asks gives the value that a filter asks of an attribute.
func asks(f *scim.Filter, attribute string) (string, bool) {
	if f == nil {
		return "", false
	}
	for _, e := range f.Equalities() {
		if e.Attribute == attribute {
			return e.Value, true
		}
	}
	return "", false
}

func (t userResources) lookUp(ctx context.Context, f *scim.Filter) (objects []client.Object, found bool, err error) {
	if id, ok := asks(f, "id"); ok {
		objects, err = t.d.byID(ctx, t, id)
		return objects, true, err
	}
	if name, ok := asks(f, "userName"); ok {
		holder, err := t.a.holder(ctx, userSlot(name))
		if err != nil || holder == nil {
			return nil, true, err
		}
		return []client.Object{holder}, true, nil
	}
	if id, ok := asks(f, "externalId"); ok {
		objects, err = t.d.indexed(ctx, t, &v1alpha1.ScimUserList{}, IndexExternalID, ExternalIDKey(t.d.scope.Client, id))
		return objects, true, err
	}
	if email, ok := asks(f, "emails.value"); ok {
		objects, err = t.d.indexed(ctx, t, &v1alpha1.ScimUserList{}, IndexEmail, EmailKey(email))
		return objects, true, err
	}
	return nil, false, nil
}

func (t groupResources) lookUp(ctx context.Context, f *scim.Filter) (objects []client.Object, found bool, err error) {
	if id, ok := asks(f, "id"); ok {
		objects, err = t.d.byID(ctx, t, id)
		return objects, true, err
	}
	if name, ok := asks(f, "displayName"); ok {
		groups, err := listByDisplayName(ctx, t.a.api, t.d.scope.Namespace, name)
		for _, g := range groups {
			objects = append(objects, g)
		}
		return objects, true, err
	}
	if id, ok := asks(f, "externalId"); ok {
		objects, err = t.d.indexed(ctx, t, &v1alpha1.ScimGroupList{}, IndexExternalID, ExternalIDKey(t.d.scope.Client, id))
		return objects, true, err
	}
	if id, ok := asks(f, "members.value"); ok {
		objects, err = t.having(ctx, id)
		return objects, true, err
	}
	return nil, false, nil
}

func (d *Directory) byID(ctx context.Context, t resourceType, id string) ([]client.Object, error) {
	obj, err := d.find(ctx, t, id)
	var e *scim.Error
	if errors.As(err, &e) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []client.Object{obj}, nil
}

// indexed lists what an index of the cache finds, and all that this replica has written since: what of that the filter selects, its evaluation tells. The objects are
// shared with the cache: read only.
func (d *Directory) indexed(ctx context.Context, t resourceType, list client.ObjectList, index, value string) ([]client.Object, error) {
	// The view comes first: what it no longer takes for a recent write, the cache has by then.
	recent := d.view(ctx, t).recent()
	err := d.store.opts.Cache.List(ctx, list, client.InNamespace(d.scope.Namespace), client.MatchingFields{index: value}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, err
	}
	var found []client.Object
	err = meta.EachListItem(list, func(item runtime.Object) error {
		found = append(found, item.(client.Object))
		return nil
	})
	return recent.over(found), err
}
