// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"maps"
	"slices"
	"strings"
)

// replaced is a resource after a PUT that leaves alone what it does not name and clears what it gives as empty (R-Service).
func replaced(before, body map[string]any) map[string]any {
	after := maps.Clone(before)
	for name, value := range body {
		switch v := value.(type) {
		case string:
			if v == "" {
				delete(after, name)
				continue
			}
		case []any:
			if len(v) == 0 {
				delete(after, name)
				continue
			}
		case map[string]any:
			inner, _ := before[name].(map[string]any)
			value = replaced(inner, v)
		}
		if after == nil {
			after = map[string]any{}
		}
		after[name] = value
	}
	delete(after, "schemas")
	delete(after, "id")
	return after
}

// patched is a resource after the operations of a PATCH, each of which has a path.
func patched(before, body map[string]any) map[string]any {
	after := maps.Clone(before)
	operations, _ := body["Operations"].([]any)
	for _, item := range operations {
		operation, _ := item.(map[string]any)
		path, value := text(operation, "path"), operation["value"]
		name, filter, filtered := strings.Cut(path, "[")
		switch op := strings.ToLower(text(operation, "op")); {
		case filtered:
			value = strings.TrimSuffix(strings.TrimPrefix(filter, `value eq "`), `"]`)
			after[name] = withoutValue(after[name], value.(string))
		case op == "add" && name == "members":
			after[name] = withValues(after[name], value)
		case op == "remove":
			set(after, name, nil)
		default:
			set(after, name, value)
		}
	}
	return after
}

// set puts a value at a path, nil to take it away. Maps are copied, for versions share them.
func set(body map[string]any, path string, value any) {
	name, rest := path, ""
	if i := strings.LastIndex(path, ":"); strings.HasPrefix(path, "urn:") && i > 0 {
		name, rest = path[:i], path[i+1:]
	} else if i := strings.Index(path, "."); i > 0 {
		name, rest = path[:i], path[i+1:]
	}
	switch {
	case rest != "":
		inner, _ := body[name].(map[string]any)
		inner = maps.Clone(inner)
		if inner == nil {
			inner = map[string]any{}
		}
		set(inner, rest, value)
		body[name] = inner
	case value == nil:
		delete(body, name)
	default:
		body[name] = value
	}
}

func withoutValue(list any, value string) any {
	items, _ := list.([]any)
	return slices.DeleteFunc(slices.Clone(items), func(item any) bool {
		entry, _ := item.(map[string]any)
		return text(entry, "value") == value
	})
}

func withValues(list, more any) any {
	items, _ := list.([]any)
	items = slices.Clone(items)
	have := values(items)
	added, _ := more.([]any)
	for _, item := range added {
		if entry, _ := item.(map[string]any); !slices.Contains(have, text(entry, "value")) {
			items = append(items, item)
		}
	}
	return items
}

// values are the values of a multi-valued attribute, sorted: roles, members.
func values(list any) []string {
	items, _ := list.([]any)
	found := make([]string, 0, len(items))
	for _, item := range items {
		entry, _ := item.(map[string]any)
		found = append(found, text(entry, "value"))
	}
	slices.Sort(found)
	return found
}

// valueAt is the text at a path, "" if there is none.
func valueAt(body map[string]any, path string) string {
	if i := strings.LastIndex(path, ":"); strings.HasPrefix(path, "urn:") && i > 0 {
		inner, _ := body[path[:i]].(map[string]any)
		return text(inner, path[i+1:])
	}
	return text(body, path)
}

// isActive reports whether an account may log in.
func isActive(body map[string]any) bool {
	active, given := body["active"].(bool)
	return body != nil && (active || !given)
}
