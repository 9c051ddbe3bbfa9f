// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// Path is a parsed attribute path (RFC 7644 3.5.2): attr, attr.sub, attr[filter], attr[filter].sub, each with or without a schema URN; or an extension's URN
// alone.
type Path struct{ skeleton int }

// ParsePath parses a path against the schemas of a resource type. Errors are 400 invalidPath with the position. Unknown attributes need the tolerance
// UnknownAttributes.
func ParsePath(s string, rt *ResourceType, o Options) (*Path, error) { panic("skeleton") }

// String gives the path in canonical spelling. Parsing it gives an equal path.
func (p *Path) String() string { panic("skeleton") }
