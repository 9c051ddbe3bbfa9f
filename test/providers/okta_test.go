// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package providers

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Okta: SCIM 2.0 protocol reference, concepts/scim, guides scim-provisioning-integration-*. The two families of apps are the dialects okta (from the catalogue:
// PUT for profiles, PATCH for the rest) and okta-aiw (App Integration Wizard: PUT for everything).

// oktaLookup is what comes before each create.
const oktaLookup = `GET /Users?filter=userName%20eq%20%22{{userName}}%22&startIndex=1&count=100`

// oktaUser: a password is always there, a placeholder where password sync is off; so is groups.
const oktaUser = `POST /Users
Content-Type: application/json; charset=utf-8

{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
  "userName": "{{userName}}",
  "name": {"givenName": "{{given}}", "familyName": "{{family}}"},
  "emails": [{"primary": true, "value": "{{userName}}", "type": "work"}],
  "displayName": "{{given}} {{family}}",
  "locale": "en-US",
  "externalId": "00ujl29u0le5T6Aj10h7",
  "groups": [],
  "password": "1mz050nq",
  "active": true
}`

const oktaGroup = `POST /Groups

{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
  "displayName": "{{displayName}}",
  "members": []
}`

// oktaSetActive has no path.
const oktaSetActive = `PATCH /Users/{{id}}

{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  "Operations": [{"op": "replace", "value": {"active": {{active}}}}]
}`

// oktaRenameGroup has no path either, and the group's id. It comes again with every change of the membership.
const oktaRenameGroup = `PATCH /Groups/{{id}}

{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  "Operations": [{"op": "replace", "value": {"id": "{{inValue}}", "displayName": "{{displayName}}"}}]
}`

const oktaAddMembers = `PATCH /Groups/{{id}}

{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  "Operations": [{"op": "add", "path": "members", "value": {{members}}}]
}`

const oktaRemoveMember = `PATCH /Groups/{{id}}

{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  "Operations": [{"op": "remove", "path": "members[value eq \"{{member}}\"]"}]
}`

// oktaChangeMembers is one request with both.
const oktaChangeMembers = `PATCH /Groups/{{id}}

{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  "Operations": [
    {"op": "remove", "path": "members[value eq \"{{remove}}\"]"},
    {"op": "add", "path": "members", "value": [{"value": "{{add}}", "display": "test.user@corp.test"}]}
  ]
}`

// oktaPushGroup is a full push.
const oktaPushGroup = `PATCH /Groups/{{id}}

{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  "Operations": [{"op": "replace", "path": "members", "value": {{members}}}]
}`

// wizardGroup is the only way in which a wizard app changes a group (polis #3136, SimpleIdServer #247).
const wizardGroup = `PUT /Groups/{{id}}

{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
  "id": "{{id}}",
  "displayName": "{{displayName}}",
  "members": {{members}}
}`

// oktaMembers is the list of members as Okta writes it: without type.
func oktaMembers(ids ...string) string {
	list := []map[string]string{}
	for _, id := range ids {
		list = append(list, map[string]string{"value": id, "display": "test.user@corp.test"})
	}
	raw, _ := json.Marshal(list) // strings always marshal
	return string(raw)
}

// newUser pushes a user as Okta does.
func (p *provider) newUser(userName string) string {
	p.t.Helper()
	return p.send(oktaUser, "userName", userName, "given", "Kim", "family", "Lee").want(201).id()
}

// newUsers pushes some.
func (p *provider) newUsers(names ...string) []string {
	p.t.Helper()
	ids := []string{}
	for _, name := range names {
		ids = append(ids, p.newUser(name+"@corp.test"))
	}
	return ids
}

// newGroup pushes a group and its members as Okta does.
func (p *provider) newGroup(displayName string, members ...string) string {
	p.t.Helper()
	id := p.send(oktaGroup, "displayName", displayName).want(201).id()
	if len(members) > 0 {
		p.send(oktaAddMembers, "id", id, "members", oktaMembers(members...)).want(204)
	}
	return id
}

func TestOktaTestsTheConnection(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	for _, request := range []string{
		"GET /Users?startIndex=1&count=2", "GET /Users?startIndex=1&count=1", "GET /Groups?startIndex=1&count=100",
	} {
		a := p.send(request)
		a.rows(0)
		if !strings.Contains(a.has("startIndex", float64(1)).body, `"Resources":[]`) {
			t.Errorf("%s: no empty array in %s", request, a.body)
		}
	}
	p.needed()
}

func TestOktaWithoutBearerInTheHeader(t *testing.T) {
	t.Parallel()
	// "HTTP Header" as authentication mode sends the token as it was entered.
	p := connect(t, "okta-aiw")
	p.headers["Authorization"] = strings.TrimPrefix(p.headers["Authorization"], "Bearer ")
	p.send("GET /Users?startIndex=1&count=2").rows(0)
	p.needed("BareToken")
}

func TestOktaGetsSCIMErrors(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	p.send("GET /Users/00unobody").refused(404, "")
	p.send("GET /Groups/00gnothing").refused(404, "")
	p.failingLogIn("GET /Users?startIndex=1&count=2\nAuthorization: Bearer 0123456789abcdef-wrong").refused(401, "", "token")
	// Okta takes 400 for final and shows the detail to an administrator: it says which attribute, and what to do.
	p.send(oktaUser, "userName", "", "given", "Kim", "family", "Lee").refused(400, "invalidValue", "userName", "mapped")
}

func TestOktaLooksUpThenCreates(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	p.send(oktaLookup, "userName", "Kim@corp.test").rows(0)
	a := p.send(oktaUser, "userName", "Kim@corp.test", "given", "Kim", "family", "Lee").want(201)
	id := a.id()
	a.shows(`{
		"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "Kim@corp.test", "name": {"givenName": "Kim", "familyName": "Lee"},
		"emails": [{"primary": true, "value": "Kim@corp.test", "type": "work"}], "displayName": "Kim Lee", "locale": "en-US",
		"externalId": "00ujl29u0le5T6Aj10h7", "active": true
	}`)
	location := p.base(clientName) + "/Users/" + id
	a.has("meta.location", location).has("meta.resourceType", "User")
	if a.header.Get("Location") != location || a.header.Get("ETag") == "" || a.header.Get("ETag") != a.get("meta.version") {
		t.Errorf("header %v, meta %v", a.header, a.get("meta"))
	}
	p.storesUser(id, `{
		"userName": "Kim@corp.test", "name": {"givenName": "Kim", "familyName": "Lee"}, "displayName": "Kim Lee", "locale": "en-US", "active": true,
		"emails": [{"primary": true, "value": "Kim@corp.test", "type": "work"}], "externalIDs": [{"client": "idp", "id": "00ujl29u0le5T6Aj10h7"}]
	}`)
	// A userName has no letter case.
	p.send(oktaLookup, "userName", "kim@CORP.test").finds(id).has("startIndex", float64(1))
	p.send("GET /Users/"+id).want(200).has("meta.location", location)
	p.writesNothing("a second POST", id, func() {
		p.send(oktaUser, "userName", "KIM@corp.test", "given", "Kim", "family", "Lee").refused(409, "uniqueness", "userName")
	})
	p.needed()
}

func TestOktaPasswordReachesNothing(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	a := p.send(oktaUser, "userName", "kim@corp.test", "given", "Kim", "family", "Lee").want(201)
	id := a.id()
	asked := ""
	p.writesNothing("password sync", id, func() {
		p.send(`PATCH /Users/{{id}}

			{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "value": {"password": "n3w-s3cret"}}]}`, "id", id).want(200)
		asked = p.send("GET /Users/" + id + "?attributes=userName,password").want(200).body
	})
	var users v1alpha1.ScimUserList
	if err := p.Admin.List(t.Context(), &users, client.InNamespace(p.Namespace)); err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(users)
	if err != nil {
		t.Fatal(err)
	}
	log := p.endpoint.Log(1 << 20)
	for what, text := range map[string]string{"the answer": a.body, "the answer to attributes=password": asked, "the objects": string(stored), "the log": log} {
		for _, secret := range []string{"1mz050nq", "n3w-s3cret", `"password"`} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has %s", what, secret)
			}
		}
	}
	if !strings.Contains(log, p.Namespace) {
		t.Error("the log does not have this test's requests")
	}
}

