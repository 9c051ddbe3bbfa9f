// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

// Value returns the value at a path of an account's attributes (a connector.User's), and whether it has one. Names match without regard to letter case; null,
// "", [] and {} are no values (RFC 7643 2.5).
func Value(attributes map[string]any, path string) (any, bool) {
	var node any = attributes
	for _, name := range keys(path) {
		object, ok := node.(map[string]any)
		if !ok {
			return nil, false
		}
		node = field(object, name)
	}
	if isEmpty(node) {
		return nil, false
	}
	return node, true
}
