// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package providers

import (
	"fmt"
	"strings"
	"testing"
)

// The tests of this file are those of the failures that are about users, lists and errors. C21, paging while others delete, is tested where paging is:
// docs/complaints.md says by what.

func TestC13ManagerInEveryFormIsAnObject(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	boss, kim := p.newEntraUser("boss@corp.test"), p.newEntraUser("kim@corp.test")
	set := func(op, path, value string) *answer {
		t.Helper()
		return p.patchUser(kim, fmt.Sprintf(`{"op": %q, "path": %q, "value": %s}`, op, path, value)).want(200)
	}
	for _, form := range []struct{ path, value, strictly string }{
		{enterprise + ":manager", `"` + boss + `"`, "invalidValue"},
		{"manager", `[{"$ref": null, "value": "` + boss + `"}]`, "invalidPath"},
		{enterprise + ":manager", `[{"$ref": "http://scim/Users/x", "value": "` + boss + `"}]`, "invalidValue"},
		{enterprise + ":manager", `{"value": "` + boss + `"}`, ""},
	} {
		set("Add", form.path, form.value).has("enterprise.manager.value", boss)
		if manager := p.User(t, kim).Spec.Enterprise.Manager; manager == nil || manager.Value != boss {
			t.Errorf("stored: %+v", manager)
		}
		p.writesNothing("the same manager again", kim, func() { set("Replace", form.path, form.value) })
		for _, nobody := range []string{`""`, `null`} {
			set("Replace", form.path, nobody).has("enterprise.manager", nil)
			set("Add", form.path, form.value).has("enterprise.manager.value", boss)
		}
		p.patchUser(kim, fmt.Sprintf(`{"op": "Remove", "path": %q}`, form.path)).want(200).has("enterprise.manager", nil)
		if e := p.User(t, kim).Spec.Enterprise; e != nil && e.Manager != nil {
			t.Errorf("stored: %+v", e.Manager)
		}
		strictly := p.strictPatch("/Users/"+boss, fmt.Sprintf(`{"op": "add", "path": %q, "value": %s}`, form.path, form.value))
		if form.strictly == "" {
			strictly.want(200)
		} else {
			strictly.refused(400, form.strictly, "manager")
		}
	}
	p.needed("ArrayForSingle", "ComplexAsString", "EmptyStringClears", "OperationCase", "UnknownSchemas", "UnqualifiedExtension")
}

func TestC14NewUserNameOrEmailKeepsTheID(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	id := p.newUser("kim@corp.test")
	put := strings.Replace(oktaUser, "POST /Users", "PUT /Users/"+id, 1)
	p.send(put, "userName", "kim.lee@corp.test", "given", "Kim", "family", "Lee").want(200).has("id", id).has("userName", "kim.lee@corp.test").
		has("emails.0.value", "kim.lee@corp.test")
	p.send("GET /Users").finds(id)
	p.send(oktaLookup, "userName", "kim@corp.test").rows(0)
	p.send(oktaLookup, "userName", "kim.lee@corp.test").finds(id)
	if name := p.User(t, id).Spec.UserName; name != "kim.lee@corp.test" {
		t.Errorf("stored as %s", name)
	}
	// The name that became free is free at once.
	if other := p.newUser("kim@corp.test"); other == id {
		t.Error("an id was given twice")
	}
}

func TestC15StringBooleansOnBooleanAttributesOnly(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	a := p.send(`POST /Users

{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "True", "title": "False", "active": "TRUE",
  "emails": [{"type": "work", "value": "true", "primary": "True"}]
}`).want(201).has("userName", "True").has("title", "False").has("active", true).has("emails.0.value", "true").has("emails.0.primary", true)
	p.storesUser(a.id(), `{"userName": "True", "title": "False", "active": true, "emails": [{"type": "work", "value": "true", "primary": true}]}`)
	p.patchUser(a.id(), `{"op": "Replace", "path": "active", "value": "False"}`, `{"op": "Replace", "path": "title", "value": "True"}`).want(200).
		has("active", false).has("title", "True")
	p.patchUser(a.id(), `{"op": "Replace", "path": "active", "value": "no"}`).refused(400, "invalidValue", "active")
}

func TestC16QualifiedCoreAttributes(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	id := p.newEntraUser("kim@corp.test")
	const query = "GET /Users?filter=urn:ietf:params:scim:schemas:core:2.0:User:userName%20eq%20%22kim@corp.test%22"
	p.send(query).finds(id)
	p.strictly(query).finds(id)
	const operation = `{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:name.familyName", "value": "Ruiz"}`
	p.patchUser(id, operation).want(200).has("name.familyName", "Ruiz")
	p.strictPatch("/Users/"+id, operation).want(200)
	if name := p.User(t, id).Spec.Name; name.FamilyName != "Ruiz" || name.GivenName != "Kim" {
		t.Errorf("stored: %+v", name)
	}
}

