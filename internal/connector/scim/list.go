// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"context"
	"math"
)

// page is one page of a ListResponse (RFC 7644 3.4.2).
type page struct {
	rows  []map[string]any
	total int
}

// decodePage reads a ListResponse. An answer that is none is an error: to take it for an empty list would make every account look missing.
func decodePage(op string, status int, object map[string]any) (page, error) {
	total, ok := field(object, "totalResults").(float64)
	if !ok || total < 0 {
		return page{}, unexpected(op, status, "the answer is not a list: totalResults is missing")
	}
	list, _ := field(object, "Resources").([]any)
	p := page{total: int(total)}
	for _, row := range list {
		resource, ok := row.(map[string]any)
		if !ok || text(resource, "id") == "" {
			return page{}, unexpected(op, status, "the list has a row without id")
		}
		p.rows = append(p.rows, resource)
	}
	return p, nil
}

// listAll yields every row of a collection once. It goes on by the rows received, not by itemsPerPage, which some apps give as a constant. Rows that vanish
// while it reads shift the rest, so it steps back by as many and leaves out what it has seen. What it cannot complete is an error (C29).
func (c *Connector) listAll(ctx context.Context, op, path string, yield func(map[string]any) error) error {
	seen := map[string]struct{}{}
	start, total, least := 1, 0, math.MaxInt
	for {
		p, err := c.page(ctx, op, path, "", start)
		if err != nil {
			return err
		}
		vanished := max(0, total-p.total)
		total, least = p.total, min(least, p.total)
		fresh, err := yieldFresh(p.rows, seen, yield)
		if err != nil {
			return err
		}
		if vanished > 0 && start > 1 {
			start = max(1, start-vanished)
			continue
		}
		start += len(p.rows)
		switch {
		case start > total && len(seen) >= least:
			// Rows that came while it read may have come before the place it was at; all that were there throughout have been seen.
			return nil
		case fresh == 0:
			return unexpected(op, 0, "the listing ended after %d of %d rows", len(seen), total)
		}
	}
}

// yieldFresh yields the rows not seen before and returns how many they were.
func yieldFresh(rows []map[string]any, seen map[string]struct{}, yield func(map[string]any) error) (int, error) {
	fresh := 0
	for _, row := range rows {
		id := text(row, "id")
		if _, known := seen[id]; known {
			continue
		}
		seen[id] = struct{}{}
		fresh++
		if err := yield(row); err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

// find returns the rows of a collection whose attribute equals value. Rows that do not fit are left out: there are apps that ignore a filter they do not
// understand, and to link one of those rows would hand a user somebody else's account.
func (c *Connector) find(ctx context.Context, op, path, attribute, value string) ([]map[string]any, error) {
	p, err := c.page(ctx, op, path, c.filter(attribute, value), 1, value)
	if err != nil {
		return nil, err
	}
	var found []map[string]any
	for _, row := range p.rows {
		if holds(row, attribute, value) {
			found = append(found, row)
		}
	}
	if len(found) == 0 && p.total > len(p.rows) {
		return nil, unexpected(op, 0, "the app does not honour a filter on %s", attribute)
	}
	return found, nil
}
