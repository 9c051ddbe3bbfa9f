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
	// TotalResults counts all matches, not only those of this page.
	TotalResults int
	// StartIndex counts from 1.
	StartIndex int
	// Resources are this page's rows; itemsPerPage is their number.
	Resources []T
}

// MarshalJSON gives the form of RFC 7644 3.4.2. Resources is an array even when empty: Entra takes null for an error.
func (l ListResponse[T]) MarshalJSON() ([]byte, error) {
	rows := l.Resources
	if rows == nil {
		rows = []T{}
	}
	return json.Marshal(struct {
		Schemas      []string `json:"schemas"`
		TotalResults int      `json:"totalResults"`
		StartIndex   int      `json:"startIndex"`
		ItemsPerPage int      `json:"itemsPerPage"`
		Resources    []T      `json:"Resources"`
	}{[]string{ListResponseSchema}, l.TotalResults, l.StartIndex, len(rows), rows})
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

// Window gives the half-open range [from, to) of the page in a list of total rows.
func (p Page) Window(total int) (from, to int) {
	from = min(p.StartIndex-1, total)
	return from, from + min(p.Count, total-from)
}