func TestOktaUpdatesAProfileByGetAndPut(t *testing.T) {
	t.Parallel()
	for _, dialect := range []v1alpha1.Dialect{"okta", "okta-aiw"} {
		p := connect(t, dialect)
		id := p.newUser("kim@corp.test")
		group := p.newGroup("eng", id)
		eventually(t, "groups are derived", func() bool { return p.send("GET /Users/"+id).want(200).get("groups.0.value") == group })
		got := p.send("GET /Users/"+id).want(200).has("groups.0.$ref", p.base(clientName)+"/Groups/"+group)
		// Okta merges its changes into our body and sends all of it back: id, meta, groups.
		got.json["name"] = map[string]any{"givenName": "Kim", "familyName": "Ruiz"}
		put := "PUT /Users/" + id + "\n\n" + text(t, got.json)
		changed := p.send(put).want(200).has("name.familyName", "Ruiz").has("id", id).has("userName", "kim@corp.test").has("groups.0.value", group)
		if changed.header.Get("ETag") == got.header.Get("ETag") {
			t.Error("the ETag did not change")
		}
		p.storesUser(id, `{
			"userName": "kim@corp.test", "name": {"givenName": "Kim", "familyName": "Ruiz"}, "displayName": "Kim Lee", "locale": "en-US", "active": true,
			"emails": [{"primary": true, "value": "kim@corp.test", "type": "work"}], "externalIDs": [{"client": "idp", "id": "00ujl29u0le5T6Aj10h7"}]
		}`)
		p.writesNothing("the same PUT again", id, func() { p.send(put).want(200).has("name.familyName", "Ruiz") })
		p.needed()
	}
}

