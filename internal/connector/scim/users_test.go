// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

// variant is an app and the way it is spoken to.
type variant struct {
	flavour fakeapp.Flavour
	profile string
	change  func(*profiles.Profile)
	// update and off are the calls of a change and of switching off.
	update, off []string
	// keeps: the app stores attributes beyond those of Common Room.
	keeps bool
}

func variants() map[string]variant {
	put := func(p *profiles.Profile) { p.SCIM.UserUpdate = profiles.Put }
	return map[string]variant{
		"generic with PATCH": {
			flavour: fakeapp.Generic, profile: "generic", keeps: true,
			update: []string{fakeapp.UsersPatch}, off: []string{fakeapp.UsersPatch},
		},
		"generic with PATCH without path": {
			flavour: fakeapp.Generic, profile: "generic", keeps: true,
			change: func(p *profiles.Profile) {
				p.SCIM.UserUpdate, p.SCIM.ClearWith = profiles.PatchWithoutPath, profiles.ClearWithNull
			},
			update: []string{fakeapp.UsersPatch}, off: []string{fakeapp.UsersPatch},
		},
		"generic with PUT": {
			flavour: fakeapp.Generic, profile: "generic", change: put, keeps: true,
			update: []string{fakeapp.UsersGet, fakeapp.UsersReplace}, off: []string{fakeapp.UsersGet, fakeapp.UsersReplace},
		},
		"Okta's mixture": {
			flavour: fakeapp.Generic, profile: "generic", keeps: true,
			change: func(p *profiles.Profile) { p.SCIM.UserUpdate = profiles.PutForProfilePatchForActive },
			update: []string{fakeapp.UsersGet, fakeapp.UsersReplace}, off: []string{fakeapp.UsersPatch},
		},
		"R-Service": {
			flavour: fakeapp.RService, profile: "r-service", keeps: true,
			update: []string{fakeapp.UsersReplace}, off: []string{fakeapp.UsersPatch},
		},
		"Common Room": {
			flavour: fakeapp.CommonRoom, profile: "common-room",
			update: []string{fakeapp.UsersPatch}, off: []string{fakeapp.UsersPatch},
		},
	}
}

// eachVariant runs a test against every app and way of speaking.
func eachVariant(t *testing.T, test func(t *testing.T, v variant, app *fakeapp.App, c *Connector)) {
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			app := startApp(t, v.flavour)
			profile := profileOf(t, v.profile)
			if v.change != nil {
				v.change(&profile)
			}
			test(t, v, app, connect(t, app, profile))
		})
	}
}

func TestUserLifeCycle(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant, app *fakeapp.App, c *Connector) {
		ctx := t.Context()
		if found, err := c.FindUsers(ctx, "userName", "jane.doe@corp.test"); err != nil || len(found) != 0 {
			t.Fatalf("before: FindUsers = %v, %v", found, err)
		}
		created := create(t, c, jane(nil))
		if created.ID == "" || created.UserName != "jane.doe@corp.test" || !created.Active {
			t.Fatalf("created = %+v", created)
		}
		found, err := c.FindUsers(ctx, "userName", "Jane.Doe@Corp.test")
		if err != nil || len(found) != 1 || found[0].ID != created.ID {
			t.Fatalf("after: FindUsers = %v, %v", found, err)
		}
		app.ResetCalls()

		updated, err := c.UpdateUser(ctx, created.ID, connector.Change{
			Set:  connector.Attributes{"name.givenName": "Janet"},
			Full: jane(connector.Attributes{"name.givenName": "Janet"}),
		})
		if err != nil || updated.ID != created.ID {
			t.Fatalf("UpdateUser = %+v, %v", updated, err)
		}
		wantCalls(t, app, v.update...)

		off, err := c.SetActive(ctx, created.ID, false, jane(connector.Attributes{"name.givenName": "Janet"}))
		if err != nil || off.Active {
			t.Fatalf("SetActive(false) = %+v, %v", off, err)
		}
		wantCalls(t, app, v.off...)
		if found, err := c.FindUsers(ctx, "userName", "jane.doe@corp.test"); err != nil || len(found) != 1 || found[0].Active {
			t.Fatalf("a deactivated account is found as %v, %v", found, err)
		}
		app.ResetCalls()

		on, err := c.SetActive(ctx, created.ID, true, jane(connector.Attributes{"name.givenName": "J."}))
		if err != nil || !on.Active || on.ID != created.ID {
			t.Fatalf("SetActive(true) = %+v, %v", on, err)
		}
		wantCalls(t, app, v.update...)

		user := stored(t, app, "jane.doe@corp.test")
		want := jane(nil)
		wantAttributes(t, user, map[string]any{
			"userName": want["userName"], "active": true, "emails": want["emails"], "roles": want["roles"],
			"name": map[string]any{"givenName": "J.", "familyName": "Doe"},
		})
		if users := app.Users(); len(users) != 1 {
			t.Errorf("the app has %d accounts, want 1", len(users))
		}
	})
}

