// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// ListResponseSchema is the schema URN of a list response (RFC 7644 3.4.2).
const ListResponseSchema = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

// ListResponse is the answer to a query (RFC 7644 3.4.2). T is usually *Resource.
type ListResponse[T any] struct {
	// TotalResults counts all matches, not only those of this page. Negative where they were not counted, which only a page by cursor may leave out (RFC 9865 2).
	TotalResults int
	// StartIndex counts from 1. 0 on a page by cursor, which has none.
	StartIndex int
	// NextCursor asks for the next page (RFC 9865 2). Empty on the last page, and on pages by index.
	NextCursor string
	// Resources are this page's rows; itemsPerPage is their number.
	Resources []T
}

// MarshalJSON gives the form of RFC 7644 3.4.2. Resources is an array even when empty: Entra takes null for an error.
func (l ListResponse[T]) MarshalJSON() ([]byte, error) {
	rows := l.Resources
	if rows == nil {
		rows = []T{}
	}
	total := &l.TotalResults
	if l.TotalResults < 0 {
		total = nil
	}
	return json.Marshal(struct {
		Schemas      []string `json:"schemas"`
		TotalResults *int     `json:"totalResults,omitempty"`
		StartIndex   int      `json:"startIndex,omitempty"`
		ItemsPerPage int      `json:"itemsPerPage"`
		NextCursor   string   `json:"nextCursor,omitempty"`
		Resources    []T      `json:"Resources"`
	}{[]string{ListResponseSchema}, total, l.StartIndex, len(rows), l.NextCursor, rows})
}

// Page is a request for rows by index (RFC 7644 3.4.2.4).
type Page struct {
	// StartIndex is at least 1.
	StartIndex int
	// Count is at least 0; 0 asks for the totals alone.
	Count int
}

// ParsePage reads the parameters startIndex and count; "" means absent. A startIndex below 1 counts as 1, a negative count as 0, a count above most as most, no count
// as usual. What is not an integer is 400 invalidValue.
func ParsePage(startIndex, count string, usual, most int) (Page, error) {
	start, err := parseInt("startIndex", startIndex, 1)
	if err != nil {
		return Page{}, err
	}
	n, err := parseInt("count", count, usual)
	if err != nil {
		return Page{}, err
	}
	return Page{StartIndex: max(start, 1), Count: min(max(n, 0), most)}, nil
}

// parseInt takes a number that is too large for an int for the largest one.
func parseInt(name, s string, absent int) (int, error) {
	if s = strings.TrimSpace(s); s == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, InvalidValue("parameter %q has to be an integer", name)
	}
	return n, nil
}

// ParseCount reads the parameter count of a page by cursor (RFC 9865 2); "" means absent. A count above most counts as most, no count as usual. What is not an integer
// above 0 is 400 invalidCount.
func ParseCount(count string, usual, most int) (int, error) {
	n, err := parseInt("count", count, usual)
	if err != nil || n < 1 {
		return 0, InvalidCount("count has to be an integer from 1 to %d", most)
	}
	return min(n, most), nil
}

// Window gives the half-open range [from, to) of the page in a list of total rows.
func (p Page) Window(total int) (from, to int) {
	from = min(p.StartIndex-1, total)
	return from, from + min(p.Count, total-from)
}