func TestOktaPushesEmptyAndCustomAttributes(t *testing.T) {
	t.Parallel()
	for _, dialect := range []v1alpha1.Dialect{"okta", "okta-aiw"} {
		emptyAndCustomAttributes(connect(t, dialect))
	}
}

func emptyAndCustomAttributes(p *provider) {
	t := p.t
	const post = `POST /Users

{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:okta:corp:1.0:user:custom"],
  "userName": "kim@corp.test", "title": "", "nickName": "", "division": "x", "active": true,
  "emails": [{"primary": true, "value": "kim@corp.test", "type": "work"}, {"primary": false, "type": "home", "value": ""}],
  "urn:okta:corp:1.0:user:custom": {"badge": "17"},
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": ""}
}`
	a := p.send(post).want(201).has("title", nil).has("nickName", nil).has("division", "x").has("enterprise", nil)
	if custom, _ := a.json["urn:okta:corp:1.0:user:custom"].(map[string]any); custom["badge"] != "17" {
		t.Errorf("the custom attribute is gone: %s", a.body)
	}
	id := a.id()
	// What we returned comes back, with an extension that is new in the change and that our schemas did not name.
	a.json[enterprise] = map[string]any{"department": "Platform"}
	a.json["groups"] = []any{}
	put := p.send("PUT /Users/"+id+"\n\n"+text(t, a.json)).want(200).has("division", "x").has("enterprise.department", "Platform")
	if custom, _ := put.json["urn:okta:corp:1.0:user:custom"].(map[string]any); custom["badge"] != "17" {
		t.Errorf("the custom attribute is gone: %s", put.body)
	}
	spec := p.User(t, id).Spec
	if spec.Enterprise == nil || spec.Enterprise.Department != "Platform" || len(spec.Extensions) == 0 {
		t.Errorf("stored: %+v", spec)
	}
	p.needed("EmptyStringClears", "MissingSchemas", "UnknownAttributes", "UnknownSchemas")
	p.strictly(strings.Replace(post, `"division": "x",`, "", 1)).refused(400, "invalidValue", "urn:okta:corp:1.0:user:custom")
	p.strictly(`POST /Users

		{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "lou@corp.test", "division": "x"}`).refused(400, "invalidSyntax", "division")
	p.strictly(`POST /Users

		{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "lou@corp.test", "emails": ""}`).refused(400, "invalidValue", "emails")
}

func TestOktaDeactivatesAndReactivatesByPathlessPatch(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	id := p.newUser("kim@corp.test")
	p.send(oktaSetActive, "id", id, "active", "false").want(200).has("active", false).has("id", id)
	if active := p.User(t, id).Spec.Active; active == nil || *active {
		t.Error("stored as active")
	}
	p.writesNothing("a second deactivation", id, func() { p.send(oktaSetActive, "id", id, "active", "false").want(200).has("active", false) })
	p.send("GET /Users/"+id).want(200).has("active", false)
	// A user who was deactivated is found, and activated on the same id.
	p.send(oktaLookup, "userName", "kim@corp.test").finds(id).has("Resources.0.active", false)
	p.send(oktaSetActive, "id", id, "active", "true").want(200).has("active", true).has("id", id)
	p.needed()
}

func TestOktaPatchesWithWhatItHolds(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	id := p.newUser("kim@corp.test")
	const patch = `PATCH /Users/{{id}}

{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  "Operations": [{"op": "replace", "value": {"id": "{{id}}", "name": {"familyName": "Ruiz"}, "groups": [], "meta": {"resourceType": "User"}}}]
}`
	p.send(patch, "id", id).want(200).has("name.familyName", "Ruiz").has("name.givenName", "Kim")
	p.needed("ReadOnlyInPatch")
	p.strictly(patch, "id", id).refused(400, "mutability", "groups")
}

