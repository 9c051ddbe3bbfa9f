// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"context"
	"net/http"
	"strings"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

// noGroups is the error of an app that has none.
func (c *Connector) noGroups(op string) error {
	if c.profile.SCIM.GroupsPath != "" {
		return nil
	}
	return &connector.Error{Op: op, Kind: connector.Unsupported, Detail: c.profile.Title + " has no groups"}
}

// FindGroups implements connector.Connector.
func (c *Connector) FindGroups(ctx context.Context, displayName string) ([]connector.Group, error) {
	if err := c.noGroups(connector.OpFindGroups); err != nil {
		return nil, err
	}
	var groups []connector.Group
	var kept memberCount
	err := c.find(ctx, connector.OpFindGroups, c.profile.SCIM.GroupsPath, "displayName", displayName, func(s *stream) (string, bool, error) {
		before := kept
		row := groupReader{op: connector.OpFindGroups, stream: s, kept: &kept}
		group, err := row.readRow()
		if err != nil || !strings.EqualFold(row.displayName, displayName) || len(groups) == connector.MaxFound {
			kept = before
			return group.ID, false, err
		}
		groups = append(groups, group)
		return group.ID, true, checkID(connector.OpFindGroups, group.ID)
	})
	if err != nil {
		return nil, err
	}
	return groups, nil
}

// GetGroup implements connector.Connector.
func (c *Connector) GetGroup(ctx context.Context, id string) (connector.Group, error) {
	if err := c.noGroups(connector.OpGetGroup); err != nil {
		return connector.Group{}, err
	}
	return c.readGroup(ctx, connector.OpGetGroup, id)
}

func (c *Connector) readGroup(ctx context.Context, op, id string) (connector.Group, error) {
	path, err := resourcePath(op, c.profile.SCIM.GroupsPath, id)
	if err != nil {
		return connector.Group{}, err
	}
	group, _, err := c.group(ctx, connector.HTTPRequest{Op: op, Method: http.MethodGet, Path: path}, id)
	group.MembersKnown = group.MembersKnown || c.profile.SCIM.GroupReadShowsMembers
	return group, err
}

// CreateGroup implements connector.Connector.
func (c *Connector) CreateGroup(ctx context.Context, group connector.Group) (connector.Group, error) {
	if err := c.noGroups(connector.OpCreateGroup); err != nil {
		return connector.Group{}, err
	}
	first, rest := split(group.Members, c.membersPerRequest())
	created, err := c.postGroup(ctx, group, first)
	if len(first) > 0 && refusesMembers(err) {
		// It may refuse their number, or one of them, and takes the group without.
		rest = group.Members
		created, err = c.postGroup(ctx, group, nil)
	}
	if err != nil || len(rest) == 0 {
		return created, err
	}
	after, err := c.writeMembers(ctx, connector.OpCreateGroup, created.ID, connector.GroupChange{Add: rest})
	if err != nil {
		return connector.Group{ID: created.ID}, err
	}
	return after, nil
}

func (c *Connector) postGroup(ctx context.Context, group connector.Group, members []connector.Member) (connector.Group, error) {
	body := map[string]any{"schemas": []any{schemaGroup}, "displayName": group.DisplayName}
	if group.ExternalID != "" {
		body["externalId"] = group.ExternalID
	}
	if len(members) > 0 {
		body["members"] = c.members(members)
	}
	created, shown, err := c.group(ctx, connector.HTTPRequest{
		Op: connector.OpCreateGroup, Method: http.MethodPost, Path: c.profile.SCIM.GroupsPath, Body: body,
	}, "")
	switch {
	case err != nil:
		return connector.Group{}, err
	case created.ID == "":
		return c.findCreatedGroup(ctx, group.DisplayName)
	case !shown:
		created.DisplayName = connector.BoundText(group.DisplayName)
	}
	return created, nil
}

// findCreatedGroup looks up the group that the app says it has created without saying which.
func (c *Connector) findCreatedGroup(ctx context.Context, displayName string) (connector.Group, error) {
	groups, err := c.FindGroups(ctx, displayName)
	if err != nil || len(groups) != 1 {
		return connector.Group{}, unconfirmed(connector.OpCreateGroup, err)
	}
	return groups[0], nil
}

// UpdateGroup implements connector.Connector.
func (c *Connector) UpdateGroup(ctx context.Context, id string, change connector.GroupChange) (connector.Group, error) {
	if err := c.noGroups(connector.OpUpdateGroup); err != nil {
		return connector.Group{}, err
	}
	if change.DisplayName == "" && len(change.Add) == 0 && len(change.Remove) == 0 && change.Want == nil {
		return connector.Group{ID: id}, nil
	}
	if c.profile.SCIM.GroupPatch == profiles.GroupPut {
		return c.replaceGroup(ctx, id, change)
	}
	return c.writeMembers(ctx, connector.OpUpdateGroup, id, change)
}

// DeleteGroup implements connector.Connector.
func (c *Connector) DeleteGroup(ctx context.Context, id string) error {
	if err := c.noGroups(connector.OpDeleteGroup); err != nil {
		return err
	}
	path, err := resourcePath(connector.OpDeleteGroup, c.profile.SCIM.GroupsPath, id)
	if err != nil {
		return err
	}
	return c.remove(ctx, connector.OpDeleteGroup, path, id)
}

// replacesMembers reports whether the change names the whole membership instead of a difference.
func replacesMembers(change connector.GroupChange) bool {
	return change.Want != nil && len(change.Add) == 0 && len(change.Remove) == 0
}

