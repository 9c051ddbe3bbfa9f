// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/internal/scim"
)

const patchHead = `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": `

// badInput is a request that must be refused with a reason and change nothing.
type badInput struct {
	name, method, path, body string
	header                   []string
	status                   int
	scimType                 string
	detail                   []string
}

func badBodies(user, group string) []badInput {
	return []badInput{
		{"body is missing", "POST", "/Users", "", []string{"Content-Type", "application/scim+json"}, 400, "invalidSyntax", []string{"position 1"}},
		{"malformed JSON", "POST", "/Users", `{"userName": "kim@corp.test",}`, nil, 400, "invalidSyntax", []string{"position 30"}},
		{"cut off", "POST", "/Users", `{"userName": "kim`, nil, 400, "invalidSyntax", []string{"position"}},
		{"more after the object", "POST", "/Users", `{"userName": "kim@corp.test"} {}`, nil, 400, "invalidSyntax", []string{"position 31"}},
		{"no object", "POST", "/Users", `["kim@corp.test"]`, nil, 400, "invalidSyntax", []string{"object"}},
		{"duplicate key", "POST", "/Users", `{"userName": "kim@corp.test", "userName": "lou@corp.test"}`, nil, 400, "invalidSyntax", []string{"userName", "twice"}},
		{"duplicate key in another case", "POST", "/Users", `{"userName": "kim@corp.test", "UserName": "kim@corp.test"}`, nil, 400, "invalidSyntax", []string{"UserName"}},
		{"nested too deeply", "POST", "/Users", `{"userName": ` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, nil, 400, "invalidSyntax", []string{"deeper"}},
		{"missing userName", "POST", "/Users", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "active": true}`, nil, 400, "invalidValue", []string{"userName"}},
		{"empty userName", "POST", "/Users", `{"userName": ""}`, nil, 400, "invalidValue", []string{"userName"}},
		{"userName of another type", "POST", "/Users", `{"userName": 17}`, nil, 400, "invalidValue", []string{"userName", "string"}},
		{"active of another type", "POST", "/Users", `{"userName": "kim@corp.test", "active": "perhaps"}`, nil, 400, "invalidValue", []string{"active", "true or false"}},
		{"emails of another type", "POST", "/Users", `{"userName": "kim@corp.test", "emails": 17}`, nil, 400, "invalidValue", []string{"emails"}},
		{"name of another type", "POST", "/Users", `{"userName": "kim@corp.test", "name": 17}`, nil, 400, "invalidValue", []string{"name"}},
		{"group without displayName", "POST", "/Groups", `{"members": []}`, nil, 400, "invalidValue", []string{"displayName"}},
		{"PUT without userName", "PUT", "/Users/" + user, `{"active": false}`, nil, 400, "invalidValue", []string{"userName"}},
		{"members of another type", "PUT", "/Groups/" + group, `{"displayName": "eng", "members": 17}`, nil, 400, "invalidValue", []string{"members"}},

		{"PATCH without operations", "PATCH", "/Users/" + user, `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}`, nil, 400, "invalidSyntax", []string{"Operations"}},
		{"PATCH with an unknown op", "PATCH", "/Users/" + user, patchHead + `[{"op": "move", "path": "title", "value": "x"}]}`, nil, 400, "invalidSyntax", []string{"op"}},
		{"PATCH with a bad path", "PATCH", "/Users/" + user, patchHead + `[{"op": "replace", "path": "emails[type eq", "value": "x"}]}`, nil, 400, "invalidPath", []string{"position"}},
		{"PATCH that removes nothing named", "PATCH", "/Users/" + user, patchHead + `[{"op": "remove"}]}`, nil, 400, "noTarget", []string{"path"}},
		{"PATCH of the id", "PATCH", "/Users/" + user, patchHead + `[{"op": "replace", "path": "id", "value": "another"}]}`, nil, 400, "mutability", []string{"id"}},
		{"PATCH that removes the userName", "PATCH", "/Users/" + user, patchHead + `[{"op": "remove", "path": "userName"}]}`, nil, 400, "mutability", []string{"userName"}},
		{"PATCH with a wrong type", "PATCH", "/Users/" + user, patchHead + `[{"op": "replace", "path": "active", "value": "perhaps"}]}`, nil, 400, "invalidValue", []string{"active"}},
		{"PATCH of which the second operation is bad", "PATCH", "/Users/" + user,
			patchHead + `[{"op": "replace", "path": "title", "value": "Boss"}, {"op": "replace", "path": "active", "value": 3}]}`, nil, 400, "invalidValue", []string{"active"}},

		{"body is too large", "POST", "/Users", `{"userName": "` + strings.Repeat("x", 1<<20) + `"}`, nil, 413, "", []string{"1048576"}},
		{"group is too large", "PUT", "/Groups/" + group, `{"displayName": "` + strings.Repeat("x", 32<<20) + `"}`, nil, 413, "", []string{"33554432"}},
		{"text", "POST", "/Users", `{}`, []string{"Content-Type", "text/plain"}, 415, "", []string{"application/scim+json"}},
		{"form", "POST", "/Users", `userName=kim`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "", []string{"Content-Type"}},
		{"JSON Patch", "PATCH", "/Users/" + user, `[]`, []string{"Content-Type", "application/json-patch+json"}, 415, "", []string{"Content-Type"}},
		{"compressed", "POST", "/Users", `{}`, []string{"Content-Encoding", "gzip"}, 415, "", []string{"Content-Encoding"}},
	}
}

func badRequests(user, group string) []badInput {
	get := func(name, path string, status int, scimType string, detail ...string) badInput {
		return badInput{name: name, method: "GET", path: path, status: status, scimType: scimType, detail: detail}
	}
	return []badInput{
		get("unknown user", "/Users/none", 404, ""),
		get("unknown user with a well-formed id", "/Users/u-aaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaa", 404, ""),
		get("group where a user is asked for", "/Users/"+group, 404, ""),
		get("unknown group", "/Groups/none", 404, ""),
		get("id in another case", "/Users/"+strings.ToUpper(user), 404, ""),
		{"PUT creates nothing", "PUT", "/Users/none", fill(oktaNewUser, "userName", "new@corp.test"), nil, 404, "", nil},
		{"PATCH of nobody", "PATCH", "/Users/none", fill(oktaSetActive, "active", "false"), nil, 404, "", nil},
		{"DELETE of nobody", "DELETE", "/Users/none", "", nil, 404, "", nil},

		get("unknown operator", "/Users"+filter(`userName is "kim"`), 400, "invalidFilter", "position 10"),
		get("unfinished filter", "/Users"+filter(`userName eq`), 400, "invalidFilter", "position"),
		get("filter with an open bracket", "/Users"+filter(`emails[type eq "work"`), 400, "invalidFilter", "position"),
		get("order of booleans", "/Users"+filter(`active gt true`), 400, "invalidFilter", "active"),
		get("empty filter", "/Users?filter=", 400, "invalidFilter"),
		get("two filters", "/Users?filter=active+eq+true&filter=active+eq+false", 400, "invalidFilter", "more than once"),
		get("filter that is too long", "/Users"+filter(`userName eq "`+strings.Repeat("x", 9000)+`"`), 400, "invalidFilter", "8192"),
		get("filter that is nested too deeply", "/Users"+filter(strings.Repeat("(", 40)+`active eq true`+strings.Repeat(")", 40)), 400, "invalidFilter"),
		get("startIndex is no number", "/Users?startIndex=one", 400, "invalidValue", "startIndex"),
		get("count is no number", "/Users?count=many", 400, "invalidValue", "count"),
		get("attributes and excludedAttributes", "/Users?attributes=userName&excludedAttributes=emails", 400, "invalidValue", "attributes"),
		get("malformed query", "/Users?filter=%zz", 400, "invalidSyntax", "query"),

		get("unknown endpoint", "/Devices", 404, "", "/ResourceTypes"),
		get("endpoint in another case", "/users", 404, ""),
		get("path that goes on", "/Users/"+user+"/emails", 404, ""),
		get("unknown schema", "/Schemas/urn:none", 404, ""),
		get("unknown resource type", "/ResourceTypes/Device", 404, ""),
		get("filter on discovery", "/Schemas?filter=id+pr", 403, ""),
		{"PATCH of all users", "PATCH", "/Users", "{}", nil, 405, "", []string{"PATCH", "POST"}},
		{"POST to a user", "POST", "/Users/" + user, "{}", nil, 405, "", []string{"POST", "PATCH"}},
		{"POST to discovery", "POST", "/Schemas", "{}", nil, 405, "", []string{"GET"}},
		{"unheard-of method", "BREW", "/Users", "", nil, 405, "", nil},
		{"me", "GET", "/Me", "", nil, 501, "", []string{"/Me"}},
		{"search for one attribute", "POST", "/Users/.search", searchBody(`"attributes":"userName"`), nil, 400, "invalidSyntax", []string{"attributes", "array"}},
		{"search from a text", "POST", "/.search", searchBody(`"startIndex":"1"`), nil, 400, "invalidSyntax", []string{"startIndex", "integer"}},
		{"search by both choices", "POST", "/Users/.search", searchBody(`"attributes":["id"],"excludedAttributes":["name"]`), nil, 400, "invalidValue", nil},
		{"search for no attribute", "POST", "/.search", searchBody(`"filter":"shoeSize eq 4"`), nil, 400, "invalidFilter", []string{"shoeSize"}},
		get("query over all types for no attribute", "?filter=shoeSize+pr", 400, "invalidFilter", "shoeSize"),
		get("an order of no attribute", "/Users?sortBy=shoeSize", 400, "invalidPath", "sortBy", "shoeSize"),
		get("an order of a complex attribute", "/Users?sortBy=name", 400, "invalidPath", "sortBy", "name.formatted"),
		{"an order of passwords", "POST", "/Users/.search", searchBody(`"sortBy":"password"`), nil, 400, "invalidPath", []string{"sortBy"}},
		get("an order by a URL", "/Users?sortBy=meta.location", 400, "invalidPath", "sortBy", "meta.location"),
		get("no direction", "/Users?sortBy=userName&sortOrder=up", 400, "invalidValue", "sortOrder", "descending"),
		get("a filter by a URL", "/Groups?filter=members[%24ref+pr]", 400, "invalidFilter", "members.$ref"),
		get("a long filter", "/Users?filter="+strings.Repeat("x", scim.MaxFilterLength+1), 400, "invalidFilter", "8192"),
		get("a deep filter", "/Users?filter="+strings.Repeat("(", 40)+"active+pr"+strings.Repeat(")", 40), 400, "invalidFilter", "32"),
		get("a made-up cursor", "/Users?cursor=x", 400, "invalidCursor", "empty cursor"),
		get("a page of nothing by cursor", "/Users?cursor=&count=0", 400, "invalidCount", "1 to 1000"),
		get("a page of x by cursor", "/Users?cursor=&count=x", 400, "invalidCount", "1 to 1000"),
		get("a cursor and an index", "/Users?cursor=&startIndex=2", 400, "invalidValue", "startIndex"),
	}
}

func TestBadInputIsRefusedWithAReasonAndChangesNothing(t *testing.T) {
	e := start(t, "okta")
	user := e.newUser("existing@corp.test")
	group := e.newGroup("existing", user)
	before := e.written()
	for _, bad := range append(badBodies(user, group), badRequests(user, group)...) {
		t.Run(bad.name, func(t *testing.T) {
			in := *e
			in.t = t
			a := in.do(bad.method, bad.path, bad.body, bad.header...)
			a.refused(bad.status, bad.scimType, bad.detail...)
			if bad.status == 405 && a.header.Get("Allow") == "" {
				t.Error("a 405 without the header Allow")
			}
			for _, value := range []string{"kim@corp.test", "lou@corp.test", "perhaps"} {
				if strings.Contains(a.raw, value) {
					t.Errorf("the error repeats the value %s: %s", value, a.raw)
				}
			}
		})
	}
	if after := e.written(); after != before {
		t.Errorf("bad input was written\nbefore:\n%s\nafter:\n%s", before, after)
	}
}

func TestStrictClientGetsNoTolerance(t *testing.T) {
	e := start(t, "strict")
	id := e.do("POST", "/Users", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "kim@corp.test"}`).want(201).id()
	e.writesNothing("deviations from the standard", func() {
		e.do("POST", "/Users", `{"userName": "lou@corp.test"}`).refused(400, "invalidSyntax", "schemas")
		e.do("PATCH", "/Users/"+id, entraDisable).refused(400, "invalidSyntax", "op")
		e.do("PATCH", "/Users/"+id, patchHead+`[{"op": "replace", "path": "active", "value": "False"}]}`).refused(400, "invalidValue", "active")
	})
}
