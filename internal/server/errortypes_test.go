// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
	"github.com/scim-operator/scim-operator/internal/server"
)

// refusal is a request that has to be refused, with what the detail has to tell a person.
type refusal struct {
	scimType           scim.ScimType
	status             int
	method, path, body string
	detail             []string
}

// refusals has every keyword of RFC 7644 3.12, table 9, for a client of the dialect strict. user, other and group are ids.
func refusals(user, other, group string) []refusal {
	patch := func(path string, operations string, e scim.ScimType, detail ...string) refusal {
		return refusal{e, 400, "PATCH", path, patchHead + "[" + operations + "]}", detail}
	}
	get := func(e scim.ScimType, status int, path string, detail ...string) refusal {
		return refusal{e, status, "GET", path, "", detail}
	}
	users, groups := "/Users/"+user, "/Groups/"+group
	return []refusal{
		get(scim.ScimTypeInvalidFilter, 400, "/Users"+filter(`userName is "kim"`), "position 10", "eq"),
		get(scim.ScimTypeInvalidFilter, 400, "/Users"+filter(`shoeSize eq 41`), "shoeSize", "/Schemas"),
		get(scim.ScimTypeInvalidFilter, 400, "/Users"+filter(`active gt true`), "gt", "boolean"),

		get(scim.ScimTypeTooMany, 400, "/Users"+filter(`active eq true`), "more than 1", "userName", "cursor"),

		{scim.ScimTypeUniqueness, 409, "POST", "/Users", strictUser("KIM@corp.test"), []string{"userName", "another user"}},
		{scim.ScimTypeUniqueness, 409, "PUT", "/Users/" + other, strictUser("kim@corp.test"), []string{"userName", "another user"}},
		{scim.ScimTypeUniqueness, 409, "POST", "/Groups", strictGroup("Eng"), []string{"displayName", "another group"}},

		patch(users, `{"op": "replace", "path": "id", "value": "another"}`, scim.ScimTypeMutability, "id"),
		patch(users, `{"op": "add", "path": "groups", "value": [{"value": "g"}]}`, scim.ScimTypeMutability, "groups", "read-only"),
		patch(users, `{"op": "remove", "path": "userName"}`, scim.ScimTypeMutability, "userName", "required"),
		patch(groups, `{"op": "replace", "path": "members[value eq \"`+user+`\"].value", "value": "x"}`, scim.ScimTypeMutability, "members", "immutable", "remove"),

		{scim.ScimTypeInvalidSyntax, 400, "POST", "/Users", `{"userName": "kim",}`, []string{"position 20"}},
		{scim.ScimTypeInvalidSyntax, 400, "POST", "/Users", `{"userName": "kim"}`, []string{"schemas", "core:2.0:User"}},
		{scim.ScimTypeInvalidSyntax, 400, "POST", "/Users", strings.Replace(strictUser("x"), "{", `{"shoeSize": 41, `, 1), []string{"shoeSize", "leave it out"}},

		patch(users, `{"op": "replace", "path": "emails[type eq", "value": "x"}`, scim.ScimTypeInvalidPath, "position"),
		patch(users, `{"op": "replace", "path": "shoeSize", "value": 41}`, scim.ScimTypeInvalidPath, "shoeSize", "/Schemas"),
		patch(users, `{"op": "replace", "path": 17, "value": 41}`, scim.ScimTypeInvalidPath, "path", "string"),

		patch(users, `{"op": "replace", "path": "emails[type eq \"home\"].value", "value": "x"}`, scim.ScimTypeNoTarget, "emails", "add the value first"),
		patch(users, `{"op": "remove"}`, scim.ScimTypeNoTarget, "path"),

		{scim.ScimTypeInvalidValue, 400, "POST", "/Users", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]}`, []string{"userName", "required"}},
		{scim.ScimTypeInvalidValue, 400, "POST", "/Users", strings.Replace(strictUser("x"), "{", `{"active": "yes", `, 1), []string{"active", "true or false"}},
		get(scim.ScimTypeInvalidValue, 400, "/Users?count=many", "count", "integer"),

		get(scim.ScimTypeInvalidVers, 400, "../v1/Users", "/scim/v2"),
		get(scim.ScimTypeInvalidVers, 400, "../v3/Users/"+user, "/scim/v2"),
		{scim.ScimTypeInvalidVers, 400, "POST", "../v1.1/Users", strictUser("x"), []string{"/scim/v2"}},

		get(scim.ScimTypeSensitive, 403, "/Users"+filter(`userName eq "kim" and password eq "secret"`), "password", "URL", "/.search"),
		get(scim.ScimTypeSensitive, 403, "/Users?sortBy=password", "password", "URL"),
		get(scim.ScimTypeSensitive, 403, "/Users"+filter(`urn:ietf:params:scim:schemas:core:2.0:User:Password pr`), "password"),
	}
}

func TestEveryErrorTypeOfTheRFCSaysWhatToDo(t *testing.T) {
	e := start(t, "strict", func(o *server.Options) {
		o.Limits = server.DefaultLimits()
		o.Limits.Scan = 1
	})
	user := e.do("POST", "/Users", strictUser("kim@corp.test")).want(201).id()
	other := e.do("POST", "/Users", strictUser("lou@corp.test")).want(201).id()
	group := e.do("POST", "/Groups", strictGroup("eng", user)).want(201).id()
	produced := map[scim.ScimType]bool{}
	e.writesNothing("refused requests", func() {
		for _, r := range refusals(user, other, group) {
			in := *e
			if rest, found := strings.CutPrefix(r.path, "../"); found {
				in.base, r.path = strings.TrimSuffix(e.base, "v2"), rest
			}
			a := in.do(r.method, r.path, r.body)
			a.refused(r.status, string(r.scimType), r.detail...)
			produced[r.scimType] = true
			for _, value := range []string{"kim@", "lou@", "secret", `"yes"`} {
				if strings.Contains(a.raw, value) {
					t.Errorf("%s: the answer repeats a value: %s", a.what, a.raw)
				}
			}
		}
	})
	for _, all := range []scim.ScimType{
		scim.ScimTypeInvalidFilter, scim.ScimTypeTooMany, scim.ScimTypeUniqueness, scim.ScimTypeMutability, scim.ScimTypeInvalidSyntax, scim.ScimTypeInvalidPath,
		scim.ScimTypeNoTarget, scim.ScimTypeInvalidValue, scim.ScimTypeInvalidVers, scim.ScimTypeSensitive,
	} {
		if !produced[all] {
			t.Errorf("%s is not produced", all)
		}
	}
}

// panicking is a directory with a fault.
type panicking struct{ server.Directory }

func (panicking) Get(context.Context, *scim.ResourceType, string) (*scim.Resource, error) {
	panic("kim@corp.test")
}

func TestEveryStatusOfTheRFCHasASCIMBody(t *testing.T) {
	plain := start(t, "okta")
	id := plain.newUser("kim@corp.test")
	broken := start(t, "okta", func(o *server.Options) { o.Directory = func(directory.Scope) server.Directory { return panicking{} } })
	away := start(t, "okta", func(o *server.Options) {
		o.Directory = func(s directory.Scope) server.Directory { return unreachableStore(t).For(s) }
	})
	for _, r := range []struct {
		status   int
		scimType string
		a        *answer
		header   string
		value    string
	}{
		{400, "invalidFilter", plain.do("GET", "/Users?filter=x", ""), "", ""},
		{401, "", plain.do("GET", "/Users", "", "Authorization", ""), "WWW-Authenticate", `Bearer realm="scim"`},
		{403, "", plain.do("GET", "/Schemas?filter=x", ""), "", ""},
		{404, "", plain.do("GET", "/Users/none", ""), "", ""},
		{405, "", plain.do("PATCH", "/Users", "{}"), "Allow", "GET, HEAD, POST"},
		{409, "uniqueness", plain.do("POST", "/Users", strictUser("kim@corp.test")), "", ""},
		{412, "", plain.do("DELETE", "/Users/"+id, "", "If-Match", `W/"other"`), "", ""},
		{413, "", plain.do("POST", "/Users", strictUser(strings.Repeat("x", 1<<20))), "", ""},
		{415, "", plain.do("POST", "/Users", "<user/>", "Content-Type", "application/xml"), "", ""},
		{429, "", tooManyLogIns(start(t, "okta")), "Retry-After", "2"},
		{500, "", broken.do("GET", "/Users/x", ""), "", ""},
		{501, "", plain.do("GET", "/Me", ""), "", ""},
		{503, "", away.do("GET", "/Users/"+id, ""), "Retry-After", "5"},
	} {
		r.a.refused(r.status, r.scimType)
		if got := r.a.header.Get(r.header); r.header != "" && got != r.value {
			t.Errorf("%d with %s: %q", r.status, r.header, got)
		}
		if strings.Contains(r.a.raw, "kim") {
			t.Errorf("%d: the answer has a name: %s", r.status, r.a.raw)
		}
	}
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		plain.do(method, "/Me", "").refused(http.StatusNotImplemented, "", "ScimClient", "/Users/<id>")
	}
}

// tooManyLogIns sends wrong tokens until that is slowed down.
func tooManyLogIns(e *endpoint) *answer {
	var a *answer
	for range 30 {
		if a = e.do("GET", "/Users", "", "Authorization", "Bearer wrong-token-012345678"); a.status == http.StatusTooManyRequests {
			break
		}
	}
	return a
}
