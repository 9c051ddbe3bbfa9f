// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package providers

import (
	"strings"
	"testing"
)

// Entra: use-scim-to-provision-users-and-groups, customize-application-attributes, application-provisioning-config-problem-scim-compatibility, and what users
// of other services have reported where it differs from these.

// entraUser is the documented create: explicit nulls, the URN of the enterprise user without its last colon, attributes of it at the top.
const entraUser = `POST /Users

{
   "schemas": [
     "urn:ietf:params:scim:schemas:core:2.0:User",
     "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],
   "externalId": "{{externalId}}",
   "userName": "{{userName}}",
   "active": true,
   "addresses": null,
   "displayName": "Kim Lee",
   "emails": [
     {
       "type": "work",
       "value": "{{userName}}",
       "primary": true}],
   "meta": {
     "resourceType": "User"},
   "name": {
     "familyName": "Lee",
     "givenName": "Kim"},
   "phoneNumbers": null,
   "preferredLanguage": null,
   "title": null,
   "roles": [],
   "department": null,
   "manager": null}`

const entraGroup = `POST /Groups

{
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group", "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
    "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
    "displayName": "{{displayName}}",
    "meta": {
        "resourceType": "Group"
    }
}`

// entraPatch is a PATCH of one operation.
const entraPatch = `PATCH {{path}}

{
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{{operations}}]
}`

const entraAddMembers = `PATCH /Groups/{{id}}

{
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{
        "op": "Add",
        "path": "members",
        "value": {{members}}
    }]
}`

// entraRemoveMembers is the default form: members in the value.
const entraRemoveMembers = `PATCH /Groups/{{id}}

{
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{
        "op": "Remove",
        "path": "members",
        "value": {{members}}
    }]
}`

