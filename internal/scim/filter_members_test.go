// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"slices"
	"testing"
)

func TestAFilterSaysWhichMembersItNeeds(t *testing.T) {
	for _, tc := range []struct {
		filter string
		ids    []string
		enough bool
	}{
		{`members.value eq "x"`, []string{"x"}, true},
		{`members eq "x"`, []string{"x"}, true},
		{`id eq "g" and members eq "x"`, []string{"x"}, true},
		{`members[value eq "x"]`, []string{"x"}, true},
		{`members[value eq "x" and type eq "Group"]`, []string{"x"}, true},
		{`not (members.value eq "x") or members[value eq "y"]`, []string{"x", "y"}, true},
		{`displayName eq "x"`, nil, true},
		{`displayName pr`, nil, true},
		{`members pr`, nil, false},
		{`members.type eq "Group"`, nil, false},
		{`members.value ne "x"`, nil, false},
		{`members.value sw "x"`, nil, false},
		{`members[type eq "Group"]`, nil, false},
		{`members[value eq "x" or type eq "Group"]`, nil, false},
		{`members[not (value eq "x")]`, nil, false},
		{`members.value eq "x" and members pr`, nil, false},
		{`members.value eq null`, nil, false},
	} {
		f, err := ParseFilter(tc.filter, GroupType)
		if err != nil {
			t.Fatal(err)
		}
		ids, enough := f.MemberIDs()
		if enough != tc.enough || tc.enough && !slices.Equal(ids, tc.ids) {
			t.Errorf("%s: %q, %t", tc.filter, ids, enough)
		}
	}
}

// What MemberIDs says is checked against the evaluation: without the other members the result is the same.
func TestMembersThatAFilterDoesNotNeedDoNotMatter(t *testing.T) {
	members := []Member{{Value: "x"}, {Value: "y", Type: "Group"}, {Value: "z", Type: "User"}}
	for _, text := range []string{
		`members.value eq "x"`, `not (members.value eq "x")`, `members[value eq "y" and type eq "Group"]`, `members[value eq "y" and type eq "User"]`,
		`members.value eq "x" and not (members[value eq "q"])`, `members.value eq "q" or members.value eq "z"`,
	} {
		f, err := ParseFilter(text, GroupType)
		if err != nil {
			t.Fatal(err)
		}
		ids, enough := f.MemberIDs()
		if !enough {
			t.Fatalf("%s needs all", text)
		}
		for mask := range 1 << len(members) {
			all, few := ResourceFromMap(GroupType, map[string]any{"displayName": "g"}), ResourceFromMap(GroupType, map[string]any{"displayName": "g"})
			var have, needed []Member
			for i, m := range members {
				if mask&(1<<i) != 0 {
					have = append(have, m)
					if slices.Contains(ids, m.Value) {
						needed = append(needed, m)
					}
				}
			}
			all.SetMembers(have)
			few.SetMembers(needed)
			if f.Match(all) != f.Match(few) {
				t.Errorf("%s: %v and %v differ", text, have, needed)
			}
		}
	}
}