func TestActivationTakesAwayWhatIsNil(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant, app *fakeapp.App, c *Connector) {
		if !v.keeps {
			t.Skip("the app stores no such attributes")
		}
		created := create(t, c, jane(connector.Attributes{department: "Sales", "title": "Agent"}))
		if _, err := c.SetActive(t.Context(), created.ID, false, nil); err != nil {
			t.Fatal(err)
		}
		app.ResetCalls()
		on, err := c.SetActive(t.Context(), created.ID, true, jane(connector.Attributes{department: nil, "title": nil}))
		if err != nil || !on.Active {
			t.Fatalf("SetActive(true) = %+v, %v", on, err)
		}
		wantCalls(t, app, v.update...)
		user := stored(t, app, "jane.doe@corp.test")
		for _, path := range []string{department, "title"} {
			if value, there := connector.Value(user.Attributes, path); there {
				t.Errorf("%s is still %v", path, value)
			}
		}
	})
}

func TestUpdateLeavesAloneWhatIsNotMapped(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant, app *fakeapp.App, c *Connector) {
		if !v.keeps {
			t.Skip("the app stores nothing else")
		}
		created := create(t, c, jane(connector.Attributes{department: "Sales", "title": "Agent"}))
		admins := map[string]any{"nickName": "JD", "urn:example:params:scim:Badge": map[string]any{"number": 9007199254740993.0, "color": "red"}}
		if err := app.EditUser(created.UserName, func(attributes map[string]any) {
			for name, value := range admins {
				attributes[name] = value
			}
			attributes["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"].(map[string]any)["division"] = "North"
		}); err != nil {
			t.Fatal(err)
		}
		full := jane(connector.Attributes{department: "Marketing", "title": "Agent"})
		if _, err := c.UpdateUser(t.Context(), created.ID, connector.Change{Set: connector.Attributes{department: "Marketing"}, Full: full}); err != nil {
			t.Fatal(err)
		}
		want := jane(nil)
		wantAttributes(t, stored(t, app, created.UserName), map[string]any{
			"userName": want["userName"], "active": true, "emails": want["emails"], "roles": want["roles"], "title": "Agent",
			"name": map[string]any{"givenName": "Jane", "familyName": "Doe"},
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": map[string]any{"department": "Marketing", "division": "North"},
			"nickName": "JD", "urn:example:params:scim:Badge": admins["urn:example:params:scim:Badge"],
		})
	})
}

func TestUpdateClears(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant, app *fakeapp.App, c *Connector) {
		if !v.keeps {
			t.Skip("the app requires every attribute it stores")
		}
		phones := []any{map[string]any{"value": "+49 30 1234567", "type": "work"}}
		created := create(t, c, jane(connector.Attributes{
			department: "Sales", costCenter: "4711", "title": "Agent", "phoneNumbers": phones, "name.middleName": "Q", "displayName": "Jane Doe",
		}))
		app.ResetCalls()
		// Cleared by name, and by a value of nil.
		change := connector.Change{
			Set:   connector.Attributes{"displayName": nil, costCenter: nil},
			Clear: []string{"title", "phoneNumbers", "name.middleName"},
			Full:  jane(connector.Attributes{department: "Sales"}),
		}
		if _, err := c.UpdateUser(t.Context(), created.ID, change); err != nil {
			t.Fatal(err)
		}
		wantCalls(t, app, v.update...)
		want := jane(nil)
		wantAttributes(t, stored(t, app, created.UserName), map[string]any{
			"userName": want["userName"], "active": true, "emails": want["emails"], "roles": want["roles"],
			"name": map[string]any{"givenName": "Jane", "familyName": "Doe"},
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": map[string]any{"department": "Sales"},
		})
	})
}

func TestAnEmptyChangeWritesNothing(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"))
	created := create(t, c, jane(nil))
	app.ResetCalls()
	if _, err := c.UpdateUser(t.Context(), created.ID, connector.Change{Full: jane(nil)}); err != nil {
		t.Fatal(err)
	}
	if app.Writes() != 0 {
		t.Errorf("%d writes, want none", app.Writes())
	}
}

func TestCreateIsRefusedBeforeTheCall(t *testing.T) {
	app := startApp(t, fakeapp.CommonRoom)
	c := connect(t, app, profileOf(t, "common-room"))
	_, err := c.CreateUser(t.Context(), jane(connector.Attributes{"roles": nil, "name.familyName": ""}))
	e := failureOf(t, err, connector.Invalid)
	if want := "the app requires name.familyName, roles"; e.Detail != want || e.UnknownOutcome() {
		t.Errorf("error = %v, want %q and a known outcome", e, want)
	}
	wantCalls(t, app)
}

func TestCreateNeverSendsWhatTheAppOwnsOrSecrets(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"))
	got := resourceOf(jane(connector.Attributes{"id": "x", "password": "s", "meta": map[string]any{}, "groups": []any{}}), nil)
	for _, name := range []string{"id", "password", "meta", "groups"} {
		if _, sent := got[name]; sent {
			t.Errorf("%s is sent", name)
		}
	}
	create(t, c, jane(nil))
}

