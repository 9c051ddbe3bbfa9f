// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rolemapping

// reach is whom a mapping gives the app, by object name: the members of its groups and those whom its expression selects, who may be many and are not copied.
type reach struct {
	members, selected map[string]bool
}

func (r reach) has(name string) bool { return r.members[name] || r.selected[name] }

// size is how many users there are, each counted once.
func (r reach) size() int {
	size := len(r.selected)
	for name := range r.members {
		if !r.selected[name] {
			size++
		}
	}
	return size
}

// meets is whether a user is in both.
func (r reach) meets(other reach) bool {
	few, many := r, other
	if len(many.members)+len(many.selected) < len(few.members)+len(few.selected) {
		few, many = many, few
	}
	for _, names := range []map[string]bool{few.members, few.selected} {
		for name := range names {
			if many.has(name) {
				return true
			}
		}
	}
	return false
}
