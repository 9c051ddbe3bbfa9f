// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// A user's groups are those that have the user as a member, and those that have one of these (RFC 7643 4.1.2), however large they are, and though they go in circles.
func TestAUsersGroupsAreDirectAndIndirect(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	kim := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "kim@corp.test"))).ID()
	other := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "lee@corp.test"))).ID()
	create := func(name string, members ...string) string {
		t.Helper()
		return must[*scim.Resource](t)(d.Create(t.Context(), group(t, name, members...))).ID()
	}
	add := func(to, id string) {
		t.Helper()
		must[*scim.Resource](t)(d.Patch(t.Context(), scim.GroupType, to, addMembers(t, id)))
	}
	team := create("Team", kim)
	// In slices, with the member that counts somewhere in them.
	department := create("Department", append(memberIDs(0, 1200), team)...)
	company := create("Company", department)
	guild := create("Guild", append(memberIDs(0, 1200), kim)...)
	add(team, company) // a circle
	create("Others", other)

	groupsOf := func(id string) map[string]string {
		t.Helper()
		groups := map[string]string{}
		list, _ := must[*scim.Resource](t)(d.Get(t.Context(), scim.UserType, id)).Get("groups").([]any)
		for _, g := range list {
			o := g.(*scim.Object)
			if groups[o.Get("value").(string)] != "" {
				t.Errorf("the group %v is there twice", o.Get("display"))
			}
			groups[o.Get("value").(string)], _ = o.Get("type").(string)
		}
		return groups
	}
	want := map[string]string{team: "direct", guild: "direct", department: "indirect", company: "indirect"}
	eventually(t, "direct and indirect groups", func() bool { return cmp.Equal(groupsOf(kim), want) })

	must[*scim.Resource](t)(d.Patch(t.Context(), scim.GroupType, department, removeMembers(t, team)))
	want = map[string]string{team: "direct", guild: "direct"}
	eventually(t, "groups that are no longer around the team", func() bool { return cmp.Equal(groupsOf(kim), want) })
	wantStatus(t, d.Delete(t.Context(), scim.GroupType, guild), 200)
	delete(want, guild)
	eventually(t, "the group that was deleted", func() bool { return cmp.Equal(groupsOf(kim), want) })
}
