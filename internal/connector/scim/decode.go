// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"strings"

	"github.com/scim-operator/scim-operator/internal/connector"
)

// field returns an attribute by its name, whose letter case does not matter (RFC 7643 2.1).
func field(object map[string]any, name string) any {
	if value, ok := object[name]; ok {
		return value
	}
	for key, value := range object {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return nil
}

func text(object map[string]any, name string) string {
	value, _ := field(object, name).(string)
	return value
}

// decodeUser reads an account. The id that the account was addressed by serves where the answer has none.
func decodeUser(object map[string]any, id string) connector.User {
	user := connector.User{
		ID:         text(object, "id"),
		UserName:   text(object, "userName"),
		ExternalID: text(object, "externalId"),
		Active:     true,
		Attributes: object,
	}
	if user.ID == "" {
		user.ID = id
	}
	switch active := field(object, "active").(type) {
	case bool:
		user.Active = active
	case string:
		user.Active = !strings.EqualFold(active, "false")
	}
	return user
}

// decodeGroup reads a group. membersShown says that an absent list of members is an empty one.
func decodeGroup(object map[string]any, id string, membersShown bool) connector.Group {
	group := connector.Group{ID: text(object, "id"), DisplayName: text(object, "displayName"), ExternalID: text(object, "externalId")}
	if group.ID == "" {
		group.ID = id
	}
	members, present := field(object, "members").([]any)
	group.MembersKnown = present || membersShown
	for _, item := range members {
		member, _ := item.(map[string]any)
		if value := text(member, "value"); value != "" {
			group.Members = append(group.Members, connector.Member{ID: value, Display: text(member, "display")})
		}
	}
	return group
}

// holds reports whether the attribute at a path, or one of its values, equals value without regard to letter case.
func holds(object map[string]any, path, value string) bool {
	return anyHolds(object, keys(path), value)
}

func anyHolds(node any, names []string, value string) bool {
	switch v := node.(type) {
	case []any:
		for _, item := range v {
			if anyHolds(item, names, value) {
				return true
			}
		}
		return false
	case map[string]any:
		if len(names) == 0 {
			// A complex value without a sub-attribute in the path means its "value".
			return strings.EqualFold(text(v, "value"), value)
		}
		return anyHolds(field(v, names[0]), names[1:], value)
	case string:
		return len(names) == 0 && strings.EqualFold(v, value)
	default:
		return false
	}
}
