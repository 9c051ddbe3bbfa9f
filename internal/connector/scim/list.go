// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
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

// find looks for the rows of a collection whose attribute equals value: row reads a row and keeps it where it fits. Rows that do not fit are left out: there are
// apps that ignore a filter they do not understand, and linking one of those rows would give a user the account of another one.
func (c *Connector) find(ctx context.Context, op, path, attribute, value string, row func(*stream) (fits bool, err error)) error {
	rows, found := 0, 0
	request := connector.HTTPRequest{Op: op, Path: path, Personal: []string{value}}
	total, err := c.page(ctx, request, c.filter(attribute, value), 1, func(s *stream) error {
		fits, err := row(s)
		rows++
		if fits {
			found++
		}
		return err
	})
	if err != nil {
		return err
	}
	if found == 0 && total > rows {
		return unexpected(op, "the app does not honour a filter on %s", attribute)
	}
	return nil
}
