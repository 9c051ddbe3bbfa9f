// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

func TestOktaTestsTheConnection(t *testing.T) {
	e := start(t, "okta")
	for _, path := range []string{"/Users?startIndex=1&count=2", "/Users?startIndex=1&count=1", "/Groups?startIndex=1&count=100"} {
		a := e.do("GET", path, "")
		a.rows(0)
		a.has(float64(1), "startIndex")
		if !strings.Contains(a.raw, `"Resources":[]`) {
			t.Errorf("%s: no empty array in %s", path, a.raw)
		}
	}
}

func TestOktaLooksUpThenCreates(t *testing.T) {
	e := start(t, "okta")
	e.do("GET", "/Users"+filter(`userName eq "Kim@corp.test"`), "").rows(0)

	// Okta sends application/json on POST.
	body := fill(oktaNewUser, "userName", "Kim@corp.test", "givenName", "Kim", "familyName", "Lee")
	a := e.do("POST", "/Users", body, "Content-Type", "application/json").want(201)
	id := a.id()
	location := e.base + "/Users/" + id
	if got := a.header.Get("Location"); got != location {
		t.Errorf("Location %q, want %q", got, location)
	}
	a.has(location, "meta", "location").has("User", "meta", "resourceType").has("Kim@corp.test", "userName").has(true, "active").
		has("Kim", "name", "givenName").has("Kim@corp.test", "emails", 0, "value").has("00u-Kim@corp.test", "externalId").has("en-US", "locale")
	if a.header.Get("ETag") == "" || a.header.Get("ETag") != a.get("meta", "version") {
		t.Errorf("ETag %q, meta.version %v", a.header.Get("ETag"), a.get("meta", "version"))
	}

	// A userName has no letter case.
	found := e.do("GET", "/Users"+filter(`userName eq "kim@CORP.test"`), "")
	found.rows(1)
	found.has(id, "Resources", 0, "id")
	e.do("GET", "/Users/"+id, "").want(200).has(location, "meta", "location")
	e.writesNothing("a second POST", func() {
		e.do("POST", "/Users", strings.ReplaceAll(body, "Kim@", "KIM@")).refused(409, "uniqueness", "userName")
	})
}

func TestOktaPasswordReachesNothing(t *testing.T) {
	e := start(t, "okta")
	a := e.do("POST", "/Users", fill(oktaNewUser, "userName", "kim@corp.test", "givenName", "Kim", "familyName", "Lee")).want(201)
	id := a.id()
	e.writesNothing("password sync", func() { e.do("PATCH", "/Users/"+id, oktaPasswordSync).want(200) })
	asked := e.do("GET", "/Users/"+id+"?attributes=userName,password", "").want(200)

	var users v1alpha1.ScimUserList
	if err := e.admin.List(t.Context(), &users, client.InNamespace(e.namespace)); err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(users)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"the answer": a.raw, "the answer to attributes=password": asked.raw, "the objects": string(stored), "the log": e.logs.String(),
	} {
		for _, secret := range []string{"1mz050nq", "n3w-secret", `"password"`} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has %s: %s", what, secret, text)
			}
		}
	}
}

func TestOktaUpdatesAProfileByGetAndPut(t *testing.T) {
	e := start(t, "okta")
	id := e.newUser("kim@corp.test")
	group := e.newGroup("eng", id)
	eventually(t, "the user's groups are derived", func() bool { return e.do("GET", "/Users/"+id, "").want(200).get("groups", 0, "value") == group })

	// Okta merges its changes into our body and sends all of it back.
	got := e.do("GET", "/Users/"+id, "").want(200)
	if ref := got.get("groups", 0, "$ref"); ref != e.base+"/Groups/"+group {
		t.Errorf("groups.$ref is %v", ref)
	}
	got.body["name"] = map[string]any{"givenName": "Kim", "familyName": "Ruiz"}
	put, err := json.Marshal(got.body)
	if err != nil {
		t.Fatal(err)
	}
	a := e.do("PUT", "/Users/"+id, string(put)).want(200)
	a.has("Ruiz", "name", "familyName").has(id, "id").has("kim@corp.test", "userName").has("00u-kim@corp.test", "externalId")
	if a.header.Get("ETag") == got.header.Get("ETag") {
		t.Error("the ETag did not change")
	}
	e.writesNothing("the same PUT again", func() { e.do("PUT", "/Users/"+id, string(put)).want(200).has("Ruiz", "name", "familyName") })
}

func TestOktaDeactivatesAndReactivatesByPathlessPatch(t *testing.T) {
	e := start(t, "okta")
	id := e.newUser("kim@corp.test")
	off, on := fill(oktaSetActive, "active", "false"), fill(oktaSetActive, "active", "true")
	e.do("PATCH", "/Users/"+id, off).want(200).has(false, "active").has(id, "id")
	e.writesNothing("a second deactivation", func() { e.do("PATCH", "/Users/"+id, off).want(200).has(false, "active") })
	e.do("GET", "/Users/"+id, "").want(200).has(false, "active")
	e.do("PATCH", "/Users/"+id, on).want(200).has(true, "active").has(id, "id")
}

