// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

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

// MarshalJSON gives the form of RFC 7644 3.4.2; Resources is an array even when empty.
func (l ListResponse[T]) MarshalJSON() ([]byte, error) { panic("skeleton") }

// Page is a request for rows by index (RFC 7644 3.4.2.4).
type Page struct {
	// StartIndex is at least 1.
	StartIndex int
	// Count is at least 0; 0 asks for the totals alone.
	Count int
}

// ParsePage reads the parameters startIndex and count; "" means absent. A startIndex below 1 counts as 1, a negative count as 0, a count above max as max, no count as
// def. What is not an integer is 400 invalidValue.
func ParsePage(startIndex, count string, def, max int) (Page, error) { panic("skeleton") }

// Window gives the half-open range [from, to) of the page in a list of total rows.
func (p Page) Window(total int) (from, to int) { panic("skeleton") }
