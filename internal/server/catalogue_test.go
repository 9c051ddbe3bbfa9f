// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// offering is an endpoint of a directory with an app "room" of Common Room's three roles, and an app "crm" with two roles of its own.
func offering(t *testing.T) *endpoint {
	t.Helper()
	e := start(t, "okta")
	for name, roles := range map[string]*v1alpha1.AppRoles{"room": nil, "crm": {Allowed: []string{"IT Admin", "user"}}} {
		app := &v1alpha1.ScimApp{ObjectMeta: objectMeta(e.namespace, name), Spec: v1alpha1.ScimAppSpec{
			Profile: "generic", Roles: roles,
			SCIM: v1alpha1.SCIMConnection{BaseURL: "https://app.corp.test/scim/v2", Token: v1alpha1.SecretKeyRef{Name: "token"}},
		}}
		if roles == nil {
			app.Spec.Profile = "common-room"
		}
		e.create(app)
	}
	eventually(t, "the cache has the apps", func() bool {
		var apps v1alpha1.ScimAppList
		err := e.informers.List(t.Context(), &apps, client.InNamespace(e.namespace))
		return err == nil && len(apps.Items) == 2
	})
	return e
}

// ids are those of the rows of a list, in their order.
func (a *answer) ids() []string {
	a.t.Helper()
	a.want(200)
	ids := []string{}
	rows, _ := a.get("Resources").([]any)
	for _, row := range rows {
		ids = append(ids, fmt.Sprint(row.(map[string]any)["id"]))
	}
	if got := a.get("itemsPerPage"); got != float64(len(rows)) {
		a.t.Errorf("%s: itemsPerPage is %v for %d rows", a.what, got, len(rows))
	}
	return ids
}

func (a *answer) hasIDs(total int, want ...string) {
	a.t.Helper()
	if diff := cmp.Diff(want, a.ids(), cmpopts.EquateEmpty()); diff != "" {
		a.t.Errorf("%s: ids (-want +got):\n%s", a.what, diff)
	}
	a.has(float64(total), "totalResults")
}

func TestOktaFindsWhereRolesAndEntitlementsAre(t *testing.T) {
	e := offering(t)
	found := map[string]string{}
	types := e.do("GET", "/ResourceTypes", "").want(200)
	for _, rt := range types.get("Resources").([]any) {
		found[fmt.Sprint(rt.(map[string]any)["schema"])] = fmt.Sprint(rt.(map[string]any)["endpoint"])
	}
	want := map[string]string{
		"urn:ietf:params:scim:schemas:core:2.0:User":  "/Users",
		"urn:ietf:params:scim:schemas:core:2.0:Group": "/Groups",
		"urn:okta:scim:schemas:core:1.0:Role":         "/Roles",
		"urn:okta:scim:schemas:core:1.0:Entitlement":  "/Entitlements",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("resource types (-want +got):\n%s", diff)
	}
	for urn, required := range map[string]string{"Role": "displayName", "Entitlement": "displayName type"} {
		schema := e.do("GET", "/Schemas/urn:okta:scim:schemas:core:1.0:"+urn, "").want(200)
		var names []string
		for _, a := range schema.get("attributes").([]any) {
			attribute := a.(map[string]any)
			if attribute["mutability"] != "readOnly" {
				t.Errorf("%s can be written: %v", urn, attribute)
			}
			if attribute["required"] == true {
				names = append(names, fmt.Sprint(attribute["name"]))
			}
		}
		if got := strings.Join(names, " "); got != required {
			t.Errorf("%s requires %q", urn, got)
		}
		e.do("GET", "/ResourceTypes/"+urn, "").want(200).has("urn:okta:scim:schemas:core:1.0:"+urn, "schema").has(urn, "id").has(urn, "name")
	}
}

func TestRolesAndEntitlementsAreListed(t *testing.T) {
	e := offering(t)
	all := e.do("GET", "/Roles?startIndex=1&count=100", "")
	all.hasIDs(5, "crm.IT~20Admin", "crm.user", "room.editor", "room.owner", "room.viewer")
	all.has("crm: IT Admin", "Resources", 0, "displayName").has("urn:okta:scim:schemas:core:1.0:Role", "Resources", 0, "schemas", 0).
		has(e.base+"/Roles/crm.IT~20Admin", "Resources", 0, "meta", "location").has("Role", "Resources", 0, "meta", "resourceType")
	entitlements := e.do("GET", "/Entitlements", "")
	entitlements.hasIDs(2, "crm", "room")
	entitlements.has("room", "Resources", 1, "displayName").has("Entitlement", "Resources", 1, "type").
		has("An account in the app room (Common Room)", "Resources", 1, "description")

	// By page.
	e.do("GET", "/Roles?startIndex=1&count=2", "").hasIDs(5, "crm.IT~20Admin", "crm.user")
	e.do("GET", "/Roles?startIndex=5&count=2", "").hasIDs(5, "room.viewer")
	e.do("GET", "/Roles?startIndex=6&count=2", "").hasIDs(5)
	e.do("GET", "/Roles?count=0", "").hasIDs(5)

	// What is asked for alone.
	some := e.do("GET", "/Entitlements?attributes=displayName&count=1", "")
	some.hasIDs(2, "crm")
	some.has("crm", "Resources", 0, "displayName").has(nil, "Resources", 0, "description")
}

