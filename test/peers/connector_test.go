// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	scimconn "github.com/scim-operator/scim-operator/internal/connector/scim"
)

// connect makes a connector of the generic profile, changed.
func (s *scimmy) connect(t *testing.T, change func(*profiles.Profile)) *scimconn.Connector {
	t.Helper()
	profile, _ := profiles.Get("generic")
	change(&profile)
	c, err := scimconn.New(scimconn.Options{
		Profile: profile, BaseURL: s.base + "/scim/v2", Token: scimmyToken, CABundle: s.ca, Limits: connector.Limits{PerSecond: 10_000, Burst: 1000},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestSCIMMYUnderstandsEveryForm has an app that follows the standard take every form in which a profile can have users changed, but for the PATCH without path:
// with that one SCIMMY adds to a list, where RFC 7644 3.5.2.3 replaces it. It is the reason for the generic profile to give paths.
func TestSCIMMYUnderstandsEveryForm(t *testing.T) {
	t.Parallel()
	app := startSCIMMY(t)
	forms := map[string]func(*profiles.Profile){
		"PATCH with paths":          func(*profiles.Profile) {},
		"PUT":                       func(p *profiles.Profile) { p.SCIM.UserUpdate = profiles.Put },
		"PUT and PATCH for the end": func(p *profiles.Profile) { p.SCIM.UserUpdate = profiles.PutForProfilePatchForActive },
	}
	for number, name := range slices.Sorted(maps.Keys(forms)) {
		t.Run(name, func(t *testing.T) {
			changeUser(t, app, app.connect(t, forms[name]), fmt.Sprintf("form.%d@corp.test", number))
		})
	}
}

func changeUser(t *testing.T, app *scimmy, c *scimconn.Connector, userName string) {
	ctx := t.Context()
	attributes := connector.Attributes{
		"userName": userName, "name.givenName": "Ada", "name.familyName": "O'Neil", "title": "Engineer", "nickName": "ada",
		"emails":                       []any{map[string]any{"value": userName, "type": "work", "primary": true}},
		"roles":                        []any{map[string]any{"value": "editor", "primary": true}},
		enterpriseUser + ":department": "Tools", enterpriseUser + ":costCenter": "42",
	}
	created, err := c.CreateUser(ctx, attributes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateUser(ctx, attributes); !connector.Is(err, connector.Conflict) {
		t.Errorf("the second create gives %v", err)
	}
	found, err := c.FindUsers(ctx, "userName", userName)
	if err != nil || len(found) != 1 || found[0].ID != created.ID {
		t.Fatalf("found are %+v, %v", found, err)
	}

	changed := maps.Clone(attributes)
	changed["name.givenName"], changed["roles"] = "Augusta", []any{map[string]any{"value": "viewer", "primary": true}}
	for _, name := range []string{"title", enterpriseUser + ":department"} {
		delete(changed, name)
	}
	if _, err := c.UpdateUser(ctx, created.ID, connector.Change{
		Set:   connector.Attributes{"name.givenName": "Augusta", "roles": changed["roles"]},
		Clear: []string{"title", enterpriseUser + ":department"}, Full: changed,
	}); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"userName": userName, "active": true, "nickName": "ada", "name": map[string]any{"givenName": "Augusta", "familyName": "O'Neil"},
		"emails": attributes["emails"], "roles": changed["roles"], enterpriseUser: map[string]any{"costCenter": "42"},
	}
	wantUser(t, app, created.ID, want)

	if off, err := c.SetActive(ctx, created.ID, false, nil); err != nil || off.Active {
		t.Fatalf("switched off is %+v, %v", off, err)
	}
	want["active"] = false
	wantUser(t, app, created.ID, want)

	changed["displayName"], changed["nickName"] = "Augusta", nil
	if on, err := c.SetActive(ctx, created.ID, true, changed); err != nil || !on.Active {
		t.Fatalf("switched on is %+v, %v", on, err)
	}
	want["active"], want["displayName"] = true, "Augusta"
	delete(want, "nickName")
	wantUser(t, app, created.ID, want)

	if err := c.DeleteUser(ctx, created.ID); err != nil {
		t.Fatal(err)
	}
	// A 404 alone does not show that it is absent: the caller has to look.
	if err := c.DeleteUser(ctx, created.ID); !connector.Is(err, connector.NotFound) {
		t.Errorf("deleting it again gives %v", err)
	}
	if _, err := c.GetUser(ctx, created.ID); !connector.Is(err, connector.NotFound) {
		t.Errorf("a deleted account gives %v", err)
	}
}

func wantUser(t *testing.T, app *scimmy, id string, want map[string]any) {
	t.Helper()
	if diff := cmp.Diff(want, without(app.user(t, id), "id", "meta", "schemas")); diff != "" {
		t.Errorf("the account (-want +got):\n%s", diff)
	}
}

// TestSCIMMYUnderstandsEveryFormOfMembership is the same for groups.
func TestSCIMMYUnderstandsEveryFormOfMembership(t *testing.T) {
	t.Parallel()
	app := startSCIMMY(t)
	for name, form := range map[string]func(*profiles.Profile){
		"removal by a filter in the path": func(*profiles.Profile) {},
		"removal by a list of values":     func(p *profiles.Profile) { p.SCIM.MemberRemoval = profiles.RemoveByValueList },
		"PUT":                             func(p *profiles.Profile) { p.SCIM.GroupPatch = profiles.GroupPut },
		"in pieces":                       func(p *profiles.Profile) { p.SCIM.MaxMembers = 2 },
	} {
		t.Run(name, func(t *testing.T) { changeGroup(t, app.connect(t, form), "Group with "+name) })
	}
}

func changeGroup(t *testing.T, c *scimconn.Connector, name string) {
	ctx := t.Context()
	created, err := c.CreateGroup(ctx, connector.Group{DisplayName: name, ExternalID: "ours", Members: members("a", "b", "c", "d", "e")})
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.FindGroups(ctx, name)
	if err != nil || len(found) != 1 || found[0].ID != created.ID {
		t.Fatalf("found are %+v, %v", found, err)
	}
	for _, step := range []struct {
		change  connector.GroupChange
		name    string
		members []string
	}{
		{connector.GroupChange{Add: members("f", "g"), Remove: members("a", "c", "e")}, name, []string{"b", "d", "f", "g"}},
		{connector.GroupChange{DisplayName: name + " anew"}, name + " anew", []string{"b", "d", "f", "g"}},
		{connector.GroupChange{Want: members("h", "i", "j")}, name + " anew", []string{"h", "i", "j"}},
		{connector.GroupChange{Remove: members("h", "i", "j")}, name + " anew", nil},
		{connector.GroupChange{Add: members("k")}, name + " anew", []string{"k"}},
	} {
		if _, err := c.UpdateGroup(ctx, created.ID, step.change); err != nil {
			t.Fatalf("%+v: %v", step.change, err)
		}
		group, err := c.GetGroup(ctx, created.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := connector.Group{ID: created.ID, DisplayName: step.name, ExternalID: "ours", Members: members(step.members...), MembersKnown: true}
		if diff := cmp.Diff(want, group); diff != "" {
			t.Errorf("after %+v (-want +got):\n%s", step.change, diff)
		}
	}
	if err := c.DeleteGroup(ctx, created.ID); err != nil {
		t.Fatal(err)
	}
	// A 404 alone does not show that it is absent: the caller has to look.
	if err := c.DeleteGroup(ctx, created.ID); !connector.Is(err, connector.NotFound) {
		t.Errorf("deleting it again gives %v", err)
	}
}

func members(ids ...string) []connector.Member {
	var list []connector.Member
	for _, id := range ids {
		list = append(list, connector.Member{ID: id})
	}
	return list
}

// TestSCIMMYIsListedWhole reads all accounts, page by page.
func TestSCIMMYIsListedWhole(t *testing.T) {
	t.Parallel()
	app := startSCIMMY(t)
	c := app.connect(t, func(p *profiles.Profile) { p.SCIM.PageSize = 10 })
	want := map[string]bool{}
	for number := range 55 {
		user, err := c.CreateUser(t.Context(), connector.Attributes{"userName": fmt.Sprintf("row.%d@corp.test", number)})
		if err != nil {
			t.Fatal(err)
		}
		want[user.ID] = true
	}
	got := map[string]bool{}
	if err := c.ListUsers(t.Context(), func(u connector.User) error {
		if got[u.ID] {
			t.Errorf("%s is listed twice", u.ID)
		}
		got[u.ID] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
}
