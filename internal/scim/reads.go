// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "slices"

// Paths lists the canonical names that the filter reads, with their sub-attributes ("meta.version"), each once, in alphabetical order. What stands in brackets comes with
// the attribute before them ("emails.type").
func (f *Filter) Paths() []string {
	names := paths(nil, "", f.roots.first)
	slices.Sort(names)
	return slices.Compact(names)
}

func paths(names []string, prefix string, n node) []string {
	switch n := n.(type) {
	case *logical:
		for _, sub := range n.nodes {
			names = paths(names, prefix, sub)
		}
	case *negation:
		names = paths(names, prefix, n.node)
	case *comparison:
		names = append(names, prefix+n.ref.String())
	case *presence:
		names = append(names, prefix+n.ref.String())
	case *valuePath:
		names = paths(names, n.ref.String()+".", n.node)
	}
	return names
}
