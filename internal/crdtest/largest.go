// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crdtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Largest builds the value with the largest JSON that a schema allows. What has no limit is an error of the test, unless free, by its path, gives it.
func Largest(t testing.TB, schema *v1.JSONSchemaProps, path string, free map[string]any) any {
	t.Helper()
	if value, ok := free[path]; ok {
		return value
	}
	switch schema.Type {
	case "object":
		return largestObject(t, schema, path, free)
	case "array":
		if schema.MaxItems == nil {
			t.Errorf("%s has no maxItems", path)
			return nil
		}
		items := make([]any, *schema.MaxItems)
		item := Largest(t, schema.Items.Schema, path+"[]", free)
		for i := range items {
			items[i] = item
		}
		return items
	case "string":
		return largestString(t, schema, path)
	case "integer":
		switch {
		case schema.Maximum != nil:
			return int64(*schema.Maximum)
		case schema.Format == "int32":
			return int64(math.MaxInt32)
		}
		return int64(math.MaxInt64)
	case "boolean":
		return false
	default:
		t.Errorf("%s has the type %q", path, schema.Type)
		return nil
	}
}

func largestObject(t testing.TB, schema *v1.JSONSchemaProps, path string, free map[string]any) any {
	t.Helper()
	if schema.AdditionalProperties != nil || (schema.XPreserveUnknownFields != nil && *schema.XPreserveUnknownFields) {
		t.Errorf("%s has properties that no limit is known of", path)
		return nil
	}
	object := make(map[string]any, len(schema.Properties))
	for name := range schema.Properties {
		property := schema.Properties[name]
		object[name] = Largest(t, &property, path+"."+name, free)
	}
	return object
}

func largestString(t testing.TB, schema *v1.JSONSchemaProps, path string) string {
	t.Helper()
	switch {
	case len(schema.Enum) > 0:
		longest := ""
		for _, value := range schema.Enum {
			if text := strings.Trim(string(value.Raw), `"`); len(text) > len(longest) {
				longest = text
			}
		}
		return longest
	case schema.Format == "date-time":
		return "2006-01-02T15:04:05Z"
	case schema.MaxLength != nil:
		return strings.Repeat("x", int(*schema.MaxLength))
	default:
		t.Errorf("%s has no maxLength", path)
		return ""
	}
}

// Size is the length of the JSON of a value.
func Size(t testing.TB, value any) int {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return len(data)
}

// Sizes lists what the fields of an object take, the largest first.
func Sizes(t testing.TB, value any) string {
	t.Helper()
	object, ok := value.(map[string]any)
	if !ok {
		return ""
	}
	names := slices.Collect(maps.Keys(object))
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(Size(t, object[b]), Size(t, object[a])), cmp.Compare(a, b))
	})
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%s %d", name, Size(t, object[name]))
	}
	return strings.Join(parts, ", ")
}
