// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// List gives a page of the resources that the query selects. Filters that ask for one id, userName or displayName are answered by the API server, all
// others from the cache.
func (d *Directory) List(ctx context.Context, rt *scim.ResourceType, q Query) (*scim.ListResponse[*scim.Resource], error) {
	if rt.InCatalogue() {
		return d.listOffered(ctx, rt, q)
	}
	t := d.of(rt)
	objects, err := t.candidates(ctx, q.Filter)
	if err != nil {
		return nil, answer(rt, err)
	}
	if objects, err = d.matching(ctx, t, objects, q.Filter); err != nil {
		return nil, answer(rt, err)
	}
	slices.SortFunc(objects, byCreation)
	from, to := q.Page.Window(len(objects))
	page := &scim.ListResponse[*scim.Resource]{TotalResults: len(objects), StartIndex: q.Page.StartIndex}
	for _, obj := range objects[from:to] {
		r, err := d.show(ctx, t, obj)
		if err != nil {
			return nil, err
		}
		page.Resources = append(page.Resources, r)
	}
	return page, nil
}

// byCreation puts new resources last, so that pages already read stay as they are.
func byCreation(a, b client.Object) int {
	x, y := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if c := x.Time.Compare(y.Time); c != 0 {
		return c
	}
	return cmp.Compare(a.GetName(), b.GetName())
}

func (d *Directory) matching(ctx context.Context, t resourceType, objects []client.Object, f *scim.Filter) ([]client.Object, error) {
	if f == nil {
		return objects, nil
	}
	attributes := f.Attributes()
	needs := func(attribute string) bool { return slices.Contains(attributes, attribute) }
	var matches []client.Object
	for _, obj := range objects {
		r, err := t.resource(ctx, obj, needs)
		if err != nil {
			return nil, err
		}
		if f.Match(r) {
			matches = append(matches, obj)
		}
	}
	return matches, nil
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

func (t userResources) candidates(ctx context.Context, f *scim.Filter) ([]client.Object, error) {
	if id, ok := asks(f, "id"); ok {
		return t.d.byID(ctx, t, id)
	}
	if name, ok := asks(f, "userName"); ok {
		holder, err := t.a.holder(ctx, userSlot(name))
		if err != nil || holder == nil {
			return nil, err
		}
		return []client.Object{holder}, nil
	}
	list := &v1alpha1.ScimUserList{}
	if id, ok := asks(f, "externalId"); ok {
		return t.d.cached(ctx, t, list, client.MatchingFields{IndexExternalID: ExternalIDKey(t.d.scope.Client, id)})
	}
	if email, ok := asks(f, "emails.value"); ok {
		return t.d.cached(ctx, t, list, client.MatchingFields{IndexEmail: scim.Fold(email)})
	}
	return t.d.cached(ctx, t, list)
}

func (t groupResources) candidates(ctx context.Context, f *scim.Filter) ([]client.Object, error) {
	if id, ok := asks(f, "id"); ok {
		return t.d.byID(ctx, t, id)
	}
	if name, ok := asks(f, "displayName"); ok {
		groups, err := listByDisplayName(ctx, t.a.api, t.d.scope.Namespace, name)
		objects := make([]client.Object, len(groups))
		for i, g := range groups {
			objects[i] = g
		}
		return objects, err
	}
	list := &v1alpha1.ScimGroupList{}
	if id, ok := asks(f, "externalId"); ok {
		return t.d.cached(ctx, t, list, client.MatchingFields{IndexExternalID: ExternalIDKey(t.d.scope.Client, id)})
	}
	if id, ok := asks(f, "members.value"); ok {
		return t.d.cached(ctx, t, list, client.MatchingFields{IndexMember: id})
	}
	return t.d.cached(ctx, t, list)
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

// cached lists live objects from the cache, and what this replica has written since. They are shared with the cache: read only.
func (d *Directory) cached(ctx context.Context, t resourceType, list client.ObjectList, opts ...client.ListOption) ([]client.Object, error) {
	a := t.arbiter()
	over, err := d.store.recent.over(ctx, d.store.opts.Cache, d.store.api, a.empty(), d.scope.Namespace)
	if err != nil {
		return nil, err
	}
	opts = append(opts, client.InNamespace(d.scope.Namespace), client.UnsafeDisableDeepCopy)
	if err := d.store.opts.Cache.List(ctx, list, opts...); err != nil {
		return nil, err
	}
	var objects []client.Object
	add := func(obj client.Object) {
		if obj != nil && a.live(obj) {
			objects = append(objects, obj)
		}
	}
	err = meta.EachListItem(list, func(item runtime.Object) error {
		obj := item.(client.Object)
		if _, newer := over[obj.GetName()]; !newer {
			add(obj)
		}
		return nil
	})
	for _, obj := range over {
		add(obj)
	}
	return objects, err
}
