// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/scim-operator/scim-operator/internal/connector"
)

// maxMemberText bounds, in bytes, the ids and display names of a group's members together.
const maxMemberText = 16 << 20

// groupReader reads a group while it arrives: it may have a hundred thousand members, which are never held as decoded JSON.
type groupReader struct {
	op     string
	stream *stream
	group  connector.Group
	// displayName is the whole of it.
	displayName string
	// empty: the answer has no body.
	empty bool
	// others takes every attribute but the members, for a PUT; nil if they are not needed. otherBytes counts their size.
	others     map[string]any
	otherBytes int
	// schemas are those that the answer names.
	schemas []any
	// kept bounds the members that are kept, over all rows of a listing.
	kept   *memberCount
	buffer json.RawMessage
}

// groupAttributes are the paths that a request about a group may carry, see connector.Error.Attributes.
var groupAttributes = []string{"displayName", "externalId", "members"}

// memberCount counts members and the bytes of their ids and display names.
type memberCount struct{ members, text int }

// group sends a request whose answer is a group. shown is false where a write was answered without a body. The id that the group was addressed by serves where
// the answer has none.
//
// Where a POST is answered without a body, the id is that of its Location, if it has one.
func (c *Connector) group(ctx context.Context, request connector.HTTPRequest, id string) (group connector.Group, shown bool, err error) {
	reader := &groupReader{op: request.Op, kept: &memberCount{}}
	request.Read = reader.readAnswer
	if request.Body != nil {
		request.Attributes = groupAttributes
	}
	response, err := c.http.Do(ctx, request)
	switch {
	case err != nil:
		return connector.Group{}, false, err
	case reader.empty && needsBody(request, response):
		return connector.Group{}, false, noBody(request.Op, response)
	case request.Method == http.MethodPost:
		id = c.createdID(response, c.profile.SCIM.GroupsPath)
	}
	if reader.group.ID == "" {
		reader.group.ID = id
		err = checkID(request.Op, id)
	}
	return reader.group, !reader.empty, err
}

// needsBody reports whether an answer without a body cannot be believed: a read, or a create that is answered with 200, which RFC 7644 does not know.
func needsBody(request connector.HTTPRequest, response connector.HTTPResponse) bool {
	return request.Method == http.MethodGet || request.Method == http.MethodPost && response.Status == http.StatusOK
}

// noBody is the error of an answer without a group where there has to be one.
func noBody(op string, response connector.HTTPResponse) *connector.Error {
	e := streamError(op, io.EOF)
	e.Status = response.Status
	return e
}

// readAnswer reads the group that the answer is.
func (r *groupReader) readAnswer(body io.Reader) *connector.Error {
	r.stream = newStream(body)
	err := r.stream.object(r.field)
	if err == nil {
		err = checkID(r.op, r.group.ID)
	}
	switch {
	case errors.Is(err, io.EOF):
		r.empty = true
		return nil
	case err != nil:
		return streamError(r.op, err)
	default:
		return checkKind(r.op, r.group.ID, r.schemas)
	}
}

// readRow reads the group that comes next in a listing.
func (r *groupReader) readRow() (connector.Group, error) {
	token, err := r.stream.token()
	if err != nil {
		return connector.Group{}, err
	}
	if token != json.Delim('{') {
		return connector.Group{}, withoutID(r.op)
	}
	if err := r.stream.fields(r.field); err != nil {
		return connector.Group{}, err
	}
	if r.group.ID == "" {
		return connector.Group{}, withoutID(r.op)
	}
	return r.group, nil
}

// field reads one attribute.
func (r *groupReader) field(name string) error {
	switch {
	case strings.EqualFold(name, "members"):
		isArray, err := r.stream.elements(r.member)
		r.group.MembersKnown = isArray
		return err
	case strings.EqualFold(name, "id"):
		return r.text(name, &r.group.ID)
	case strings.EqualFold(name, "displayName"):
		err := r.text(name, &r.displayName)
		r.group.DisplayName = connector.BoundText(r.displayName)
		return err
	case strings.EqualFold(name, "externalId"):
		err := r.text(name, &r.group.ExternalID)
		r.group.ExternalID = connector.BoundText(r.group.ExternalID)
		return err
	case strings.EqualFold(name, "schemas"):
		if err := r.stream.raw(&r.buffer, maxMemberBytes); err != nil {
			return err
		}
		value, err := decodeJSON(r.buffer)
		if err != nil {
			return err
		}
		r.schemas, _ = value.([]any)
		return r.keep(name)
	case r.others == nil:
		return r.stream.skip()
	default:
		return r.other(name)
	}
}

// text reads an attribute that is a string or a number.
func (r *groupReader) text(name string, into *string) error {
	if err := r.stream.raw(&r.buffer, maxRowBytes); err != nil {
		return err
	}
	var value scalar
	if err := json.Unmarshal(r.buffer, &value); err != nil {
		return err
	}
	*into = string(value)
	return r.keep(name)
}

// other reads an attribute that is only sent back.
func (r *groupReader) other(name string) error {
	if err := r.stream.raw(&r.buffer, maxRowBytes); err != nil {
		return err
	}
	return r.keep(name)
}

// keep decodes the attribute in the buffer if others takes it.
func (r *groupReader) keep(name string) error {
	if r.others == nil {
		return nil
	}
	if r.otherBytes += len(name) + len(r.buffer); r.otherBytes > maxRowBytes {
		return errTooLarge
	}
	value, err := decodeJSON(r.buffer)
	if err != nil {
		return err
	}
	r.others[name] = value
	return nil
}

// member reads one member. One without a value is left out.
func (r *groupReader) member() error {
	if err := r.stream.raw(&r.buffer, maxMemberBytes); err != nil {
		return err
	}
	if r.buffer[0] != '{' {
		return nil
	}
	var member struct {
		Value   scalar `json:"value"`
		Display scalar `json:"display"`
	}
	if err := json.Unmarshal(r.buffer, &member); err != nil {
		return err
	}
	if member.Value == "" {
		return nil
	}
	if err := checkID(r.op, string(member.Value)); err != nil {
		return err
	}
	display := connector.BoundText(string(member.Display))
	r.kept.members++
	r.kept.text += len(member.Value) + len(display)
	if r.kept.members > connector.MaxMembers || r.kept.text > maxMemberText {
		return unusable(r.op, "the group has more members than are supported, which are %d", connector.MaxMembers)
	}
	r.group.Members = append(r.group.Members, connector.Member{ID: string(member.Value), Display: display})
	return nil
}
