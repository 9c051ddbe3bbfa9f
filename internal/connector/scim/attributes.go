// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"maps"
	"slices"
	"strings"

	"github.com/scim-operator/scim-operator/internal/connector"
)

const (
	schemaUser    = "urn:ietf:params:scim:schemas:core:2.0:User"
	schemaGroup   = "urn:ietf:params:scim:schemas:core:2.0:Group"
	schemaPatchOp = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// put writes a value into a resource at a path. Where the attribute was written with other letter case by the app, that name is kept.
func put(resource map[string]any, path string, value any) {
	names := connector.Keys(path)
	node := resource
	for _, name := range names[:len(names)-1] {
		key := existingKey(node, name)
		inner, ok := node[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			node[key] = inner
		}
		node = inner
	}
	node[existingKey(node, names[len(names)-1])] = value
}

// drop removes the attribute at a path, and the object around it where that is left empty.
func drop(resource map[string]any, path string) {
	dropNames(resource, connector.Keys(path))
}

func dropNames(node map[string]any, names []string) {
	key := existingKey(node, names[0])
	if len(names) == 1 {
		delete(node, key)
		return
	}
	inner, ok := node[key].(map[string]any)
	if !ok {
		return
	}
	dropNames(inner, names[1:])
	if len(inner) == 0 {
		delete(node, key)
	}
}

func existingKey(node map[string]any, name string) string {
	if _, ok := node[name]; ok {
		return name
	}
	for key := range node {
		if strings.EqualFold(key, name) {
			return key
		}
	}
	return name
}

// wanted merges a change into one map of paths: Set wins over Full, Clear over both. A nil value clears.
func wanted(change connector.Change, full bool) connector.Attributes {
	merged := connector.Attributes{}
	if full {
		maps.Copy(merged, change.Full)
	}
	maps.Copy(merged, change.Set)
	for _, path := range change.Clear {
		merged[path] = nil
	}
	return merged
}

// neverSent are attributes that no request carries: the app owns them, or they are secret (S79, S114).
func neverSent(path string) bool {
	_, names := connector.SplitPath(path)
	switch strings.ToLower(names[0]) {
	case "id", "meta", "groups", "password", "schemas":
		return true
	default:
		return false
	}
}

// paths returns the paths of attributes in a fixed order.
func paths(attributes connector.Attributes) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(attributes)), neverSent)
}

// resourceOf nests attributes into a resource and names its schemas. Values that are nil are given to clear, or left out where clear is nil.
func resourceOf(attributes connector.Attributes, clear func(path string) any) map[string]any {
	resource := map[string]any{}
	for _, path := range paths(attributes) {
		switch value := attributes[path]; {
		case value != nil:
			put(resource, path, value)
		case clear != nil:
			put(resource, path, clear(path))
		}
	}
	resource["schemas"] = schemasOf(resource)
	return resource
}

// schemasOf returns the core schema and the URNs of the extensions that the resource carries.
func schemasOf(resource map[string]any) []any {
	schemas := []any{schemaUser}
	for _, key := range slices.Sorted(maps.Keys(resource)) {
		if strings.HasPrefix(strings.ToLower(key), "urn:") {
			schemas = append(schemas, key)
		}
	}
	return schemas
}

// multiValued are the attributes of RFC 7643 4.1.2 whose value is a list.
var multiValued = map[string]bool{
	"emails": true, "phonenumbers": true, "ims": true, "photos": true, "addresses": true, "entitlements": true, "roles": true, "x509certificates": true,
}

// emptyValue is the value by which an app that leaves alone what is missing is told to clear an attribute.
func emptyValue(path string) any {
	urn, names := connector.SplitPath(path)
	if urn == "" && len(names) == 1 {
		switch name := strings.ToLower(names[0]); {
		case multiValued[name]:
			return []any{}
		case name == "name":
			return map[string]any{}
		}
	}
	return ""
}

func nullValue(string) any { return nil }
