// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

// Value reads the attribute at a path (as in connector.Attributes) from a resource as the app gave it. Names ignore letter case.
func Value(resource map[string]any, path string) (value any, ok bool) {
	urn, names := splitPath(path)
	if urn != "" {
		names = append([]string{urn}, names...)
	}
	node := resource
	for i, name := range names {
		value, ok = node[existingKey(node, name)]
		if !ok || i == len(names)-1 {
			return value, ok
		}
		if node, ok = value.(map[string]any); !ok {
			return nil, false
		}
	}
	return nil, false
}
