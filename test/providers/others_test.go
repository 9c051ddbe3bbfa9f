// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package providers

import (
	"fmt"
	"strings"
	"testing"
)

// oneLoginUser is what comes of the JSON template that an administrator writes (OneLogin, "SCIM Provisioner with SAML (SCIM v2 Enterprise)"): all values are
// text, "" where the user has none, and schemas and names are those of the template.
const oneLoginUser = `POST /Users

{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
  "userName": "kim@corp.test",
  "active": "true",
  "id": null,
  "meta": {"resourceType": "User"},
  "name": {"familyName": "Lee", "givenName": "Kim", "formatted": "Kim Lee"},
  "emails": [{"value": "kim@corp.test", "type": "work", "primary": true}],
  "title": "",
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
    "department": "",
    "manager": {"managerId": "b1", "displayName": ""}
  }
}`

func TestOneLoginTestsTheConnection(t *testing.T) {
	t.Parallel()
	p := connect(t, "onelogin")
	a := p.send("GET /Users?filter=userName%20eq%20%22onelogin-connection-test%40corp.test%22")
	a.rows(0)
	// OneLogin documents application/json for answers, and asks for it.
	if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("Content-Type %q", got)
	}
	p.needed()
}

func TestOneLoginPushesAUser(t *testing.T) {
	t.Parallel()
	p := connect(t, "onelogin")
	a := p.send(oneLoginUser).want(201).has("active", true).has("title", nil).has("enterprise.manager.managerId", "b1").has("enterprise.department", nil)
	id := a.id()
	spec := p.User(t, id).Spec
	if spec.Active == nil || !*spec.Active || spec.Title != "" || spec.Name.Formatted != "Kim Lee" {
		t.Errorf("stored: %+v", spec)
	}
	p.send("GET /Users/"+id).want(200).has("userName", "kim@corp.test")
	p.send(strings.Replace(strings.Replace(oneLoginUser, "POST /Users", "PUT /Users/"+id, 1), `"true"`, `"false"`, 1)).want(200).has("active", false)
	if active := p.User(t, id).Spec.Active; active == nil || *active {
		t.Error("stored as active")
	}
	p.needed("EmptyStringClears", "MissingSchemas", "StringBooleans", "UnknownAttributes")
	// OneLogin deletes for real.
	p.send("DELETE /Users/" + id).want(204)
	p.send("GET /Users/"+id).refused(404, "")
	p.strictly(oneLoginUser).refused(400, "invalidValue", "active")
	// Templates of the time before SCIM 2.0 name its schema.
	const old = `POST /Users

{"schemas": ["urn:scim:schemas:core:1.0", "urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "lou@corp.test", "name": {"givenName": "Lou", "familyName": "Ray"}}`
	p.strictly(old).refused(400, "invalidValue", "urn:scim:schemas:core:1.0")
	p.send(old).want(201)
}

func TestOneLoginPushesAGroup(t *testing.T) {
	t.Parallel()
	p := connect(t, "onelogin")
	users := p.newUsers("kim", "lou")
	id := p.newGroup("eng", users[0])
	p.send(oktaPushGroup, "id", id, "members", oktaMembers(users...)).want(204)
	p.send("GET /Groups?startIndex=1&count=100").finds(id)
	p.hasMembers(id, users...)
	remove := strings.Replace(entraRemoveMembers, "Remove", "remove", 1)
	p.send(remove, "id", id, "members", `[{"value": "`+users[0]+`"}]`).want(204)
	p.storesGroup(id, `{"displayName": "eng", "members": [{"value": "{{lou}}"}]}`, "lou", users[1])
	p.needed("RemoveByValue")
	p.strictly(remove, "id", id, "members", `[{"value": "`+users[1]+`"}]`).refused(400, "invalidSyntax", "members[value eq")
}

// JumpCloud makes a test user and a test group while it is activated, and deletes both (JumpCloud, Identity Management using a Custom SCIM Integration).
func TestJumpCloudActivates(t *testing.T) {
	t.Parallel()
	p := connect(t, "jumpcloud")
	user := p.send(`POST /Users

{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "jumpcloud-test@corp.test", "active": true,
  "name": {"givenName": "Test", "familyName": "User"}, "emails": [{"value": "jumpcloud-test@corp.test", "type": "work", "primary": true}]
}`).want(201).id()
	p.storesUser(user, `{
		"userName": "jumpcloud-test@corp.test", "active": true, "name": {"givenName": "Test", "familyName": "User"},
		"emails": [{"value": "jumpcloud-test@corp.test", "type": "work", "primary": true}]
	}`)
	group := p.send(`POST /Groups

{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "jumpcloud test group"}`).want(201).id()
	p.send(oktaAddMembers, "id", group, "members", `[{"value": "`+user+`"}]`).want(204)
	p.hasMembers(group, user)
	p.send("DELETE /Groups/" + group).want(204)
	p.send("DELETE /Users/" + user).want(204)
	p.send("GET /Users/"+user).refused(404, "")
	p.needed()
}

func TestJumpCloudRemovesMembersByValue(t *testing.T) {
	t.Parallel()
	p := connect(t, "jumpcloud")
	users := p.newUsers("kim", "lou", "ida")
	id := p.newGroup("eng", users...)
	remove := strings.Replace(entraRemoveMembers, "Remove", "remove", 1)
	p.send(remove, "id", id, "members", `[{"value": "`+users[1]+`"}]`).want(204)
	p.storesGroup(id, `{"displayName": "eng", "members": [{"value": "{{kim}}"}, {"value": "{{ida}}"}]}`, "kim", users[0], "ida", users[2])
	p.needed("RemoveByValue")
	p.strictly(remove, "id", id, "members", `[{"value": "`+users[0]+`"}]`).refused(400, "invalidSyntax", "members[value eq")
}

