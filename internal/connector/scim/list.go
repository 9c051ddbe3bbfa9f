// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/scim-operator/scim-operator/internal/connector"
)

// maxListed is the largest number of rows that a listing may have. An app that always has one more must not be read for ever.
const maxListed = 1_000_000

// stopError carries the error of a caller, who wants no more rows, through the reading of a page.
type stopError struct{ err error }

// Error implements error.
func (e *stopError) Error() string { return e.err.Error() }

// Unwrap returns the caller's error.
func (e *stopError) Unwrap() error { return e.err }

// page reads one page of a collection (RFC 7644 3.4.2) while it arrives: row reads each row. It returns totalResults. An answer that is no list is an error: to
// take it for an empty list would make every account look missing.
func (c *Connector) page(ctx context.Context, request connector.HTTPRequest, filter string, start int, row func(*stream) error) (total int, err error) {
	request.Method = http.MethodGet
	request.Query = url.Values{"startIndex": {strconv.Itoa(start)}, "count": {strconv.Itoa(c.profile.SCIM.PageSize)}}
	if filter != "" {
		request.Query.Set("filter", filter)
	}
	total = -1
	var stopped *stopError
	request.Read = func(body io.Reader) *connector.Error {
		s := newStream(body)
		err := s.object(func(name string) error {
			switch {
			case strings.EqualFold(name, "totalResults"):
				return s.count(&total)
			case strings.EqualFold(name, "Resources"):
				_, err := s.elements(func() error { return row(s) })
				return err
			default:
				return s.skip()
			}
		})
		switch {
		case errors.As(err, &stopped):
			return nil
		case err != nil:
			return streamError(request.Op, err)
		case total < 0:
			return unexpected(request.Op, "the answer is not a list: totalResults is missing")
		default:
			return nil
		}
	}
	if _, err := c.http.Do(ctx, request); err != nil {
		return 0, err
	}
	if stopped != nil {
		return 0, stopped.err
	}
	return total, nil
}

// count reads a number of rows; another value leaves it as it is.
func (s *stream) count(into *int) error {
	token, err := s.token()
	if err != nil {
		return err
	}
	if number, ok := token.(json.Number); ok {
		if value, err := number.Float64(); err == nil && value >= 0 {
			*into = int(min(value, math.MaxInt32))
		}
	}
	return s.skipRest(token)
}

// userRow reads a row of the accounts.
func userRow(op string, s *stream, buffer *json.RawMessage) (map[string]any, error) {
	if err := s.raw(buffer, maxRowBytes); err != nil {
		return nil, err
	}
	value, err := decodeJSON(*buffer)
	if err != nil {
		return nil, err
	}
	row, ok := value.(map[string]any)
	if !ok || text(row, "id") == "" {
		return nil, withoutID(op)
	}
	return row, nil
}

func withoutID(op string) error { return unexpected(op, "the list has a row without id") }

// ListUsers implements connector.Connector. It goes on by the rows received, not by itemsPerPage, which some apps give as a constant. Rows that vanish while it
// reads shift the rest, so it steps back by as many and leaves out what it has seen. What it cannot complete is an error (C29).
func (c *Connector) ListUsers(ctx context.Context, yield func(connector.User) error) error {
	const op = connector.OpListUsers
	listing := &listing{yield: yield, seen: map[[sha256.Size]byte]struct{}{}}
	start, total, least := 1, 0, math.MaxInt
	for {
		listing.rows, listing.fresh = 0, 0
		now, err := c.page(ctx, connector.HTTPRequest{Op: op, Path: c.profile.SCIM.UsersPath}, "", start, listing.row)
		if err != nil {
			return err
		}
		vanished := max(0, total-now)
		total, least = now, min(least, now)
		if vanished > 0 && start > 1 {
			start = max(1, start-vanished)
			continue
		}
		start += listing.rows
		switch {
		case start > total && len(listing.seen) >= least:
			// Rows that came while it read may have come before the place it was at; all that were there throughout have been seen.
			return nil
		case listing.fresh == 0:
			return unexpected(op, "the listing ended after %d of %d rows", len(listing.seen), total)
		}
	}
}

// listing yields every row once.
type listing struct {
	yield func(connector.User) error
	// seen has the hashes of the ids, so that long ones need no memory.
	seen map[[sha256.Size]byte]struct{}
	// rows of the current page, and those of them that were not seen before.
	rows, fresh int
	buffer      json.RawMessage
}

