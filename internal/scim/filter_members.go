// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// MemberIDs gives the ids of members for which the filter asks. If enough is true, then no other member matters: the filter has the same result for a group as for that
// group without its other members. So `members.value eq "x"` can be answered for a large group without loading it.
func (f *Filter) MemberIDs() (ids []string, enough bool) {
	return memberIDs(f.roots.of(GroupType))
}

func memberIDs(n node) (ids []string, enough bool) {
	switch n := n.(type) {
	case *logical:
		for _, sub := range n.nodes {
			more, ok := memberIDs(sub)
			if !ok {
				return nil, false
			}
			ids = append(ids, more...)
		}
		return ids, true
	case *negation:
		return memberIDs(n.node)
	case *presence:
		return nil, n.ref.attr != membersAttribute
	case *comparison:
		if n.ref.attr != membersAttribute {
			return nil, true
		}
		return memberOf(n)
	case *valuePath:
		if n.ref.attr != membersAttribute {
			return nil, true
		}
		return memberOf(n)
	}
	return nil, true
}

// memberOf is for what asks for a member: it has to ask for one id.
func memberOf(n node) (ids []string, enough bool) {
	for _, e := range equalities(nil, "", n) {
		if e.Attribute == "members.value" {
			return []string{e.Value}, true
		}
	}
	return nil, false
}