func TestC17FiltersOnSubAttributesAndNames(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	id := p.newEntraUser("kim@corp.test")
	p.newEntraUser("lou@corp.test")
	group := p.newGroup("eng", id)
	p.newGroup("sales")
	const byEmail = "GET /Users?filter=emails%5Btype%20eq%20%22{{type}}%22%5D.value%20eq%20%22kim%40corp.test%22"
	eventually(t, "the user is found by its address", func() bool { return p.send(byEmail, "type", "work").want(200).get("totalResults") == float64(1) })
	p.send(byEmail, "type", "work").finds(id)
	p.send(byEmail, "type", "home").rows(0)
	p.send("GET /Groups?filter=displayName%20eq%20%22ENG%22").finds(group)
}

func TestC18FilterOnAnUnknownAttributeIsNeverASilentEmptyAnswer(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	p.newUser("kim@corp.test")
	for _, filter := range []string{"shoeSize%20eq%20%2244%22", "emails.shoe%20eq%20%22x%22", "userName%20like%20%22x%22", "urn:corp:x:1.0:User:desk%20eq%20%22x%22"} {
		p.send("GET /Users?filter="+filter).refused(400, "invalidFilter", "position")
	}
}

func TestC19WhatWasWrittenIsRead(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	for i := range 10 {
		name := fmt.Sprintf("user%d@corp.test", i)
		id := p.newUser(name)
		p.send(oktaLookup, "userName", name).finds(id)
		p.send("GET /Users/" + id).want(200)
		p.send("GET /Users?count=0").rows(i + 1)
		group := p.newGroup("group "+name, id)
		p.send("GET /Groups?filter=displayName%20eq%20%22" + strings.ReplaceAll("group "+name, " ", "%20") + "%22").finds(group)
		p.hasMembers(group, id)
	}
}

// TestC20LookupsAreIndexed counts what a look-up asks of the API server: a constant, and never a list. Its time at 100,000 users is in docs/performance.md.
func TestC20LookupsAreIndexed(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	const users, lookups = 100, 50
	for i := range users {
		p.newUser(fmt.Sprintf("user%d@corp.test", i))
	}
	calls := requests.in(p.Namespace)
	for i := range lookups {
		p.send(oktaLookup, "userName", fmt.Sprintf("USER%d@corp.test", i*users/lookups)).rows(1)
	}
	for what, n := range requests.in(p.Namespace) {
		n -= calls[what]
		if strings.HasPrefix(what, "LIST scim") && n > 0 || strings.HasPrefix(what, "GET scim") && n > 2*lookups {
			t.Errorf("%d look-ups made %d x %s", lookups, n, what)
		}
	}
}

func TestC22EveryErrorHasTheSCIMBody(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	id := p.newUser("kim@corp.test")
	p.failingLogIn("GET /Users\nAuthorization: Bearer wrong-token-0123456789").refused(401, "")
	for _, test := range []struct {
		request  string
		status   int
		scimType string
	}{
		{"GET /Schemas?filter=id%20pr", 403, ""},
		{"GET /Users/nobody", 404, ""},
		{"GET /Nothing", 404, ""},
		{"POST /Schemas\n\n{}", 405, ""},
		{"DELETE /Users", 405, ""},
		{"POST /Users\n\n{", 400, "invalidSyntax"},
		{"POST /Users\n\n[]", 400, "invalidSyntax"},
		{"GET /Users?filter=userName", 400, "invalidFilter"},
		{"POST /Users\n\n" + strings.SplitN(oktaUser, "\n\n", 2)[1], 409, "uniqueness"},
		{"PUT /Users/" + id + "\nIf-Match: W/\"0\"\n\n" + strings.SplitN(oktaUser, "\n\n", 2)[1], 412, ""},
		{"POST /Users\n\n{\"userName\": \"" + strings.Repeat("x", 1<<20) + "\"}", 413, ""},
		{"POST /Users\nContent-Type: text/plain\n\n{}", 415, ""},
	} {
		p.sendTo(clientName, test.request, "userName", "kim@corp.test", "given", "Kim", "family", "Lee").refused(test.status, test.scimType)
	}
	// 500, 501 and 503 are in internal/server: TestPanicIsAnsweredAndLoggedWithoutItsValue, TestAPIServerThatIsAwayIs503.
}