func TestOktaWizardAppDeactivatesByPut(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta-aiw")
	id := p.newUser("kim@corp.test")
	for _, active := range []bool{false, true} {
		got := p.send("GET /Users/" + id).want(200)
		got.json["active"] = active
		p.send("PUT /Users/"+id+"\n\n"+text(t, got.json)).want(200).has("active", active).has("id", id)
		if stored := p.User(t, id).Spec.Active; stored == nil || *stored != active {
			t.Errorf("stored %v, want %v", stored, active)
		}
	}
	p.needed()
}

func TestOktaBothFormsWorkForBothFamilies(t *testing.T) {
	t.Parallel()
	for _, dialect := range []v1alpha1.Dialect{"okta", "okta-aiw"} {
		p := connect(t, dialect)
		id := p.newUser("kim@corp.test")
		group := p.newGroup("eng", id)
		p.send(oktaSetActive, "id", id, "active", "false").want(200).has("active", false)
		got := p.send("GET /Users/" + id).want(200)
		got.json["active"] = true
		p.send("PUT /Users/"+id+"\n\n"+text(t, got.json)).want(200).has("active", true)
		p.send(wizardGroup, "id", group, "displayName", "eng2", "members", "[]").want(200).has("displayName", "eng2")
		p.send(oktaRenameGroup, "id", group, "inValue", group, "displayName", "eng3").want(204)
		p.storesGroup(group, `{"displayName": "eng3"}`)
	}
}

func TestOktaRolesAndEntitlementsOfAUser(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	a := p.send(`POST /Users

{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "kim@corp.test", "active": true,
  "entitlements": [{"value": "e1", "display": "Seat", "type": "License"}], "roles": [{"value": "r1", "display": "Admin"}, {"value": "r2", "display": "Viewer"}]
}`).want(201).has("entitlements.0.type", "License").has("roles.1.value", "r2")
	p.storesUser(a.id(), `{
		"userName": "kim@corp.test", "active": true, "entitlements": [{"value": "e1", "display": "Seat", "type": "License"}],
		"roles": [{"value": "r1", "display": "Admin"}, {"value": "r2", "display": "Viewer"}]
	}`)
	p.needed()
}

func TestOktaImportsPageByPage(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	all := map[string]bool{}
	for _, id := range p.newUsers("a", "b", "c", "d", "e") {
		all[id] = true
	}
	seen := map[string]bool{}
	for _, page := range []struct {
		query string
		rows  int
	}{{"startIndex=1&count=2", 2}, {"startIndex=3&count=2", 2}, {"startIndex=5&count=2", 1}, {"startIndex=6&count=2", 0}, {"count=0", 0}} {
		ids := p.send("GET /Users?" + page.query).rows(len(all))
		if len(ids) != page.rows {
			t.Errorf("%s: %d rows, want %d", page.query, len(ids), page.rows)
		}
		for _, id := range ids {
			if seen[id] || !all[id] {
				t.Errorf("%s: the row %s is seen twice or unknown", page.query, id)
			}
			seen[id] = true
		}
	}
	if len(seen) != len(all) {
		t.Errorf("%d of %d users were seen", len(seen), len(all))
	}
	first, second := p.newGroup("eng"), p.newGroup("sales")
	groups := append(p.send("GET /Groups?startIndex=1&count=1").rows(2), p.send("GET /Groups?startIndex=2&count=1").rows(2)...)
	slices.Sort(groups)
	if want := slices.Sorted(slices.Values([]string{first, second})); !slices.Equal(groups, want) {
		t.Errorf("groups %v, want %v", groups, want)
	}
}

// Okta obeys Retry-After only if it is a whole number of seconds; anything else makes it wait five minutes and more.
func TestOktaIsToldInWholeSecondsHowLongToWait(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	p.Client(t, "slow", "okta", func(spec *v1alpha1.ScimClientSpec) {
		spec.RateLimit = &v1alpha1.RateLimit{RequestsPerSecond: 1, Burst: 1}
	})
	var slowed *answer
	eventually(t, "the client is slowed down", func() bool {
		slowed = p.sendTo("slow", "GET /Users?startIndex=1&count=1")
		return slowed.status == 429
	})
	slowed.refused(429, "")
	if seconds, err := strconv.Atoi(slowed.header.Get("Retry-After")); err != nil || seconds < 1 {
		t.Errorf("Retry-After %q", slowed.header.Get("Retry-After"))
	}
}
