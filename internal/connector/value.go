// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import "strings"

const (
	schemaUser  = "urn:ietf:params:scim:schemas:core:2.0:User"
	schemaGroup = "urn:ietf:params:scim:schemas:core:2.0:Group"
)

// Value returns the value at a path of an account's attributes (a connector.User's), and whether it has one. Names match without regard to letter case; null,
// "", [] and {} are no values (RFC 7643 2.5).
func Value(attributes map[string]any, path string) (any, bool) {
	var node any = attributes
	for _, name := range Keys(path) {
		object, ok := node.(map[string]any)
		if !ok {
			return nil, false
		}
		node = Field(object, name)
	}
	if IsEmpty(node) {
		return nil, false
	}
	return node, true
}

// SplitPath splits a path into the URN of the extension, "" for the core schema, and the names below it. The URN ends at the last colon: the dots before it are
// part of it.
func SplitPath(path string) (urn string, names []string) {
	if colon := strings.LastIndexByte(path, ':'); colon >= 0 {
		urn, path = path[:colon], path[colon+1:]
		if strings.EqualFold(urn, schemaUser) {
			urn = ""
		}
	}
	return urn, strings.Split(path, ".")
}

// Keys splits a path into the keys that lead to its value.
func Keys(path string) []string {
	urn, names := SplitPath(path)
	if urn == "" {
		return names
	}
	return append([]string{urn}, names...)
}

// Field returns an attribute by its name, whose letter case does not matter (RFC 7643 2.1).
func Field(object map[string]any, name string) any {
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

// IsEmpty reports whether a JSON value is no value (RFC 7643 2.5).
func IsEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	default:
		return false
	}
}
