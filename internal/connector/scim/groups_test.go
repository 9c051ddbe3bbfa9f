// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

// groupVariant is an app and the way its groups are spoken of.
type groupVariant struct {
	flavour fakeapp.Flavour
	profile string
	change  func(*profiles.Profile)
	// rename are the calls of a new name, and both those of a removal beside another change: a PATCH each.
	rename, both []string
}

func groupVariants() map[string]groupVariant {
	return map[string]groupVariant{
		"RFC 7644": {
			flavour: fakeapp.Generic, profile: "generic",
			rename: []string{fakeapp.GroupsPatch}, both: []string{fakeapp.GroupsPatch, fakeapp.GroupsPatch},
		},
		"generic with PUT": {
			flavour: fakeapp.Generic, profile: "generic", change: func(p *profiles.Profile) { p.SCIM.GroupPatch = profiles.GroupPut },
			rename: []string{fakeapp.GroupsGet, fakeapp.GroupsReplace}, both: []string{fakeapp.GroupsGet, fakeapp.GroupsReplace},
		},
		"R-Service": {
			flavour: fakeapp.RService, profile: "r-service",
			rename: []string{fakeapp.GroupsReplace}, both: []string{fakeapp.GroupsGet, fakeapp.GroupsReplace},
		},
		"R-Service in the manner of SCIM 1.1": {
			flavour: fakeapp.RService, profile: "r-service", change: func(p *profiles.Profile) { p.SCIM.GroupPatch = profiles.GroupPatchSCIM11 },
			rename: []string{fakeapp.GroupsPatch}, both: []string{fakeapp.GroupsPatch, fakeapp.GroupsPatch},
		},
	}
}

// people puts n accounts into the app and returns them as members.
func people(t *testing.T, app *fakeapp.App, n int) []connector.Member {
	t.Helper()
	seed(t, app, n)
	var members []connector.Member
	for _, user := range app.Users() {
		members = append(members, connector.Member{ID: user.ID})
	}
	return members
}

func wantMembers(t *testing.T, app *fakeapp.App, displayName string, want ...connector.Member) {
	t.Helper()
	group, ok := app.Group(displayName)
	if !ok {
		t.Fatalf("the app has no group %s", displayName)
	}
	var ids []string
	for _, member := range want {
		ids = append(ids, member.ID)
	}
	slices.Sort(ids)
	if diff := cmp.Diff(ids, group.Members); diff != "" {
		t.Errorf("members of %s (-want +got):\n%s", displayName, diff)
	}
}

func TestGroupLifeCycle(t *testing.T) {
	for name, v := range groupVariants() {
		t.Run(name, func(t *testing.T) {
			app := startApp(t, v.flavour)
			profile := profileOf(t, v.profile)
			if v.change != nil {
				v.change(&profile)
			}
			c := connect(t, app, profile)
			ctx := t.Context()
			m := people(t, app, 5)

			if found, err := c.FindGroups(ctx, "Sales"); err != nil || len(found) != 0 {
				t.Fatalf("before: FindGroups = %v, %v", found, err)
			}
			created, err := c.CreateGroup(ctx, connector.Group{DisplayName: "Sales", ExternalID: "g1", Members: m[:2]})
			if err != nil || created.ID == "" {
				t.Fatalf("CreateGroup = %+v, %v", created, err)
			}
			wantMembers(t, app, "Sales", m[:2]...)
			_, err = c.CreateGroup(ctx, connector.Group{DisplayName: "Sales"})
			wantKind(t, err, connector.Conflict)

			found, err := c.FindGroups(ctx, "sales")
			if err != nil || len(found) != 1 || found[0].ID != created.ID {
				t.Fatalf("after: FindGroups = %v, %v", found, err)
			}
			// An admin of the app adds a member that we know nothing of.
			if err := app.SetMembers("Sales", m[0].ID, m[1].ID, m[4].ID); err != nil {
				t.Fatal(err)
			}
			app.ResetCalls()

			update := func(change connector.GroupChange, calls []string) {
				t.Helper()
				if _, err := c.UpdateGroup(ctx, created.ID, change); err != nil {
					t.Fatalf("UpdateGroup: %v", err)
				}
				wantCalls(t, app, calls...)
			}
			update(connector.GroupChange{Add: m[2:4], Remove: m[:1]}, v.both)
			wantMembers(t, app, "Sales", m[1], m[2], m[3], m[4])
			update(connector.GroupChange{DisplayName: "Sales EMEA"}, v.rename)
			wantMembers(t, app, "Sales EMEA", m[1], m[2], m[3], m[4])
			update(connector.GroupChange{DisplayName: "Sales", Remove: m[2:4]}, v.both)
			wantMembers(t, app, "Sales", m[1], m[4])
			// Once more: adding who is there and removing who is not changes nothing.
			update(connector.GroupChange{Add: m[1:2], Remove: m[2:4]}, v.both)
			wantMembers(t, app, "Sales", m[1], m[4])
			update(connector.GroupChange{}, nil)

			read, err := c.GetGroup(ctx, created.ID)
			if err != nil || !read.MembersKnown || len(read.Members) != 2 || read.ExternalID != "g1" {
				t.Errorf("GetGroup = %+v, %v", read, err)
			}
			app.ResetCalls()
			if _, err := c.UpdateGroup(ctx, created.ID, connector.GroupChange{DisplayName: "Sales", Want: m[2:3]}); err != nil {
				t.Fatal(err)
			}
			wantMembers(t, app, "Sales", m[2])
			if _, err := c.UpdateGroup(ctx, created.ID, connector.GroupChange{DisplayName: "Sales", Want: []connector.Member{}}); err != nil {
				t.Fatal(err)
			}
			wantMembers(t, app, "Sales")
			if err := c.DeleteGroup(ctx, created.ID); err != nil {
				t.Errorf("DeleteGroup: %v", err)
			}
			if err := c.DeleteGroup(ctx, created.ID); err != nil && !connector.Is(err, connector.NotFound) {
				t.Errorf("deleting it again: %v", err)
			}
		})
	}
}

