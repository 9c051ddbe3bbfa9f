// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fakeapp

import "strings"

// copyValue returns a deep copy of a JSON value.
func copyValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return copyMap(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = copyValue(item)
		}
		return list
	default:
		return value
	}
}

func copyMap(object map[string]any) map[string]any {
	result := make(map[string]any, len(object)+4)
	for key, value := range object {
		result[key] = copyValue(value)
	}
	return result
}

// merged returns base with the given values over it; objects are merged one level at a time.
func merged(base, over map[string]any) map[string]any {
	result := copyMap(base)
	for key, value := range over {
		inner, isObject := value.(map[string]any)
		if before, ok := result[key].(map[string]any); ok && isObject {
			result[key] = merged(before, inner)
			continue
		}
		result[key] = copyValue(value)
	}
	return result
}

// withoutEmpty drops null, "", [] and {}: unassigned, by RFC 7643 2.5 and, for "", by R-Service's way to clear.
func withoutEmpty(object map[string]any) map[string]any {
	result := map[string]any{}
	for key, value := range object {
		if inner, ok := value.(map[string]any); ok {
			value = withoutEmpty(inner)
		}
		if !isEmpty(value) {
			result[key] = value
		}
	}
	return result
}

func isEmpty(value any) bool {
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

func stringsOf(value any) []string {
	list, _ := value.([]any)
	var texts []string
	for _, item := range list {
		if text, ok := item.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// keyOf returns the key of an object that equals name without regard to letter case, or name.
func keyOf(object map[string]any, name string) string {
	if _, ok := object[name]; ok {
		return name
	}
	for key := range object {
		if strings.EqualFold(key, name) {
			return key
		}
	}
	return name
}