func TestOktaWizardAppDeactivatesByPut(t *testing.T) {
	e := start(t, "okta-aiw")
	id := e.newUser("kim@corp.test")
	for _, active := range []bool{false, true} {
		got := e.do("GET", "/Users/"+id, "").want(200)
		got.body["active"] = active
		put, err := json.Marshal(got.body)
		if err != nil {
			t.Fatal(err)
		}
		e.do("PUT", "/Users/"+id, string(put)).want(200).has(active, "active").has(id, "id")
		e.do("GET", "/Users/"+id, "").want(200).has(active, "active")
	}
}

func TestOktaPushesAGroup(t *testing.T) {
	e := start(t, "okta")
	kim, lou := e.newUser("kim@corp.test"), e.newUser("lou@corp.test")
	a := e.do("POST", "/Groups", fill(oktaNewGroup, "displayName", "eng")).want(201)
	id := a.id()
	if got := a.header.Get("Location"); got != e.base+"/Groups/"+id {
		t.Errorf("Location %q", got)
	}
	e.do("POST", "/Groups", fill(oktaNewGroup, "displayName", "Eng")).refused(409, "uniqueness", "displayName")

	rename := fill(oktaRenameGroup, "id", id, "displayName", "eng")
	e.writesNothing("the rename that changes nothing", func() { e.do("PATCH", "/Groups/"+id, rename).want(204) })
	e.do("PATCH", "/Groups/"+id, fill(oktaAddMember, "add", kim)).want(204)
	e.wantMembers(id, kim)
	e.do("PATCH", "/Groups/"+id, fill(oktaChangeMembers, "remove", kim, "add", lou)).want(204)
	e.wantMembers(id, lou)
	e.writesNothing("the rename again", func() { e.do("PATCH", "/Groups/"+id, rename).want(204) })

	shown := e.do("GET", "/Groups/"+id, "").want(200)
	shown.has(e.base+"/Users/"+lou, "members", 0, "$ref").has("eng", "displayName")
	e.do("DELETE", "/Groups/"+id, "").want(204)
	e.do("GET", "/Groups/"+id, "").refused(404, "")
	e.do("GET", "/Groups"+filter(`displayName eq "eng"`), "").rows(0)
}

func TestOktaRenamesAGroup(t *testing.T) {
	e := start(t, "okta")
	kim := e.newUser("kim@corp.test")
	id := e.newGroup("eng", kim)
	e.do("PATCH", "/Groups/"+id, fill(oktaRenameGroup, "id", id, "displayName", "engineering")).want(204)
	e.do("GET", "/Groups/"+id, "").want(200).has("engineering", "displayName")
	e.wantMembers(id, kim)
	found := e.do("GET", "/Groups"+filter(`displayName eq "engineering"`), "")
	found.rows(1)
	found.has(id, "Resources", 0, "id")
	e.writesNothing("a PATCH with another id", func() {
		e.do("PATCH", "/Groups/"+id, fill(oktaRenameGroup, "id", "another", "displayName", "x")).refused(400, "mutability", "id")
	})
}

func TestOktaWizardAppPutsAGroupWhole(t *testing.T) {
	e := start(t, "okta-aiw")
	kim, lou := e.newUser("kim@corp.test"), e.newUser("lou@corp.test")
	id := e.newGroup("eng", kim)
	e.wantMembers(id, kim)
	put := fill(aiwPutGroup, "id", id, "displayName", "eng", "members", memberList(kim, lou))
	e.do("PUT", "/Groups/"+id, put).want(200).has(id, "id")
	e.wantMembers(id, kim, lou)
	e.writesNothing("the same PUT again", func() { e.do("PUT", "/Groups/"+id, put).want(200) })
	e.do("PUT", "/Groups/"+id, fill(aiwPutGroup, "id", id, "displayName", "eng2", "members", memberList(lou))).want(200).has("eng2", "displayName")
	e.wantMembers(id, lou)
	e.do("PUT", "/Groups/"+id, fill(oktaNewGroup, "displayName", "eng2")).want(200)
	e.wantMembers(id)
}

func TestOktaImportsPageByPage(t *testing.T) {
	e := start(t, "okta")
	want := map[string]bool{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		want[e.newUser(name+"@corp.test")] = true
	}
	seen := map[string]bool{}
	for _, page := range []struct {
		query string
		rows  int
	}{{"?startIndex=1&count=2", 2}, {"?startIndex=3&count=2", 2}, {"?startIndex=5&count=2", 1}, {"?startIndex=6&count=2", 0}, {"?count=0", 0}} {
		a := e.do("GET", "/Users"+page.query, "")
		rows := a.rows(len(want))
		if len(rows) != page.rows {
			t.Errorf("%s: %d rows, want %d", page.query, len(rows), page.rows)
		}
		for i := range rows {
			id, _ := a.get("Resources", i, "id").(string)
			if seen[id] || !want[id] {
				t.Errorf("%s: the row %s is seen twice or unknown", page.query, id)
			}
			seen[id] = true
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d of %d users were seen", len(seen), len(want))
	}
}

func TestOktaNeverNeedsMoreThanARawToken(t *testing.T) {
	e := start(t, "okta")
	e.send("GET", e.base+"/Users?startIndex=1&count=1", "", "Authorization", testToken).rows(0)
}