func TestRolesAreFiltered(t *testing.T) {
	e := offering(t)
	for text, want := range map[string][]string{
		`id eq "room.owner"`:                                             {"room.owner"},
		`id eq "ROOM.owner"`:                                             {}, // an id has a letter case (RFC 7643 3.1)
		`displayName eq "ROOM: Owner"`:                                   {"room.owner"},
		`displayName sw "room" and not (displayName co "editor")`:        {"room.owner", "room.viewer"},
		`urn:okta:scim:schemas:core:1.0:Role:displayName eq "crm: user"`: {"crm.user"},
		`displayName pr`:                                                 {"crm.IT~20Admin", "crm.user", "room.editor", "room.owner", "room.viewer"},
		`displayName eq "no such role"`:                                  {},
	} {
		e.do("GET", "/Roles"+filter(text), "").hasIDs(len(want), want...)
	}
	e.do("GET", "/Entitlements"+filter(`type eq "entitlement" and id eq "crm"`), "").hasIDs(1, "crm")
	e.do("GET", "/Roles"+filter(`userName eq "kim"`), "").refused(400, "invalidFilter", "userName")
	e.do("GET", "/Roles"+filter(`displayName eq`), "").refused(400, "invalidFilter")
}

func TestOneRole(t *testing.T) {
	e := offering(t)
	e.do("GET", "/Roles/crm.IT~20Admin", "").want(200).has("crm: IT Admin", "displayName").has(e.base+"/Roles/crm.IT~20Admin", "meta", "location")
	e.do("GET", "/Roles/"+url.PathEscape("crm.IT~20Admin"), "").want(200)
	e.do("GET", "/Entitlements/room", "").want(200).has("room", "displayName")
	for _, path := range []string{"/Roles/crm.none", "/Roles/room", "/Entitlements/room.owner", "/Roles/going.x"} {
		e.do("GET", path, "").refused(404, "", "no "+strings.ToLower(strings.TrimSuffix(strings.Split(path, "/")[1], "s")))
	}
	e.do("GET", "/Roles/room.owner/more", "").refused(404, "")
}

func TestRolesAndEntitlementsAreReadOnly(t *testing.T) {
	e := offering(t)
	e.writesNothing("writes to the catalogue", func() {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			for _, path := range []string{"/Roles", "/Roles/room.owner", "/Entitlements", "/Entitlements/room"} {
				a := e.do(method, path, `{"displayName":"x"}`)
				a.refused(405, "")
				if got := a.header.Get("Allow"); got != "GET, HEAD" {
					t.Errorf("%s %s: Allow %q", method, path, got)
				}
			}
		}
	})
}

// Roles are those of the client's own directory.
func TestRolesOfAnotherDirectoryAreNotSeen(t *testing.T) {
	offering(t)
	e := start(t, "okta")
	e.do("GET", "/Roles", "").hasIDs(0)
	e.do("GET", "/Entitlements", "").hasIDs(0)
	e.do("GET", "/Roles/room.owner", "").refused(404, "")
}

// What is pushed is stored and answered as sent, whether or not it is in the catalogue.
func TestOktaPushesRolesAndEntitlements(t *testing.T) {
	e := offering(t)
	body := strings.Replace(fill(oktaNewUser, "userName", "kim@corp.test", "givenName", "Kim", "familyName", "Lee"), `{`,
		`{"roles":[{"value":"room.owner","display":"room: owner"}],"entitlements":[{"value":"elsewhere","display":"Elsewhere","type":"License"}],`, 1)
	id := e.do("POST", "/Users", body).want(201).id()
	check := func(a *answer) {
		t.Helper()
		want := map[string]any{
			"roles":        []any{map[string]any{"value": "room.owner", "display": "room: owner"}},
			"entitlements": []any{map[string]any{"value": "elsewhere", "display": "Elsewhere", "type": "License"}},
		}
		got := map[string]any{"roles": a.get("roles"), "entitlements": a.get("entitlements")}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", a.what, diff)
		}
	}
	check(e.do("GET", "/Users/"+id, "").want(200))
	e.writesNothing("the same PUT again", func() { check(e.do("PUT", "/Users/"+id, body).want(200)) })
	found := e.do("GET", "/Users"+filter(`roles[value eq "room.owner"]`), "")
	found.hasIDs(1, id)
}

// Whatever queries of users can do, queries of roles can.
func TestRolesAreSortedPagedAndSearched(t *testing.T) {
	e := offering(t)
	e.do("GET", "/Roles?sortBy=displayName&sortOrder=descending&count=2", "").hasIDs(5, "room.viewer", "room.owner")
	e.do("GET", "/Entitlements?sortBy=description&sortOrder=descending", "").hasIDs(2, "room", "crm")
	e.do("GET", "/Roles?sortBy=userName", "").refused(400, "invalidPath", "userName")

	first := e.do("GET", "/Roles?cursor=&count=3", "")
	if got := first.ids(); len(got) != 3 {
		t.Errorf("the first page has %v", got)
	}
	cursor, _ := first.get("nextCursor").(string)
	last := e.do("GET", "/Roles?cursor="+url.QueryEscape(cursor)+"&count=3", "")
	if diff := cmp.Diff([]string{"room.owner", "room.viewer"}, last.ids()); diff != "" || last.get("nextCursor") != nil {
		t.Errorf("the last page has nextCursor %v, ids (-want +got):\n%s", last.get("nextCursor"), diff)
	}
	e.do("GET", "/Entitlements?cursor="+url.QueryEscape(cursor), "").refused(400, "invalidCursor")

	body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"displayName sw \"room\"","sortBy":"displayName","startIndex":2,"count":1,` +
		`"attributes":["displayName"]}`
	found := e.do("POST", "/Roles/.search", body)
	found.hasIDs(3, "room.owner")
	found.has("room: owner", "Resources", 0, "displayName")

	// A query over all types goes through what identity providers write.
	e.do("GET", "", "").hasIDs(0)
}
