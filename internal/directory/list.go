// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// CursorLife is how long a cursor can be used.
const CursorLife = time.Hour

// StoredTypes are the resource types that identity providers write, in the order in which a query goes through them. It must not be changed.
var StoredTypes = []*scim.ResourceType{scim.UserType, scim.GroupType}

// List gives a page of the resources of the type that the query selects, or of the query's types, one after the other, where it is nil (RFC 7644 3.4.2.1).
//
// A filter that asks for one id, userName or displayName is answered by the API server. All else comes from the cache and what this replica has written since. Without
// filter and sort, a page costs the same wherever it is, and however many resources there are.
func (d *Directory) List(ctx context.Context, rt *scim.ResourceType, q Query) (*scim.ListResponse[*scim.Resource], error) {
	if rt != nil && rt.InCatalogue() {
		return d.listOffered(ctx, rt, q)
	}
	types := q.Types
	switch {
	case rt != nil:
		types = []*scim.ResourceType{rt}
	case len(types) == 0:
		types = StoredTypes
	}
	w, err := d.walk(ctx, types, q)
	if err != nil {
		return nil, answer(types[0], err)
	}
	s, err := w.step(ctx)
	if err != nil {
		return nil, answer(types[0], err)
	}
	return w.page(ctx, s)
}

// walk finds out what the query goes through, and where it begins.
func (d *Directory) walk(ctx context.Context, types []*scim.ResourceType, q Query) (*walk, error) {
	if err := d.store.views.wait(ctx); err != nil {
		return nil, err
	}
	w := &walk{d: d, q: q, needs: needsOf(q)}
	names := []string{d.scope.Namespace, d.scope.Client, "", ""}
	if q.Filter != nil {
		names[2] = q.Filter.String()
	}
	if q.Sort != nil {
		names[3] = q.Sort.String()
	}
	for _, rt := range types {
		names = append(names, rt.Name)
		p, err := d.part(ctx, d.of(rt), q.Filter)
		if err != nil {
			return nil, err
		}
		w.parts = append(w.parts, p)
	}
	var err error
	if w.query, err = json.Marshal(names); err != nil {
		return nil, err
	}
	return w, w.begin()
}

// begin finds where the page begins: after a row, or at an index.
func (w *walk) begin() error {
	switch {
	case w.q.Cursor != nil && *w.q.Cursor == "":
	case w.q.Cursor != nil:
		sealed, err := w.d.store.opts.Cursors.Open(*w.q.Cursor, w.query, w.d.store.opts.Clock.Now())
		if err != nil {
			return err
		}
		w.from = &position{}
		if err := json.Unmarshal(sealed, w.from); err != nil {
			return scim.InvalidCursor("the cursor was made by another release: begin again with an empty cursor")
		}
		w.served = w.from.Served
	case w.q.Page.StartIndex > 1:
		w.served = w.q.Page.StartIndex - 1
		if w.from = w.d.store.bookmarks.get(w.query, w.q.Page.StartIndex); w.from == nil {
			w.skip = w.served
		}
	}
	return nil
}

// page shows the rows, and remembers or tells where the next page begins.
func (w *walk) page(ctx context.Context, s *step) (*scim.ListResponse[*scim.Resource], error) {
	page := &scim.ListResponse[*scim.Resource]{TotalResults: -1}
	if s.counted {
		page.TotalResults = w.served - w.skip + s.left
	}
	if w.q.Cursor == nil {
		page.StartIndex = w.q.Page.StartIndex
	}
	if s.next != nil {
		s.next.Served = w.served + len(s.rows)
		if err := w.goOn(page, *s.next); err != nil {
			return nil, err
		}
	}
	for _, f := range s.rows {
		t := w.parts[f.part].t
		r, err := w.d.show(ctx, t, f.obj)
		var gone *scim.Error
		if errors.As(err, &gone) && gone.Status == http.StatusNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		page.Resources = append(page.Resources, r)
	}
	return page, nil
}

func (w *walk) goOn(page *scim.ListResponse[*scim.Resource], next position) error {
	if w.q.Cursor == nil {
		w.d.store.bookmarks.put(w.query, next.Served+1, next)
		return nil
	}
	at, err := json.Marshal(next)
	if err != nil {
		return err
	}
	page.NextCursor = w.d.store.opts.Cursors.Seal(w.query, at, w.d.store.opts.Clock.Now().Add(CursorLife))
	return nil
}