func TestConflictsAreRecognised(t *testing.T) {
	eachVariant(t, func(t *testing.T, _ variant, _ *fakeapp.App, c *Connector) {
		create(t, c, jane(nil))
		_, err := c.CreateUser(t.Context(), jane(connector.Attributes{"userName": "JANE.DOE@corp.test"}))
		e := failureOf(t, err, connector.Conflict)
		if e.Scope() != connector.ScopeAccount || e.UnknownOutcome() || e.Retriable() {
			t.Errorf("policy of %v: %s, unknown %t, retriable %t", e, e.Scope(), e.UnknownOutcome(), e.Retriable())
		}
	})
}

func TestInvalidDataIsTheAccountsAndNamesNobody(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"))
	app.Inject(fakeapp.Fault{Op: fakeapp.UsersCreate, Times: 1, Answer: &fakeapp.Answer{
		Status: 400, Body: `{"detail":"Jane Doe <jane.doe@corp.test> has an invalid title with test-token-0123456789"}`,
	}})
	_, err := c.CreateUser(t.Context(), jane(nil))
	e := failureOf(t, err, connector.Invalid)
	if want := "CreateUser: Invalid (status 400)"; e.Error() != want || e.Summary() != want {
		t.Errorf("error = %q, summary = %q, want %q", e.Error(), e.Summary(), want)
	}
	if want := "CreateUser: Invalid (status 400); the app says: *** *** <***> has an invalid title with ***"; e.For(nil) != want {
		t.Errorf("for the user: %q, want %q", e.For(nil), want)
	}
	if strings.Contains(e.AppText, app.Token()) {
		t.Errorf("the app's text has the token: %q", e.AppText)
	}
}

func TestUnknownIDs(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant, _ *fakeapp.App, c *Connector) {
		ctx := t.Context()
		_, err := c.GetUser(ctx, "nobody@corp.test")
		wantKind(t, err, connector.NotFound)
		_, err = c.UpdateUser(ctx, "nobody@corp.test", connector.Change{Set: connector.Attributes{"name.givenName": "X"}})
		if e := failureOf(t, err, connector.NotFound); e.Scope() != connector.ScopeAccount {
			t.Errorf("scope = %s", e.Scope())
		}
		if v.keeps { // Common Room has no DELETE
			wantKind(t, c.DeleteUser(ctx, "nobody@corp.test"), connector.NotFound)
		}
		for _, id := range []string{"", ".", ".."} {
			_, err := c.GetUser(ctx, id)
			wantKind(t, err, connector.Invalid)
		}
	})
}

func TestDelete(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"))
	created := create(t, c, jane(nil))
	if err := c.DeleteUser(t.Context(), created.ID); err != nil || len(app.Users()) != 0 {
		t.Errorf("DeleteUser: %v, %d accounts left", err, len(app.Users()))
	}

	app = startApp(t, fakeapp.CommonRoom)
	c = connect(t, app, profileOf(t, "common-room"))
	created = create(t, c, jane(nil))
	wantKind(t, c.DeleteUser(t.Context(), created.ID), connector.Unsupported)
}

func TestCommonRoomRoles(t *testing.T) {
	app := startApp(t, fakeapp.CommonRoom)
	c := connect(t, app, profileOf(t, "common-room"))
	created := create(t, c, jane(nil))
	role := func(name string) []any { return []any{map[string]any{"value": name, "primary": true}} }
	if _, err := c.UpdateUser(t.Context(), created.ID, connector.Change{Set: connector.Attributes{"roles": role("editor")}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"editor"}, stored(t, app, created.UserName).Roles); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	_, err := c.UpdateUser(t.Context(), created.ID, connector.Change{Set: connector.Attributes{"roles": role("emperor")}})
	wantKind(t, err, connector.Invalid)
}

func TestRServiceCompletesTheBaseURLAndIgnoresLocations(t *testing.T) {
	app := startApp(t, fakeapp.RService)
	for _, suffix := range []string{"", "/", "/scim", "/scim/v2"} {
		t.Run("suffix "+suffix, func(t *testing.T) {
			host := app.URL()[:len(app.URL())-len("/scim/v2")]
			c := connect(t, app, profileOf(t, "r-service"), func(o *Options) { o.BaseURL = host + suffix })
			if err := c.Test(t.Context()); err != nil {
				t.Fatal(err)
			}
			created := create(t, c, jane(connector.Attributes{"userName": fmt.Sprintf("u%d@corp.test", len(suffix))}))
			// meta.location names another host; the account is addressed by base URL and id.
			if _, err := c.GetUser(t.Context(), created.ID); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestFindByOtherAttributes(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"))
	want := create(t, c, jane(connector.Attributes{"externalId": "00u1", department: `R&D "North" \ Süd`}))
	create(t, c, jane(connector.Attributes{"userName": "other@corp.test", "emails": nil, "externalId": "00u2"}))
	for attribute, value := range map[string]string{
		"externalId": "00u1", "emails.value": "JANE.doe@corp.test", "name.familyName": "Doe", department: `R&D "North" \ Süd`,
	} {
		found, err := c.FindUsers(t.Context(), attribute, value)
		if err != nil || len(found) == 0 || found[0].ID != want.ID {
			t.Errorf("by %s: %v, %v", attribute, found, err)
		}
	}
}
