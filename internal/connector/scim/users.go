// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

// FindUsers implements connector.Connector.
func (c *Connector) FindUsers(ctx context.Context, attribute, value string) ([]connector.User, error) {
	if c.profile.SCIM.Lookup == profiles.LookupByID && strings.EqualFold(attribute, c.profile.MatchAttribute) {
		return c.findByID(ctx, value)
	}
	var users []connector.User
	var buffer json.RawMessage
	kept := 0
	err := c.find(ctx, connector.OpFindUsers, c.profile.SCIM.UsersPath, attribute, value, func(s *stream) (string, bool, error) {
		row, err := userRow(connector.OpFindUsers, s, &buffer)
		if err != nil || !holds(row, attribute, value) || len(users) == connector.MaxFound {
			return text(row, "id"), false, err
		}
		if kept += len(buffer); kept > maxRowBytes {
			return "", false, errTooLarge
		}
		user, err := decodeUser(connector.OpFindUsers, row, "")
		users = append(users, user)
		return user.ID, true, err
	})
	if err != nil {
		return nil, err
	}
	return users, nil
}

// findByID finds an account whose match attribute is its id.
func (c *Connector) findByID(ctx context.Context, value string) ([]connector.User, error) {
	user, err := c.readUser(ctx, connector.OpFindUsers, value)
	switch {
	case connector.Is(err, connector.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		return []connector.User{user}, nil
	}
}

// GetUser implements connector.Connector.
func (c *Connector) GetUser(ctx context.Context, id string) (connector.User, error) {
	return c.readUser(ctx, connector.OpGetUser, id)
}

func (c *Connector) readUser(ctx context.Context, op, id string) (connector.User, error) {
	path, err := resourcePath(op, c.profile.SCIM.UsersPath, id)
	if err != nil {
		return connector.User{}, err
	}
	object, _, err := c.resource(ctx, connector.HTTPRequest{Op: op, Method: http.MethodGet, Path: path, Personal: []string{id}})
	if err != nil {
		return connector.User{}, err
	}
	return decodeUser(op, object, id)
}

// CreateUser implements connector.Connector. It makes no call while a required attribute, or a role that the app would otherwise choose, is missing.
func (c *Connector) CreateUser(ctx context.Context, attributes connector.Attributes) (connector.User, error) {
	if missing := c.missing(attributes); len(missing) > 0 {
		return connector.User{}, &connector.Error{
			Op: connector.OpCreateUser, Kind: connector.Invalid, Detail: "the app requires " + strings.Join(missing, ", "),
		}
	}
	body := resourceOf(attributes, nil)
	if _, given := body["active"]; !given {
		body["active"] = true
	}
	object, response, err := c.resource(ctx, connector.HTTPRequest{
		Op: connector.OpCreateUser, Method: http.MethodPost, Path: c.profile.SCIM.UsersPath, Body: body, Attributes: append(paths(attributes), "active"),
	})
	if err != nil {
		return connector.User{}, err
	}
	user, err := decodeUser(connector.OpCreateUser, object, c.createdID(response, c.profile.SCIM.UsersPath))
	if err != nil {
		return connector.User{}, err
	}
	if user.ID == "" {
		return c.findCreated(ctx, attributes)
	}
	if object == nil {
		user.Active, user.Attributes = body["active"] != false, nil
	}
	return user, nil
}

// findCreated looks up the account that the app says it has created without saying which.
func (c *Connector) findCreated(ctx context.Context, attributes connector.Attributes) (connector.User, error) {
	value, _ := attributes[c.profile.MatchAttribute].(string)
	if value == "" {
		return connector.User{}, unconfirmed(connector.OpCreateUser, nil)
	}
	users, err := c.FindUsers(ctx, c.profile.MatchAttribute, value)
	if err != nil || len(users) != 1 {
		return connector.User{}, unconfirmed(connector.OpCreateUser, err)
	}
	return users[0], nil
}

// missing returns the required attributes that have no value.
func (c *Connector) missing(attributes connector.Attributes) []string {
	required := c.profile.RequiredAttributes
	if c.profile.Roles.Required {
		required = append(required[:len(required):len(required)], c.profile.Roles.Attribute)
	}
	var missing []string
	for _, path := range required {
		if connector.IsEmpty(attributes[path]) {
			missing = append(missing, path)
		}
	}
	return missing
}

// UpdateUser implements connector.Connector.
func (c *Connector) UpdateUser(ctx context.Context, id string, change connector.Change) (connector.User, error) {
	return c.changeUser(ctx, connector.OpUpdateUser, id, change)
}

// SetActive implements connector.Connector.
func (c *Connector) SetActive(ctx context.Context, id string, active bool, full connector.Attributes) (connector.User, error) {
	change := connector.Change{Set: connector.Attributes{}}
	if active {
		maps.Copy(change.Set, full)
	}
	change.Set["active"] = active
	return c.changeUser(ctx, connector.OpSetActive, id, change)
}

// DeleteUser implements connector.Connector.
func (c *Connector) DeleteUser(ctx context.Context, id string) error {
	path, err := resourcePath(connector.OpDeleteUser, c.profile.SCIM.UsersPath, id)
	if err != nil {
		return err
	}
	return c.remove(ctx, connector.OpDeleteUser, path, id)
}

// changeUser sends a change in the way that the app takes it.
func (c *Connector) changeUser(ctx context.Context, op, id string, change connector.Change) (connector.User, error) {
	if len(paths(wanted(change, false))) == 0 {
		return c.readUser(ctx, op, id)
	}
	path, err := resourcePath(op, c.profile.SCIM.UsersPath, id)
	if err != nil {
		return connector.User{}, err
	}
	request := connector.HTTPRequest{Op: op, Method: http.MethodPatch, Path: path, Personal: []string{id}, Attributes: paths(wanted(change, false))}
	switch c.profile.SCIM.UserUpdate {
	case profiles.PatchWithoutPath:
		request.Body = c.patchWithoutPath(wanted(change, false))
	case profiles.Put:
		request.Method, request.Attributes = http.MethodPut, paths(wanted(change, true))
		request.Body, err = c.putBody(ctx, request, change)
	case profiles.PutForProfilePatchForActive:
		if onlySwitchesOff(change) {
			request.Body = patchWithPath(wanted(change, false))
			break
		}
		request.Method, request.Attributes = http.MethodPut, paths(wanted(change, true))
		request.Body, err = c.putBody(ctx, request, change)
	default:
		request.Body = patchWithPath(wanted(change, false))
	}
	if err != nil {
		return connector.User{}, err
	}
	object, _, err := c.resource(ctx, request)
	if err != nil {
		return connector.User{}, err
	}
	if object == nil {
		// Answered without a body (204): what was sent is what there is.
		active, given := change.Set["active"].(bool)
		return connector.User{ID: id, Active: active || !given}, nil
	}
	return decodeUser(op, object, id)
}

func onlySwitchesOff(change connector.Change) bool {
	active, given := change.Set["active"].(bool)
	return given && !active && len(change.Set) == 1 && len(change.Clear) == 0
}

// putBody returns the body of a PUT: what is mapped, and where PUT replaces, on top of what the app has now.
func (c *Connector) putBody(ctx context.Context, request connector.HTTPRequest, change connector.Change) (map[string]any, error) {
	attributes := wanted(change, true)
	if c.profile.SCIM.PutSemantics == profiles.PutMerges {
		return resourceOf(attributes, c.cleared()), nil
	}
	request.Method = http.MethodGet
	resource, _, err := c.resource(ctx, request)
	if err != nil {
		return nil, readOnly(err)
	}
	for _, name := range []string{"meta", "groups", "password"} {
		drop(resource, name)
	}
	for _, path := range paths(attributes) {
		if value := attributes[path]; value != nil {
			put(resource, path, value)
		} else {
			drop(resource, path)
		}
	}
	// An extension that lost its last attribute is no longer named.
	resource["schemas"] = schemasOf(resource)
	return resource, nil
}

// readOnly marks an error of the read before a write: nothing can have been changed yet.
func readOnly(err error) error {
	if e := connector.AsError(err); e != nil {
		e.Sent = false
	}
	return err
}

// cleared returns the value that clears an attribute in this app.
func (c *Connector) cleared() func(path string) any {
	if c.profile.SCIM.ClearWith == profiles.ClearWithEmpty {
		return emptyValue
	}
	return nullValue
}

// patchWithPath is an operation per attribute (RFC 7644 3.5.2).
func patchWithPath(attributes connector.Attributes) map[string]any {
	operations := []any{}
	for _, path := range paths(attributes) {
		if value := attributes[path]; value != nil {
			operations = append(operations, map[string]any{"op": "replace", "path": path, "value": value})
		} else {
			operations = append(operations, map[string]any{"op": "remove", "path": path})
		}
	}
	return patchBody(operations)
}

// patchWithoutPath is one replace of everything that changes, as Okta sends it.
func (c *Connector) patchWithoutPath(attributes connector.Attributes) map[string]any {
	value := resourceOf(attributes, c.cleared())
	delete(value, "schemas")
	return patchBody([]any{map[string]any{"op": "replace", "value": value}})
}

func patchBody(operations []any) map[string]any {
	return map[string]any{"schemas": []any{schemaPatchOp}, "Operations": operations}
}