// Ping fills its filter template (USER_FILTER, `username Eq "%s"`): names and operators have no letter case, so nothing is tolerated.
func TestPingLooksUpAndMatches(t *testing.T) {
	t.Parallel()
	p := connect(t, "ping")
	id := p.newUser("kim@corp.test")
	for _, query := range []string{
		"filter=username%20Eq%20%22kim%40corp.test%22", "filter=USERNAME%20EQ%20%22Kim%40corp.test%22", "filter=emails%20eq%20%22kim%40corp.test%22",
	} {
		eventually(t, query, func() bool { return p.send("GET /Users?"+query).want(200).get("totalResults") == float64(1) })
		p.send("GET /Users?" + query).finds(id)
		p.strictly("GET /Users?" + query).finds(id)
	}
	p.needed()
}

func TestPingDisablesOrDeletes(t *testing.T) {
	t.Parallel()
	p := connect(t, "ping")
	const extended = `POST /Users

{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:scim:schemas:extension:custom:1.0"], "userName": "kim@corp.test", "active": true,
  "urn:scim:schemas:extension:custom:1.0": {"supervisor": "JSmith", "territories": ["Bern", "Basel"]}
}`
	a := p.send(extended).want(201)
	id := a.id()
	if custom, _ := a.json["urn:scim:schemas:extension:custom:1.0"].(map[string]any); custom["supervisor"] != "JSmith" {
		t.Errorf("the extension is gone: %s", a.body)
	}
	if extensions := p.User(t, id).Spec.Extensions; len(extensions) != 1 || extensions[0].Schema != "urn:scim:schemas:extension:custom:1.0" {
		t.Errorf("stored: %+v", extensions)
	}
	p.needed("UnknownSchemas")
	p.send(strings.Replace(strings.Replace(extended, "POST /Users", "PUT /Users/"+id, 1), "true", "false", 1)).want(200).has("active", false)
	p.send("DELETE /Users/" + id).want(204)
	p.strictly(extended).refused(400, "invalidValue", "urn:scim:schemas:extension:custom:1.0")
}

func TestPingOverwritesAndMergesMemberships(t *testing.T) {
	t.Parallel()
	p := connect(t, "ping")
	users := p.newUsers("kim", "lou", "ida")
	id := p.newGroup("eng", users[0])
	p.send(oktaAddMembers, "id", id, "members", oktaMembers(users[1])).want(204)
	p.hasMembers(id, users[0], users[1])
	p.send(oktaPushGroup, "id", id, "members", oktaMembers(users[2])).want(204)
	p.hasMembers(id, users[2])
	p.send(wizardGroup, "id", id, "displayName", "eng", "members", oktaMembers(users...)).want(200)
	p.hasMembers(id, users...)
	p.needed()
}

// SailPoint reads the discovery endpoints first, those of single resource types too (SCIM 2.0 SaaS connector, prerequisites). Its replace of a complex attribute
// means to add to it (SCIM-SDK #327), which is what RFC 7644 3.5.2.3 says.
func TestSailPoint(t *testing.T) {
	t.Parallel()
	p := connect(t, "sailpoint")
	for path, key := range map[string]string{
		"/ServiceProviderConfig": "patch.supported", "/ResourceTypes": "Resources.0.name", "/Schemas": "Resources.0.id", "/ResourceTypes/User": "schema",
		"/ResourceTypes/Group": "schema",
	} {
		if a := p.send("GET " + path).want(200); a.get(key) == nil {
			t.Errorf("%s has no %s: %s", path, key, a.body)
		}
	}
	id := p.newUser("kim@corp.test")
	const replace = `PATCH /Users/{{id}}

{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  "Operations": [{"op": "replace", "path": "name", "value": {"familyName": "Ruiz"}}]
}`
	p.send(replace, "id", id).want(200).has("name.familyName", "Ruiz").has("name.givenName", "Kim")
	if name := p.User(t, id).Spec.Name; name.FamilyName != "Ruiz" || name.GivenName != "Kim" {
		t.Errorf("stored: %+v", name)
	}
	p.strictly(replace, "id", id).want(200).has("name.givenName", "Kim")
	p.needed()
}

// Rauthy looks users up by externalId first, writes users by PUT and groups by PATCH; authentik uses PUT for everything but members. Both are within the
// standard.
func TestStrictServesRauthyAndAuthentik(t *testing.T) {
	t.Parallel()
	p := connect(t, "strict")
	const look = "GET /Users?filter=externalId%20eq%20%22{{externalId}}%22"
	p.send(look, "externalId", "r1").rows(0)
	const body = `{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "externalId": "r1", "userName": "kim@corp.test", "active": %t,
  "name": {"givenName": "Kim", "familyName": "Lee"}, "emails": [{"value": "kim@corp.test", "primary": true}]
}`
	id := p.send("POST /Users\n\n" + fmt.Sprintf(body, true)).want(201).id()
	p.send(look, "externalId", "r1").finds(id)
	p.send("PUT /Users/"+id+"\n\n"+fmt.Sprintf(body, false)).want(200).has("active", false).has("externalId", "r1")
	p.storesUser(id, `{
		"userName": "kim@corp.test", "active": false, "name": {"givenName": "Kim", "familyName": "Lee"},
		"emails": [{"value": "kim@corp.test", "primary": true}], "externalIDs": [{"client": "idp", "id": "r1"}]
	}`)
	group := p.newGroup("eng", id)
	p.send(oktaRemoveMember, "id", group, "member", id).want(204)
	p.hasMembers(group)
	p.needed()
}
