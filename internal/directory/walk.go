// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"cmp"
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// A walk goes through the rows of a query, a page at a time.
type walk struct {
	d     *Directory
	q     Query
	needs needs
	// query is what tells this walk from others.
	query []byte
	parts []part

	// from is the last row that was passed; nil at the beginning.
	from *position
	// skip is how many rows are passed without being shown, to come to an index that no bookmark knows.
	skip int
	// served is how many rows come before the page.
	served int
}

// A step is the next page of a walk.
type step struct {
	rows []match
	// left counts the rows from where the step began, if counted.
	left    int
	counted bool
	// next is where the following step begins; nil after the last row.
	next *position
}

type match struct {
	part int
	obj  client.Object
	key  scim.SortKey
}

// batch is how many rows are looked at under one lock.
const batch = 256

// step goes to the end of the page.
func (w *walk) step(ctx context.Context) (*step, error) {
	switch {
	case w.q.Sort != nil:
		return w.sorted(ctx)
	case w.q.Filter != nil:
		return w.filtered(ctx)
	}
	return w.plain(), nil
}

// plain takes the rows as they are.
func (w *walk) plain() *step {
	s := &step{counted: true}
	skip := w.skip
	w.remaining(func(i int, after *rowKey) {
		objects, left := w.parts[i].rows.window(after, skip, w.q.Page.Count-len(s.rows))
		skip = max(0, skip-left)
		s.left += left
		for _, obj := range objects {
			s.rows = append(s.rows, match{part: i, obj: obj})
		}
	})
	w.mark(s)
	return s
}

// remaining calls f for each part that has not been passed, with the key to go on after.
func (w *walk) remaining(f func(i int, after *rowKey)) {
	for i := range w.parts {
		switch {
		case w.from == nil || i > w.from.Type:
			f(i, nil)
		case i == w.from.Type:
			f(i, w.from.key())
		}
	}
}

// mark sets where to go on, if rows are left.
func (w *walk) mark(s *step) {
	if n := len(s.rows); n > 0 && s.left > w.skip+n {
		s.next = at(s.rows[n-1])
	}
}

func at(m match) *position {
	key := keyOf(m.obj)
	return &position{Type: m.part, Created: key.created, Name: key.name, Present: m.key.Present, Value: m.key.Text}
}

// filtered goes through the rows in their order. A page by cursor ends where the bound on work is reached, and may have few rows or none.
func (w *walk) filtered(ctx context.Context) (*step, error) {
	bounded := w.beyond()
	if bounded && w.q.Cursor == nil {
		return nil, w.tooMany("ask for pages by cursor (cursor= instead of startIndex), which may have fewer rows than count")
	}
	s := &step{counted: !bounded}
	visited := 0
	err := w.each(ctx, w.from, func(m match, r *scim.Resource) bool {
		visited++
		if w.q.Filter.Match(r) {
			s.left++
			if s.left > w.skip && len(s.rows) < w.q.Page.Count {
				s.rows = append(s.rows, m)
			}
		}
		if bounded && (visited == w.q.MaxScan || len(s.rows) == w.q.Page.Count) {
			s.next = at(m)
			return false
		}
		return true
	})
	if !bounded {
		w.mark(s)
	}
	return s, err
}

// sorted has to look at all rows for each page, and puts those after the position into order.
func (w *walk) sorted(ctx context.Context) (*step, error) {
	if w.beyond() {
		return nil, w.tooMany("leave out sortBy")
	}
	s := &step{counted: true}
	var last *match
	if w.from != nil {
		last = &match{part: w.from.Type, obj: nil, key: scim.SortKey{Present: w.from.Present, Text: w.from.Value}}
	}
	err := w.each(ctx, nil, func(m match, r *scim.Resource) bool {
		if w.q.Filter != nil && !w.q.Filter.Match(r) {
			return true
		}
		m.key = w.q.Sort.Key(r)
		if last == nil || w.order(m, keyOf(m.obj), *last, *w.from.key()) > 0 {
			s.rows = append(s.rows, m)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(s.rows, func(a, b match) int { return w.order(a, keyOf(a.obj), b, keyOf(b.obj)) })
	s.left = len(s.rows)
	s.rows = s.rows[min(w.skip, s.left):]
	s.rows = slices.Clone(s.rows[:min(w.q.Page.Count, len(s.rows))])
	w.mark(s)
	return s, nil
}

// order compares rows by what is sorted by, then by their place without sorting.
func (w *walk) order(a match, aKey rowKey, b match, bKey rowKey) int {
	return cmp.Or(w.q.Sort.Compare(a.key, b.key), cmp.Compare(a.part, b.part), aKey.compare(bKey))
}

// each calls f for the rows after a position, with what the filter and the order read of them, until it returns false.
func (w *walk) each(ctx context.Context, from *position, f func(m match, r *scim.Resource) bool) error {
	for i, p := range w.parts {
		var after *rowKey
		if from != nil && i < from.Type {
			continue
		}
		if from != nil && i == from.Type {
			after = from.key()
		}
		for {
			// An object keeps its key, so that none is missed or comes twice though others come and go between batches.
			objects, _ := p.rows.window(after, 0, batch)
			if len(objects) == 0 {
				break
			}
			for _, obj := range objects {
				r, err := p.t.part(ctx, obj, &w.needs)
				if err != nil {
					return err
				}
				if !f(match{part: i, obj: obj}, r) {
					return nil
				}
			}
			key := keyOf(objects[len(objects)-1])
			after = &key
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// beyond is whether more rows would have to be looked at than is allowed. Rows that an index has found do not count.
func (w *walk) beyond() bool {
	if w.q.MaxScan == 0 {
		return false
	}
	rows := 0
	count := func(i int, after *rowKey) {
		if !w.parts[i].found {
			_, left := w.parts[i].rows.window(after, 0, 0)
			rows += left
		}
	}
	if w.q.Sort != nil {
		for i := range w.parts {
			count(i, nil)
		}
	} else {
		w.remaining(count)
	}
	return rows > w.q.MaxScan
}

func (w *walk) tooMany(or string) error {
	return scim.TooMany("the query would have to look at more than %d resources: add a condition that an index serves, joined by \"and\" "+
		"(users: id, userName, externalId, emails.value; groups: id, displayName, externalId, members.value; each with eq), or %s", w.q.MaxScan, or)
}
