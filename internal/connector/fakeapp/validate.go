// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fakeapp

import (
	"slices"
	"strings"
)

// validateCore checks the types of RFC 7643 4.1 and gives active its default.
func validateCore(user, _ map[string]any) *answer {
	if name, ok := user["userName"].(string); !ok || strings.TrimSpace(name) == "" {
		return invalid("userName is required")
	}
	for _, name := range []string{"displayName", "nickName", "title", "userType", "preferredLanguage", "locale", "timezone", "externalId", "profileUrl"} {
		if value, given := user[name]; given {
			if _, ok := value.(string); !ok {
				return invalid(name + " is not a string")
			}
		}
	}
	if value, given := user["name"]; given {
		if _, ok := value.(map[string]any); !ok {
			return invalid("name is not an object")
		}
	}
	for _, name := range []string{"emails", "phoneNumbers", "addresses", "roles", "entitlements"} {
		if refused := validateList(user[name], name); refused != nil {
			return refused
		}
	}
	return defaultActive(user)
}

func validateList(value any, name string) *answer {
	if value == nil {
		return nil
	}
	list, ok := value.([]any)
	if !ok {
		return invalid(name + " is not a list")
	}
	primaries := 0
	for _, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			return invalid(name + " has a value that is not an object")
		}
		if object["primary"] == true {
			primaries++
		}
	}
	if primaries > 1 {
		return invalid(name + " has more than one primary value")
	}
	return nil
}

func defaultActive(user map[string]any) *answer {
	switch user["active"].(type) {
	case nil:
		user["active"] = true
	case bool:
	default:
		return invalid("active is not a boolean")
	}
	return nil
}

// validateCommonRoom checks what Common Room's API description asks for. An account created without a role becomes an owner.
func validateCommonRoom(user, existing map[string]any) *answer {
	if name, ok := user["userName"].(string); !ok || !strings.Contains(name, "@") {
		return invalid("userName has to be an e-mail address")
	}
	name, _ := user["name"].(map[string]any)
	if isEmpty(name["givenName"]) || isEmpty(name["familyName"]) {
		return invalid("name.givenName and name.familyName are required")
	}
	if refused := validateList(user["emails"], "emails"); refused != nil {
		return refused
	}
	if isEmpty(user["emails"]) {
		return invalid("emails is required")
	}
	if user["roles"] == nil {
		user["roles"] = []any{map[string]any{"value": "owner", "primary": true}}
		if existing != nil {
			user["roles"] = copyValue(existing["roles"])
		}
	}
	roles, _ := user["roles"].([]any)
	if len(roles) != 1 {
		return invalid("roles has to hold one role")
	}
	role, _ := roles[0].(map[string]any)
	if value, _ := role["value"].(string); !slices.Contains([]string{"owner", "editor", "viewer"}, value) {
		return invalid("the role has to be owner, editor or viewer")
	}
	for key := range user {
		switch key {
		case "userName", "name", "emails", "active", "roles":
		default:
			delete(user, key) // not part of the API description
		}
	}
	return defaultActive(user)
}

func invalid(detail string) *answer { return refuse("invalidValue", detail) }