func entraMembers(ids ...string) string {
	list := []string{}
	for _, id := range ids {
		list = append(list, `{"$ref": null, "value": "`+id+`"}`)
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// newEntraUser pushes a user as Entra does.
func (p *provider) newEntraUser(userName string) string {
	p.t.Helper()
	externalID, _, _ := strings.Cut(userName, "@")
	return p.send(entraUser, "userName", userName, "externalId", externalID).want(201).id()
}

// patchUser sends operations on a user.
func (p *provider) patchUser(id string, operations ...string) *answer {
	p.t.Helper()
	return p.send(entraPatch, "path", "/Users/"+id, "operations", strings.Join(operations, ", "))
}

// strictPatch sends the same as a client that is tolerated nothing.
func (p *provider) strictPatch(path string, operations ...string) *answer {
	p.t.Helper()
	return p.strictly(entraPatch, "path", path, "operations", strings.Join(operations, ", "))
}

func TestEntraTestsTheConnection(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	p.newEntraUser("kim@corp.test")
	// A random GUID as the matching attribute; it is also the keepalive.
	for _, request := range []string{
		"GET /Users?filter=userName+eq+%22e79c7c5d-9e3c-4bb8-9c8c-2b1c1a1c9c55%22",
		"GET /Users?filter=externalId%20eq%20%22e79c7c5d-9e3c-4bb8-9c8c-2b1c1a1c9c55%22",
		"GET /Groups?excludedAttributes=members&filter=displayName+eq+%22e79c7c5d-9e3c-4bb8-9c8c-2b1c1a1c9c55%22",
	} {
		a := p.send(request)
		a.rows(0)
		if !strings.Contains(a.body, `"Resources":[]`) || !strings.HasPrefix(a.header.Get("Content-Type"), "application/scim+json") {
			t.Errorf("%s: %s %s", request, a.header.Get("Content-Type"), a.body)
		}
	}
	p.send("GET /Groups").rows(0)
}

func TestEntraReadsTheSchemas(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	a := p.send("GET /Schemas").want(200).has("schemas.0", "urn:ietf:params:scim:api:messages:2.0:ListResponse")
	if strings.Contains(a.body, "null") {
		t.Errorf("null in the schemas: %s", a.body)
	}
	for _, value := range []string{`"readWrite"`, `"caseExact"`, `"multiValued"`, `"dateTime"`} {
		if !strings.Contains(a.body, value) && value != `"dateTime"` {
			t.Errorf("no %s in the schemas", value)
		}
	}
}

func TestEntraCreatesAUser(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	p.send("GET /Users?filter=userName+eq+%22kim%40corp.test%22").rows(0)
	a := p.send(entraUser, "userName", "kim@corp.test", "externalId", "kim").want(201)
	a.shows(`{
		"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
		"externalId": "kim", "userName": "kim@corp.test", "active": true, "displayName": "Kim Lee",
		"emails": [{"type": "work", "value": "kim@corp.test", "primary": true}], "name": {"familyName": "Lee", "givenName": "Kim"}
	}`)
	id := a.id()
	spec := p.User(t, id).Spec
	if spec.UserName != "kim@corp.test" || spec.Title != "" || spec.Addresses != nil || spec.Roles != nil || spec.Enterprise != nil {
		t.Errorf("stored: %+v", spec)
	}
	p.needed("UnknownSchemas")
	p.send("GET /Users?filter=userName+eq+%22kim%40corp.test%22").finds(id)
	p.send(entraUser, "userName", "kim@corp.test", "externalId", "kim").refused(409, "uniqueness", "userName")
	p.strictly(entraUser, "userName", "lou@corp.test", "externalId", "lou").refused(400, "invalidValue", "enterprise:2.0User")
}

func TestEntraSendsAttributesOfTheExtensionAtTheTop(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	const post = `POST /Users

{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "kim@corp.test", "active": "True", "department": "Platform", "employeeNumber": "7"
}`
	a := p.send(post).want(201).has("enterprise.department", "Platform").has("enterprise.employeeNumber", "7").has("department", nil).has("active", true)
	p.storesUser(a.id(), `{"userName": "kim@corp.test", "active": true, "enterprise": {"department": "Platform", "employeeNumber": "7"}}`)
	p.needed("MissingSchemas", "StringBooleans", "UnqualifiedExtension")
	p.strictly(strings.Replace(post, `"True"`, "true", 1)).refused(400, "invalidSyntax", "department")
}

func TestEntraQueries(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	id := p.newEntraUser("kim@corp.test")
	p.newEntraUser("lou@corp.test")
	group := p.send(entraGroup, "displayName", "eng").want(201).id()
	p.send(entraAddMembers, "id", group, "members", entraMembers(id)).want(204)
	for _, query := range []string{
		"/Users?filter=userName+eq+%22KIM%40corp.test%22",
		"/Users?filter=externalId%20eq%20%22kim%22",
		"/Users?filter=emails%5Btype+eq+%22work%22%5D.value+eq+%22kim%40corp.test%22",
		"/Users?filter=urn%3Aietf%3Aparams%3Ascim%3Aschemas%3Acore%3A2.0%3AUser%3AuserName%20eq%20%22kim%40corp.test%22",
	} {
		eventually(t, query, func() bool { return p.send("GET "+query).want(200).get("totalResults") == float64(1) })
		p.send("GET " + query).finds(id)
	}
	p.send("GET /Groups?excludedAttributes=members&filter=displayName+eq+%22ENG%22").finds(group).has("Resources.0.members", nil).has("Resources.0.displayName", "eng")
	p.send("GET /Groups/"+group+"?excludedAttributes=members").want(200).has("members", nil).has("displayName", "eng")
	p.needed("OperationCase", "UnknownSchemas")
	// One page of the documentation has the value without quotes.
	const unquoted = "GET /Users?filter=externalId%20eq%20kim"
	p.send(unquoted).finds(id)
	p.needed("OperationCase", "UnknownSchemas", "UnquotedFilterValue")
	p.strictly(unquoted).refused(400, "invalidFilter", "double quotes")
}

func TestEntraChecksReferences(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	kim, boss := p.newEntraUser("kim@corp.test"), p.newEntraUser("boss@corp.test")
	p.patchUser(kim, `{"op": "Add", "path": "manager", "value": [{"$ref": "http://scim/Users/`+boss+`", "value": "`+boss+`"}]}`).want(200)
	group := p.send(entraGroup, "displayName", "eng").want(201).id()
	p.send(entraAddMembers, "id", group, "members", entraMembers(kim)).want(204)
	for _, query := range []string{
		"/Users?filter=id%20eq%20%22" + kim + "%22%20and%20manager%20eq%20%22" + boss + "%22&attributes=id",
		"/Users?filter=manager%20eq%20%22" + boss + "%22%20and%20id%20eq%20%22" + kim + "%22&attributes=id",
	} {
		a := p.send("GET " + query).finds(kim)
		if a.get("Resources.0.userName") != nil {
			t.Errorf("more than the id: %s", a.body)
		}
	}
	p.send("GET /Users?filter=id%20eq%20%22" + kim + "%22%20and%20manager%20eq%20%22" + kim + "%22&attributes=id").rows(0)
	p.send("GET /Groups?filter=id%20eq%20%22" + group + "%22%20and%20members%20eq%20%22" + kim + "%22&attributes=id").finds(group)
	p.send("GET /Groups?filter=id%20eq%20%22" + group + "%22%20and%20members%20eq%20%22" + boss + "%22&attributes=id").rows(0)
}

func TestEntraUpdatesAUser(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	id := p.newEntraUser("kim@corp.test")
	operations := []string{
		`{"op": "Replace", "path": "UserName", "value": "kim2@corp.test"}`,
		`{"op": "Replace", "path": "DisplayName", "value": "Kim L"}`,
		`{"op": "Replace", "path": "name.givenName", "value": "Kimberly"}`,
		`{"op": "Replace", "path": "emails[type eq \"work\"].Value", "value": "kim2@corp.test"}`,
		`{"op": "Add", "path": "emails[type eq \"other\"].Value", "value": "kim@other.test"}`,
		`{"op": "Add", "path": "addresses[type eq \"work\"].country", "value": "CH"}`,
		`{"op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Bern"}`,
		`{"op": "Replace", "path": "addresses[type eq \"work\"].Formatted", "value": "Hauptstrasse 1, Bern"}`,
		`{"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+41 (0)79-555 01 23"}`,
		`{"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "Sales"}`,
		`{"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:CustomAttribute", "value": "701984"}`,
	}
	a := p.patchUser(id, operations...).want(200).has("id", id).has("userName", "kim2@corp.test")
	if custom, _ := a.json["urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User"].(map[string]any); custom["CustomAttribute"] != "701984" {
		t.Errorf("no custom attribute: %s", a.body)
	}
	spec := p.User(t, id).Spec
	spec.Extensions = nil
	spec.ID, spec.Client = "", ""
	p.sameSpec(spec, `{
		"userName": "kim2@corp.test", "displayName": "Kim L", "name": {"givenName": "Kimberly", "familyName": "Lee"}, "active": true,
		"emails": [{"type": "work", "value": "kim2@corp.test", "primary": true}, {"type": "other", "value": "kim@other.test"}],
		"addresses": [{"type": "work", "country": "CH", "locality": "Bern", "formatted": "Hauptstrasse 1, Bern"}],
		"phoneNumbers": [{"type": "mobile", "value": "+41 (0)79-555 01 23"}], "enterprise": {"department": "Sales"},
		"externalIDs": [{"client": "idp", "id": "kim"}]
	}`)
	// Values are kept as they were sent: else the next cycle sends them again.
	p.writesNothing("the same again", id, func() { p.patchUser(id, operations...).want(200) })
	p.needed("OperationCase", "ReplaceCreatesTarget", "UnknownAttributes", "UnknownSchemas")
	path := "/Users/" + id
	p.strictPatch(path, operations[0]).refused(400, "invalidSyntax", "op")
	p.strictPatch(path, `{"op": "replace", "path": "emails[type eq \"home\"].value", "value": "x@corp.test"}`).refused(400, "noTarget", "emails")
	p.strictPatch(path, strings.ToLower(operations[10])).refused(400, "invalidPath", "/Schemas")
}

func TestEntraDisablesAndEnables(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	id := p.newEntraUser("kim@corp.test")
	group := p.send(entraGroup, "displayName", "eng").want(201).id()
	p.send(entraAddMembers, "id", group, "members", entraMembers(id)).want(204)
	disable := `{"op": "Replace", "path": "active", "value": "False"}`
	p.patchUser(id, disable).want(200).has("active", false)
	if active := p.User(t, id).Spec.Active; active == nil || *active {
		t.Error("stored as active")
	}
	// An inactive user is still returned, and keeps its memberships.
	p.send("GET /Users?filter=userName+eq+%22kim%40corp.test%22").finds(id).has("Resources.0.active", false)
	p.hasMembers(group, id)
	p.patchUser(id, `{"op": "Replace", "path": "active", "value": true}`).want(200).has("active", true)
	p.hasMembers(group, id)
	p.needed("OperationCase", "StringBooleans", "UnknownSchemas")
	p.strictPatch("/Users/"+id, strings.Replace(disable, "Replace", "replace", 1)).refused(400, "invalidValue", "active")
	p.strictPatch("/Users/"+id, disable).refused(400, "invalidSyntax", "op")
}

func TestEntraDeletesAUser(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	id := p.newEntraUser("kim@corp.test")
	p.send("DELETE /Users/" + id).want(204)
	p.send("GET /Users/"+id).refused(404, "")
	p.patchUser(id, `{"op": "Replace", "path": "active", "value": "False"}`).refused(404, "")
	p.send(strings.Replace(entraUser, "POST /Users", "PUT /Users/"+id, 1), "userName", "kim@corp.test", "externalId", "kim").refused(404, "")
	p.send("DELETE /Users/"+id).refused(404, "")
	p.send("GET /Users?filter=userName+eq+%22kim%40corp.test%22").rows(0)
	p.send("GET /Users").rows(0)
	if again := p.newEntraUser("kim@corp.test"); again == id {
		t.Error("an id was given twice")
	}
}

func TestEntraClears(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	id := p.newEntraUser("kim@corp.test")
	p.patchUser(id, `{"op": "Add", "path": "title", "value": "x"}`, `{"op": "Add", "path": "nickName", "value": "y"}`,
		`{"op": "Add", "path": "phoneNumbers[type eq \"work\"].value", "value": "+41 1"}`).want(200)
	operations := []string{
		`{"op": "Replace", "path": "title", "value": null}`,
		`{"op": "Replace", "path": "nickName", "value": ""}`,
		`{"op": "Remove", "path": "phoneNumbers[type eq \"work\"]"}`,
		`{"op": "Replace", "path": "name", "value": {"givenName": "K"}}`,
	}
	p.patchUser(id, operations...).want(200).has("title", nil).has("nickName", nil).has("phoneNumbers", nil).has("name.givenName", "K").has("name.familyName", "Lee")
	p.storesUser(id, `{
		"userName": "kim@corp.test", "displayName": "Kim Lee", "name": {"givenName": "K", "familyName": "Lee"}, "active": true,
		"emails": [{"type": "work", "value": "kim@corp.test", "primary": true}], "externalIDs": [{"client": "idp", "id": "kim"}]
	}`)
	p.strictPatch("/Users/"+id, `{"op": "replace", "path": "active", "value": ""}`).refused(400, "invalidValue", "active")
}

func TestEntraRoles(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	// SingleAppRoleAssignment and AppRoleAssignmentsComplex: POST and PATCH differ.
	id := p.send(`POST /Users

{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "externalId": "alias", "userName": "alias@corp.test", "active": true,
  "meta": {"resourceType": "User"},
  "roles": [{"primary": true, "type": "WindowsAzureActiveDirectoryRole", "value": "Admin"}]
}`).want(201).has("roles.0.value", "Admin").id()
	const add = `{"op": "Add", "path": "roles", "value": [
		{"value": "{\"id\":\"06b07648-ecfe-589f-9d2f-6325724a46ee\",\"value\":\"25\",\"displayName\":\"Role1234\"}"}]}`
	a := p.patchUser(id, add).want(200).has("roles.1.value", "25").has("roles.1.displayName", "Role1234")
	p.writesNothing("the same again", id, func() { p.patchUser(id, add).want(200) })
	if roles := p.User(t, id).Spec.Roles; len(roles) != 2 || roles[1].Value != "25" {
		t.Errorf("stored: %+v, answered %s", roles, a.body)
	}
	p.patchUser(id, `{"op": "Replace", "path": "roles[primary eq \"True\"].value", "value": "Owner"}`).want(200).has("roles.0.value", "Owner")
	p.needed("ComplexAsJSONText", "OperationCase", "StringBooleans", "UnknownAttributes")
	p.strictPatch("/Users/"+id, `{"op": "replace", "path": "roles[primary eq \"True\"].value", "value": "x"}`).refused(400, "invalidPath", "without quotes")
	p.strictPatch("/Users/"+id, `{"op": "replace", "path": "name", "value": "{\"givenName\":\"x\"}"}`).refused(400, "invalidValue", "name")
	// AssertiveAppRoleAssignmentsComplex is the standard.
	p.patchUser(id, `{"op": "replace", "path": "roles", "value": [{"primary": false, "type": "WindowsAzureActiveDirectoryRole", "display": "User", "value": "User"}]}`).
		want(200).has("roles.0.value", "User").has("roles.1", nil)
}

func TestEntraSeveralPrimaries(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	id := p.newEntraUser("kim@corp.test")
	const add = `{"op": "add", "path": "phoneNumbers", "value": [{"type": "work", "value": "1", "primary": true}, {"type": "mobile", "value": "2", "primary": true}]}`
	p.patchUser(id, add).want(200).has("phoneNumbers.0.primary", true).has("phoneNumbers.1.primary", false)
	p.needed("MultiplePrimaries", "UnknownSchemas")
	p.strictPatch("/Users/"+id, add).refused(400, "invalidValue", "primary")
}

func TestEntraGroups(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	users := []string{p.newEntraUser("kim@corp.test"), p.newEntraUser("lou@corp.test"), p.newEntraUser("ida@corp.test")}
	a := p.send(entraGroup, "displayName", "eng").want(201).shows(`{
		"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
		"externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", "displayName": "eng"
	}`)
	id := a.id()
	p.send(entraGroup, "displayName", "Eng").refused(409, "uniqueness", "displayName")
	// Several members in one PATCH (gallery checklist), "$ref" null; 204 and no body.
	p.send(entraAddMembers, "id", id, "members", entraMembers(users...)).want(204)
	p.hasMembers(id, users...)
	p.send(entraRemoveMembers, "id", id, "members", entraMembers(users[0])).want(204)
	p.hasMembers(id, users[1], users[2])
	p.send(entraPatch, "path", "/Groups/"+id, "operations", `{"op": "Replace", "path": "displayName", "value": "engineering"}`).want(204)
	p.send(entraRemoveMembers, "id", id, "members", `[{"$ref": null, "value": "`+users[1]+`"}]`).want(204)
	group := p.group(id).Spec
	if group.DisplayName != "engineering" || len(group.Members) != 1 || group.Members[0].Value != users[2] || len(group.ExternalIDs) != 1 {
		t.Errorf("stored: %+v", group)
	}
	p.needed("OperationCase", "RemoveByValue", "UnknownSchemas")
	p.strictly(strings.Replace(entraRemoveMembers, "Remove", "remove", 1), "id", id, "members", entraMembers(users[2])).refused(400, "invalidSyntax", "members[value eq")
	p.strictly(entraGroup, "displayName", "sales").refused(400, "invalidValue", "ADSCIM")
	p.send("DELETE /Groups/" + id).want(204)
}

// With the flag in the tenant URL, its query string arrives with every request. Provision on demand sends the default form to the same URL.
func TestEntraCompliant(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra-compliant")
	p.send("GET /Users?aadOptscim062020&filter=userName+eq+%22kim%40corp.test%22").rows(0)
	id := p.send(strings.Replace(entraUser, "POST /Users", "POST /Users?aadOptscim062020", 1), "userName", "kim@corp.test", "externalId", "kim").want(201).id()
	lou := p.newEntraUser("lou@corp.test")
	const update = `PATCH /Users/{{id}}?aadOptscim062020

{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  "Operations": [
    {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "kim.lee@corp.test"},
    {"op": "replace", "value": {
      "displayName": "Bjfe",
      "name.givenName": "Kkom",
      "name.familyName": "Unua",
      "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber": "Aklq"
    }}
  ]
}`
	p.send(update, "id", id).want(200).has("name.givenName", "Kkom").has("enterprise.employeeNumber", "Aklq").has("emails.0.value", "kim.lee@corp.test")
	spec := p.User(t, id).Spec
	if spec.Name.FamilyName != "Unua" || spec.Enterprise.EmployeeNumber != "Aklq" || spec.DisplayName != "Bjfe" || len(spec.Emails) != 1 {
		t.Errorf("stored: %+v", spec)
	}
	p.patchUser(id+"?aadOptscim062020", `{"op": "add", "path": "nickName", "value": "Babs"}`, `{"op": "replace", "path": "active", "value": false}`).
		want(200).has("nickName", "Babs").has("active", false)
	p.needed("FlatKeys", "UnknownSchemas")
	group := p.send(entraGroup, "displayName", "eng").want(201).id()
	p.send(oktaAddMembers, "id", group+"?aadOptscim062020", "members", oktaMembers(id, lou)).want(204)
	p.send(oktaRemoveMember, "id", group+"?aadOptscim062020", "member", id).want(204)
	p.hasMembers(group, lou)
	p.strictly(update, "id", id).refused(400, "invalidSyntax", "name.givenName")
	// On demand.
	p.patchUser(id, `{"op": "Replace", "path": "active", "value": "True"}`).want(200).has("active", true)
	p.send(entraRemoveMembers, "id", group, "members", entraMembers(lou)).want(204)
	p.hasMembers(group)
	p.needed("FlatKeys", "OperationCase", "RemoveByValue", "StringBooleans", "UnknownSchemas")
}
