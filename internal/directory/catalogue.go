// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

// +kubebuilder:rbac:groups=scim-operator.io,resources=scimapps,verbs=list;watch

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/catalogue"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// offered gives the roles or entitlements that the directory's apps offer, sorted by id, from the cache. They are few: an app has 256 roles at most.
func (d *Directory) offered(ctx context.Context, rt *scim.ResourceType) ([]*scim.Resource, error) {
	var apps v1alpha1.ScimAppList
	if err := d.store.opts.Cache.List(ctx, &apps, client.InNamespace(d.scope.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, answer(rt, err)
	}
	return catalogue.Resources(rt, apps.Items), nil
}

// getOffered gives the role or entitlement with an id.
func (d *Directory) getOffered(ctx context.Context, rt *scim.ResourceType, id string) (*scim.Resource, error) {
	rows, err := d.offered(ctx, rt)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.ID() == id {
			return row, nil
		}
	}
	return nil, notFound(rt)
}

// row is a role or entitlement in its place in the order of a query.
type row struct {
	resource *scim.Resource
	key      scim.SortKey
}

// place is where a page by cursor ended. The row itself may be gone when the next one is asked for.
type place struct {
	Key scim.SortKey `json:"key"`
	ID  string       `json:"id"`
}

// listOffered gives a page of the roles or entitlements that the query selects. Their order, where none is asked for, is by id.
func (d *Directory) listOffered(ctx context.Context, rt *scim.ResourceType, q Query) (*scim.ListResponse[*scim.Resource], error) {
	resources, err := d.offered(ctx, rt)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, r := range resources {
		if q.Filter != nil && !q.Filter.Match(r) {
			continue
		}
		next := row{resource: r}
		if q.Sort != nil {
			next.key = q.Sort.Key(r)
		}
		rows = append(rows, next)
	}
	order := func(key scim.SortKey, id string, b row) int {
		if q.Sort != nil {
			if c := q.Sort.Compare(key, b.key); c != 0 {
				return c
			}
		}
		return cmp.Compare(id, b.resource.ID())
	}
	slices.SortFunc(rows, func(a, b row) int { return order(a.key, a.resource.ID(), b) })
	if q.Cursor != nil {
		return d.offeredByCursor(rt, q, rows, order)
	}
	from, to := q.Page.Window(len(rows))
	page := &scim.ListResponse[*scim.Resource]{TotalResults: len(rows), StartIndex: q.Page.StartIndex}
	page.Resources = resourcesOf(rows[from:to])
	return page, nil
}

// offeredByCursor gives the page after the place in the cursor.
func (d *Directory) offeredByCursor(
	rt *scim.ResourceType, q Query, rows []row, order func(scim.SortKey, string, row) int,
) (*scim.ListResponse[*scim.Resource], error) {
	bound := d.boundTo(rt, q)
	from := 0
	if *q.Cursor != "" {
		sealed, err := d.store.opts.Cursors.Open(*q.Cursor, bound, d.store.opts.Clock.Now())
		if err != nil {
			return nil, err
		}
		var last place
		if err := json.Unmarshal(sealed, &last); err != nil {
			return nil, scim.InvalidCursor("the cursor cannot be read")
		}
		from = len(rows)
		if i := slices.IndexFunc(rows, func(r row) bool { return order(last.Key, last.ID, r) < 0 }); i >= 0 {
			from = i
		}
	}
	to := min(from+q.Page.Count, len(rows))
	page := &scim.ListResponse[*scim.Resource]{TotalResults: len(rows), Resources: resourcesOf(rows[from:to])}
	if to < len(rows) && to > from {
		last := rows[to-1]
		position, err := json.Marshal(place{Key: last.key, ID: last.resource.ID()})
		if err != nil {
			return nil, err
		}
		page.NextCursor = d.store.opts.Cursors.Seal(bound, position, d.store.opts.Clock.Now().Add(CursorLife))
	}
	return page, nil
}

// boundTo is what a cursor has to come back with.
func (d *Directory) boundTo(rt *scim.ResourceType, q Query) []byte {
	parts := []string{"catalogue", d.scope.Namespace, d.scope.Client, rt.Name, "", ""}
	if q.Filter != nil {
		parts[4] = q.Filter.String()
	}
	if q.Sort != nil {
		parts[5] = q.Sort.String()
	}
	// Strings always marshal.
	bound, _ := json.Marshal(parts)
	return bound
}

func resourcesOf(rows []row) []*scim.Resource {
	resources := make([]*scim.Resource, len(rows))
	for i, r := range rows {
		resources[i] = r.resource
	}
	return resources
}