func (l *listing) row(s *stream) error {
	row, err := userRow(connector.OpListUsers, s, &l.buffer)
	if err != nil {
		return err
	}
	l.rows++
	key := sha256.Sum256([]byte(text(row, "id")))
	if _, known := l.seen[key]; known {
		return nil
	}
	if len(l.seen) >= maxListed {
		return unexpected(connector.OpListUsers, "the listing has more than %d rows", maxListed)
	}
	l.seen[key] = struct{}{}
	l.fresh++
	user, err := decodeUser(connector.OpListUsers, row, "")
	if err != nil {
		// No caller knows an account that cannot be addressed.
		return nil //nolint:nilerr // it is left out, see connector.Connector
	}
	if err := l.yield(user); err != nil {
		return &stopError{err}
	}
	return nil
}

// maxSearched is the largest number of pages that one lookup reads, maxSearchedRows that of rows, for apps that ignore the count as well. Only a lookup in an app that
// ignores the filter reads more than one page.
const (
	maxSearched     = 100
	maxSearchedRows = 100_000
)

// find looks for the rows of a collection whose attribute equals value: row reads a row, keeps it where it fits, and returns its id. Rows that do not fit are left
// out: there are apps that ignore a filter they do not understand, and linking one of those rows would give a user the account of another one. Where no row of the
// first page fits but there are more, it reads on: an account that stands on a later page is not missing. What it cannot complete is an error.
func (c *Connector) find(ctx context.Context, op, path, attribute, value string, row func(*stream) (id string, fits bool, err error)) error {
	search := search{pages: map[[sha256.Size]byte]bool{}, start: 1}
	request := connector.HTTPRequest{Op: op, Path: path, Personal: []string{value}}
	read := func(filter string) (total int, err error) {
		search.rows, search.ids = 0, sha256.New()
		return c.page(ctx, request, filter, search.start, func(s *stream) error {
			id, fits, err := row(s)
			search.count(id, fits)
			return err
		})
	}
	for page := 1; page <= maxSearched && search.start <= maxSearchedRows; page++ {
		total, err := read(c.filter(attribute, value))
		switch {
		case page == 1 && saysNone(err):
			return nil
		case page > 1 && ctx.Err() != nil:
			return search.unfinished(op, attribute, "and reading all rows takes too long")
		case err != nil:
			return err
		case search.found, page == 1 && search.rows == 0 && total == 0:
			return nil
		case page == 1 && search.rows == 0:
			// Some apps count every account in totalResults. Any other number without rows is an answer that is cut short.
			all, err := read("")
			if err == nil && !search.found && all != total {
				return unexpected(op, "the list counts %d rows that have the %s looked for, and shows none of them", total, attribute)
			}
			return err
		}
		if search.turn(total) {
			continue
		}
		switch repeated := search.repeated(); {
		case repeated:
			return search.unfinished(op, attribute, "and answers each page with the same rows")
		case search.start > total:
			return nil
		case search.rows == 0:
			return unexpected(op, "the list ended after %d of %d rows, none of which has the %s looked for", search.start-1, total, attribute)
		}
	}
	return search.unfinished(op, attribute, "and has more rows than are searched")
}

// saysNone reports whether an app answers a filter that nothing matches with 404 in its protocol.
func saysNone(err error) bool {
	e := connector.AsError(err)
	return e != nil && e.Kind == connector.NotFound && e.InProtocol
}

// search is the state of a lookup. It keeps no rows: an app that ignores the filter may have any number of them.
type search struct {
	// pages has the hashes of the ids of each page.
	pages map[[sha256.Size]byte]bool
	// start is the index of the next row, total what the app said there are.
	start, total int
	// rows of the current page, and the hash of their ids.
	rows  int
	ids   hash.Hash
	found bool
}

func (s *search) count(id string, fits bool) {
	s.rows++
	s.found = s.found || fits
	_, _ = fmt.Fprintf(s.ids, "%q", id) // a hash takes everything
}

// repeated reports whether the current page has the rows of an earlier one.
func (s *search) repeated() bool {
	key := [sha256.Size]byte(s.ids.Sum(nil))
	before := s.pages[key]
	s.pages[key] = true
	return before
}

// turn moves to the next page. It reports whether that is a step back, because rows before it have vanished and shifted the rest.
func (s *search) turn(total int) (back bool) {
	vanished := max(0, s.total-total)
	s.total = total
	if vanished > 0 && s.start > 1 {
		s.start = max(1, s.start-vanished)
		return true
	}
	s.start += s.rows
	return false
}

// unfinished is the error of a lookup that cannot be completed. It is not that the account does not exist.
func (s *search) unfinished(op, attribute, why string) *connector.Error {
	return &connector.Error{Op: op, Kind: connector.Unsupported, Detail: fmt.Sprintf("the app ignores a filter on %s %s: %d of its %d rows were read without a match; "+
		"whether there is one is unknown. Ask the vendor how accounts are filtered", attribute, why, s.start-1, s.total)}
}