func TestMembersAreUnknownWhereAListDoesNotShowThem(t *testing.T) {
	app := startApp(t, fakeapp.RService)
	m := people(t, app, 3)
	if _, err := app.AddGroup("IT", "Organization"); err != nil {
		t.Fatal(err)
	}
	if err := app.SetMembers("IT", m[0].ID); err != nil {
		t.Fatal(err)
	}
	c := connect(t, app, profileOf(t, "r-service"))
	found, err := c.FindGroups(t.Context(), "IT")
	if err != nil || len(found) != 1 || found[0].MembersKnown {
		t.Fatalf("FindGroups = %+v, %v: members are not shown", found, err)
	}
	read, err := c.GetGroup(t.Context(), found[0].ID)
	if err != nil || !read.MembersKnown || len(read.Members) != 1 {
		t.Fatalf("GetGroup = %+v, %v", read, err)
	}
	// The vendor's own attribute survives the PUT.
	if _, err := c.UpdateGroup(t.Context(), read.ID, connector.GroupChange{Add: m[1:]}); err != nil {
		t.Fatal(err)
	}
	group, _ := app.Group("IT")
	if group.Attributes["groupType"] != "Organization" || len(group.Members) != 3 {
		t.Errorf("group = %+v", group)
	}
}

func TestAnAppThatNeverShowsMembersIsGivenTheWholeMembership(t *testing.T) {
	app := startApp(t, fakeapp.RService)
	m := people(t, app, 3)
	c := connect(t, app, profileOf(t, "r-service", func(p *profiles.Profile) { p.SCIM.GroupReadShowsMembers = false }))
	created, err := c.CreateGroup(t.Context(), connector.Group{DisplayName: "IT"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.UpdateGroup(t.Context(), created.ID, connector.GroupChange{Add: m[:1]})
	wantKind(t, err, connector.Unsupported)
	if _, err := c.UpdateGroup(t.Context(), created.ID, connector.GroupChange{Add: m[:1], Want: m[:2]}); err != nil {
		t.Fatal(err)
	}
	wantMembers(t, app, "IT", m[:2]...)
}

func TestLargeChangesAreSplit(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	m := people(t, app, 23)
	c := connect(t, app, profileOf(t, "generic", func(p *profiles.Profile) { p.SCIM.MaxMembers = 10 }))
	created, err := c.CreateGroup(t.Context(), connector.Group{DisplayName: "All", Members: m})
	if err != nil {
		t.Fatal(err)
	}
	wantCalls(t, app, fakeapp.GroupsCreate, fakeapp.GroupsPatch, fakeapp.GroupsPatch)
	wantMembers(t, app, "All", m...)
	if _, err := c.UpdateGroup(t.Context(), created.ID, connector.GroupChange{DisplayName: "Few", Remove: m[:15]}); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, app, fakeapp.GroupsPatch, fakeapp.GroupsPatch, fakeapp.GroupsPatch)
	wantMembers(t, app, "Few", m[15:]...)
	if _, err := c.UpdateGroup(t.Context(), created.ID, connector.GroupChange{Want: m[3:]}); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, app, fakeapp.GroupsPatch, fakeapp.GroupsPatch)
	wantMembers(t, app, "Few", m[3:]...)
}

func TestRemovalByValueList(t *testing.T) {
	c := &Connector{profile: profileOf(t, "generic", func(p *profiles.Profile) {
		p.SCIM.MemberRemoval, p.SCIM.MemberDisplay = profiles.RemoveByValueList, true
	})}
	got := c.removal([]connector.Member{{ID: "1", Display: "Ann"}, {ID: "2"}})
	want := []any{map[string]any{"op": "remove", "path": "members", "value": []member{
		{Value: "1", Display: "Ann"}, {Value: "2"},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

func TestAnAppWithoutGroupsIsNotAsked(t *testing.T) {
	app := startApp(t, fakeapp.CommonRoom)
	c := connect(t, app, profileOf(t, "common-room"))
	ctx := t.Context()
	_, find := c.FindGroups(ctx, "x")
	_, get := c.GetGroup(ctx, "x")
	_, create := c.CreateGroup(ctx, connector.Group{DisplayName: "x"})
	_, update := c.UpdateGroup(ctx, "x", connector.GroupChange{DisplayName: "y"})
	for i, err := range []error{find, get, create, update, c.DeleteGroup(ctx, "x")} {
		t.Run(fmt.Sprint(i), func(t *testing.T) { wantKind(t, err, connector.Unsupported) })
	}
	wantCalls(t, app)
}