// member is one entry of a members list. It is a struct because a group may have a hundred thousand of them.
type member struct {
	Value   string `json:"value"`
	Display string `json:"display,omitempty"`
	// Operation is "delete" in the manner of SCIM 1.1.
	Operation string `json:"operation,omitempty"`
}

func (c *Connector) members(members []connector.Member) []member {
	list := make([]member, 0, len(members))
	for _, m := range members {
		entry := member{Value: m.ID}
		if c.profile.SCIM.MemberDisplay {
			entry.Display = m.Display
		}
		list = append(list, entry)
	}
	return list
}

// patch returns the body of a PATCH.
func (c *Connector) patch(change connector.GroupChange) map[string]any {
	if c.profile.SCIM.GroupPatch == profiles.GroupPatchSCIM11 {
		return c.patch11(change)
	}
	var operations []any
	if change.DisplayName != "" {
		operations = append(operations, map[string]any{"op": "replace", "path": "displayName", "value": change.DisplayName})
	}
	if change.Want != nil {
		operations = append(operations, map[string]any{"op": "replace", "path": "members", "value": c.members(change.Want)})
	}
	if len(change.Remove) > 0 {
		operations = append(operations, c.removal(change.Remove)...)
	}
	if len(change.Add) > 0 {
		operations = append(operations, map[string]any{"op": "add", "path": "members", "value": c.members(change.Add)})
	}
	return patchBody(operations)
}

// removal returns the operations that take members out.
func (c *Connector) removal(members []connector.Member) []any {
	if c.profile.SCIM.MemberRemoval == profiles.RemoveByValueList {
		return []any{map[string]any{"op": "remove", "path": "members", "value": c.members(members)}}
	}
	var operations []any
	for _, member := range members {
		operations = append(operations, map[string]any{"op": "remove", "path": "members[" + c.filter("value", member.ID) + "]"})
	}
	return operations
}

// patch11 is the body in the manner of SCIM 1.1: members given are added, those marked as deleted are taken out.
func (c *Connector) patch11(change connector.GroupChange) map[string]any {
	body := map[string]any{"schemas": []any{schemaGroup}}
	if change.DisplayName != "" {
		body["displayName"] = change.DisplayName
	}
	list := c.members(change.Add)
	for _, entry := range c.members(change.Remove) {
		entry.Operation = "delete"
		list = append(list, entry)
	}
	if len(list) > 0 {
		body["members"] = list
	}
	return body
}

// putGroup writes a group whole. The membership is what the app shows now with the difference applied, so that members that are not ours stay; where the app
// shows none, it is Want.
func (c *Connector) putGroup(ctx context.Context, id string, change connector.GroupChange) (connector.Group, error) {
	path, err := resourcePath(connector.OpUpdateGroup, c.profile.SCIM.GroupsPath, id)
	if err != nil {
		return connector.Group{}, err
	}
	body, err := c.groupBody(ctx, path, change)
	if err != nil {
		return connector.Group{}, readOnly(err)
	}
	group, shown, err := c.group(ctx, connector.HTTPRequest{Op: connector.OpUpdateGroup, Method: http.MethodPut, Path: path, Body: body}, id)
	if err == nil && !shown {
		group.DisplayName = connector.BoundText(text(body, "displayName"))
	}
	return group, err
}

// groupBody returns the body of a PUT. It reads the group first, unless the change alone says everything that the app needs.
func (c *Connector) groupBody(ctx context.Context, path string, change connector.GroupChange) (map[string]any, error) {
	reader := &groupReader{op: connector.OpUpdateGroup, kept: &memberCount{}, others: map[string]any{}}
	difference := len(change.Add)+len(change.Remove) > 0
	if difference || change.DisplayName == "" || c.profile.SCIM.PutSemantics != profiles.PutMerges {
		request := connector.HTTPRequest{Op: connector.OpUpdateGroup, Method: http.MethodGet, Path: path, Read: reader.readAnswer}
		response, err := c.http.Do(ctx, request)
		if err != nil {
			return nil, err
		}
		if reader.empty {
			return nil, noBody(request.Op, response)
		}
	}
	body, current := reader.others, reader.group
	current.MembersKnown = current.MembersKnown || c.profile.SCIM.GroupReadShowsMembers
	drop(body, "meta")
	put(body, "schemas", []any{schemaGroup})
	if change.DisplayName != "" {
		put(body, "displayName", change.DisplayName)
	}
	switch {
	case difference && current.MembersKnown && !change.Hidden:
		put(body, "members", c.members(applied(current.Members, change)))
	case change.Want != nil:
		put(body, "members", c.members(change.Want))
	case difference:
		return nil, &connector.Error{Op: connector.OpUpdateGroup, Kind: connector.Unsupported, Detail: "the app does not show members and the whole membership is not given"}
	case reader.group.MembersKnown:
		put(body, "members", c.members(current.Members))
	}
	return body, nil
}

// applied returns the members after a change, in their order.
func applied(members []connector.Member, change connector.GroupChange) []connector.Member {
	out := map[string]bool{}
	for _, member := range change.Remove {
		out[member.ID] = true
	}
	result := []connector.Member{}
	for _, list := range [][]connector.Member{members, change.Add} {
		for _, member := range list {
			if !out[member.ID] {
				out[member.ID] = true
				result = append(result, member)
			}
		}
	}
	return result
}
