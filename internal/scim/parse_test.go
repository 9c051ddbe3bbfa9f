// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMalformedJSONIsRefusedWithItsPosition(t *testing.T) {
	for _, test := range []struct {
		body     string
		position int
		words    string
	}{
		{``, 1, "end of the body"},
		{`  `, 3, "end of the body"},
		{`{`, 2, "name in double quotes"},
		{`{"userName"`, 12, "':'"},
		{`{"userName":`, 13, "end of the body"},
		{`{"userName":"kim"`, 18, "',' or '}'"},
		{`{"userName":"kim",}`, 19, "name in double quotes"},
		{`{"userName":"kim"} x`, 20, "end of the body after"},
		{`{"userName":"kim"}{}`, 19, "end of the body after"},
		{`{userName:"kim"}`, 2, "name in double quotes"},
		{`{'userName':"kim"}`, 2, "name in double quotes"},
		{`{"userName":kim}`, 13, "JSON value"},
		{`{"userName":tru}`, 13, "JSON value"},
		{`{"userName":"kim`, 13, "not closed"},
		{"{\"userName\":\"k\nim\"}", 15, "control character"},
		{"{\"userName\":\"k\\n\nim\"}", 17, "control character"},
		{"{\"userName\":\"k\xffim\"}", 15, "UTF-8"},
		{"{\"userName\":\"\\n\xffim\"}", 16, "UTF-8"},
		{`{"userName":"k\x"}`, 15, "escape"},
		{`{"userName":"\u12"}`, 14, "hexadecimal"},
		{`{"userName":"\ud83d"}`, 14, "surrogate"},
		{`{"userName":"\ud83dx"}`, 14, "surrogate"},
		{`{"userName":"\ude00"}`, 14, "surrogate"},
		{`{"userName":"\ud83d\ud83d"}`, 14, "surrogate"},
		{`{"emails":[1 2]}`, 14, "',' or ']'"},
		{`{"emails":[`, 12, "end of the body"},
		{`{"x":01}`, 6, "number"},
		{`{"x":1.}`, 6, "number"},
		{`{"x":-}`, 6, "number"},
		{`{"x":1e}`, 6, "number"},
		{`{"x":1e9999999}`, 6, "out of range"},
		{`{"x":+1}`, 6, "JSON value"},
		{"\ufeff{}", 1, "JSON value"},
		{strings.Repeat(`{"a":`, 33), 161, "nested deeper than 32"},
		{`{"a":` + strings.Repeat(`[`, 32), 37, "nested deeper than 32"},
	} {
		_, err := ParseResource([]byte(test.body), UserType, leniently(t))
		if err == nil {
			t.Errorf("%s: accepted", test.body)
			continue
		}
		e := asError(t, err)
		isError(t, e, 400, ScimTypeInvalidSyntax, test.words)
		if e.Position != test.position {
			t.Errorf("%s: position %d, want %d: %s", test.body, e.Position, test.position, e.Detail)
		}
	}
	for _, body := range []string{`[]`, `"x"`, `null`, `1`, `true`} {
		_, err := ParseResource([]byte(body), UserType, leniently(t))
		isError(t, asError(t, err), 400, ScimTypeInvalidSyntax, "JSON object")
	}
}

func TestDuplicateNamesAreRefusedByName(t *testing.T) {
	many := make([]string, 30)
	for i := range many {
		many[i] = `"x` + strings.Repeat("y", i) + `":1`
	}
	for body, name := range map[string]string{
		`{"userName":"a","userName":"b"}`:                                                       "userName",
		`{"userName":"a","USERNAME":"b"}`:                                                       "USERNAME",
		`{"userName":"a","name":{"givenName":"a","givenname":"b"}}`:                             "givenname",
		`{"userName":"a","emails":[{"value":"a","Value":"b"}]}`:                                 "Value",
		`{"userName":"a","password":"x","Password":"y"}`:                                        "Password",
		`{"userName":"a","u\u0073erName":"b"}`:                                                  "userName",
		`{"userName":"a",` + strings.Join(many, ",") + `,"XYY":2}`:                              "XYY",
		`{"userName":"a","name":{"givenName":"a"},"name.givenName":"b"}`:                        "name.givenName",
		`{"userName":"a","urn:ietf:params:scim:schemas:core:2.0:User:userName":"b"}`:            "userName",
		`{"userName":"a","department":"a","` + EnterpriseUserSchemaID + `":{"department":"b"}}`: "department",
	} {
		_, err := ParseResource([]byte(body), UserType, leniently(t))
		if err == nil {
			t.Errorf("%s: accepted", body)
			continue
		}
		isError(t, asError(t, err), 400, ScimTypeInvalidSyntax, name, "twice")
	}
	// Names are ASCII: other letters that fold to ASCII ones are other names.
	parsed(t, UserType, leniently(t), `{"userName":"a","u\u017ferName":"b"}`)
}

func TestParseKeepsWhatItDoesNotKnow(t *testing.T) {
	r := parsed(t, UserType, leniently(t), `{
	  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:corp:hr:1.0:User", "urn:other"],
	  "USERNAME": "kim@corp.test", "Name": {"GIVENNAME": "Kim", "nick": {"a": [1, null, {}]}},
	  "shoeSize": 44.50, "Tags": ["a", null, "b"], "Nothing": {"x": []},
	  "urn:corp:hr:1.0:User": {"Desk": {"floor": 12345678901234567890}, "empty": null}
	}`)
	sameJSON(t, r, `{
	  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:corp:hr:1.0:User", "urn:other"],
	  "userName": "kim@corp.test", "name": {"givenName": "Kim", "nick": {"a": [1]}},
	  "shoeSize": 44.50, "Tags": ["a", "b"],
	  "urn:corp:hr:1.0:User": {"Desk": {"floor": 12345678901234567890}}
	}`)
	if got := r.Get("urn:corp:hr:1.0:user:desk.FLOOR"); got == nil {
		t.Errorf("names of unknown extensions should ignore letter case, got %v", got)
	}
}

func TestURNQualifiedKeysOfUnknownExtensionsAreNested(t *testing.T) {
	sameJSON(t, parsed(t, UserType, leniently(t), `{"userName":"a","urn:corp:x:1.0:desk":"B","urn:corp:x:1.0:floor":3}`),
		`{"schemas":["`+UserSchemaID+`","urn:corp:x:1.0"],"userName":"a","urn:corp:x:1.0":{"desk":"B","floor":3}}`)
	_, err := ParseResource([]byte(`{"userName":"a","urn:corp:x:1.0":"B"}`), UserType, leniently(t))
	isError(t, asError(t, err), 400, ScimTypeInvalidValue, "urn:corp:x:1.0")
}

func TestPathsAsKeysAreNeverTakenForNames(t *testing.T) {
	// Even a dialect that keeps unknown attributes must not keep "name.givenName" beside name.
	o := Options{Dialect: NewDialect("", UnknownAttributes, MissingSchemas)}
	_, err := ParseResource([]byte(`{"userName":"a","name.givenName":"K"}`), UserType, o)
	isError(t, asError(t, err), 400, ScimTypeInvalidSyntax, "name.givenName")
	e := refusedPatch(t, stored(t, UserType, `{"id":"1","userName":"a"}`), o, patchBody(`{"op":"replace","value":{"name.givenName":"K"}}`))
	isError(t, e, 400, ScimTypeInvalidSyntax, "name.givenName")
}

func TestNullAndEmptyAreAbsent(t *testing.T) {
	r := parsed(t, UserType, strictly(t), `{
	  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "kim@corp.test",
	  "name": {}, "emails": [], "addresses": null, "title": null, "phoneNumbers": [null, {}], "active": null, "roles": [{"value": null}],
	  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {}, "department": null}
	}`)
	sameJSON(t, r, `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "kim@corp.test"}`)
}

func TestReadOnlyAttributesAreIgnored(t *testing.T) {
	r := parsed(t, UserType, strictly(t), `{
	  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
	  "id": "mine", "externalId": "e1", "userName": "kim@corp.test", "meta": {"version": "x"}, "groups": [{"value": "g1"}],
	  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "u2", "$ref": "../Users/u2", "displayName": "Jo"}}
	}`)
	sameJSON(t, r, `{"externalId": "e1", "userName": "kim@corp.test",
	  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "u2", "displayName": "Jo"}}}`)
}

func TestPasswordNeverSurvives(t *testing.T) {
	const secret = "hunter2-Secret"
	for _, body := range []string{
		`{"userName":"a","password":"hunter2-Secret"}`,
		`{"userName":"a","PASSWORD":"hunter2-Secret"}`,
		`{"userName":"a","p\u0061ssword":"hunter2-Secret"}`,
		`{"userName":"a","password":{"value":"hunter2-Secret"}}`,
		`{"userName":"a","name":{"password":"hunter2-Secret"}}`,
		`{"userName":"a","urn:ietf:params:scim:schemas:core:2.0:User:password":"hunter2-Secret"}`,
		`{"userName":"a","urn:corp:x":{"Password":"hunter2-Secret","y":1}}`,
		`{"userName":"a","urn:corp:x:password":"hunter2-Secret"}`,
		`{"userName":"a","name":"{\"password\":\"hunter2-Secret\"}"}`,
		`{"userName":"a","user.password":"hunter2-Secret"}`,
	} {
		r, err := ParseResource([]byte(body), UserType, leniently(t))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if s := string(mustJSON(t, r)); strings.Contains(s, secret) || strings.Contains(strings.ToLower(s), "password") {
			t.Errorf("%s: became %s", body, s)
		}
	}
	r := stored(t, UserType, `{"userName":"a","password":"hunter2-Secret"}`)
	r.Set("Password", secret)
	if r.Get("password") != nil {
		t.Error("a password got in by Set")
	}
	for _, op := range []string{
		`{"op":"replace","path":"password","value":"hunter2-Secret"}`,
		`{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:Password","value":"hunter2-Secret"}`,
		`{"op":"add","value":{"password":"hunter2-Secret"}}`,
		`{"op":"replace","value":{"urn:ietf:params:scim:schemas:core:2.0:User:password":"hunter2-Secret"}}`,
		`{"op":"replace","path":"urn:corp:x:password","value":"hunter2-Secret"}`,
		`{"op":"replace","path":"name","value":{"password":"hunter2-Secret"}}`,
		`{"op":"replace","path":"name.password","value":"hunter2-Secret"}`,
		`{"op":"remove","path":"password"}`,
	} {
		result, changed := patched(t, stored(t, UserType, `{"id":"1","userName":"a"}`), leniently(t), patchBody(op))
		if s := string(mustJSON(t, result)); strings.Contains(s, secret) || changed {
			t.Errorf("%s: became %s", op, s)
		}
	}
}

func TestWrongTypesAreRefusedByName(t *testing.T) {
	for body, words := range map[string]string{
		`"userName": 1`:                                     `"userName": expected a string, found a number`,
		`"userName": {"a":1}`:                               `"userName": expected a string, found an object`,
		`"userName": ["a","b"]`:                             `"userName" takes one value: expected a string, found an array`,
		`"userName":"a","active":"maybe"`:                   `"active": expected true or false, found a string`,
		`"userName":"a","active":1`:                         `"active": expected true or false, found a number`,
		`"userName":"a","name":true`:                        `"name": expected an object, found a boolean`,
		`"userName":"a","name":"Kim"`:                       `"name": expected an object, found a string`,
		`"userName":"a","name":{"givenName":["a","b"]}`:     `"name.givenName" takes one value`,
		`"userName":"a","name":{"givenName":{"a":1}}`:       `"name.givenName": expected a string, found an object`,
		`"userName":"a","emails":[1]`:                       `"emails": expected an object, found a number`,
		`"userName":"a","emails":[[{"value":"a"}]]`:         `"emails": expected an object, found an array`,
		`"userName":"a","emails":[{"primary":"yes"}]`:       `"emails.primary": expected true or false`,
		`"userName":"a","x509Certificates":[{"value":"%"}]`: `"x509Certificates.value": expected base64`,
		`"userName":"a","schemas":[1]`:                      `"schemas": expected a string, found a number`,
		`"userName":"a","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":1`:                 `expected an object, found a number`,
		`"userName":"a","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":[1,2]}`: `User.manager" takes one value`,
	} {
		_, err := ParseResource([]byte("{"+body+"}"), UserType, leniently(t))
		if err == nil {
			t.Errorf("%s: accepted", body)
			continue
		}
		isError(t, asError(t, err), 400, ScimTypeInvalidValue, words)
	}
}

func TestNumbersAndDatesAreChecked(t *testing.T) {
	rt := &ResourceType{Name: "Thing", Schema: &Schema{ID: "urn:test:Thing", Attributes: []*Attribute{
		attribute("size", TypeInteger, ""), attribute("weight", TypeDecimal, ""), attribute("since", TypeDateTime, ""),
	}}}
	sameJSON(t, parsed(t, rt, leniently(t), `{"size": 1e2, "weight": 12345678901234567890.10, "since": "2026-01-31T08:00:00.5+02:00"}`),
		`{"size": 1e2, "weight": 12345678901234567890.10, "since": "2026-01-31T08:00:00.5+02:00"}`)
	for body, words := range map[string]string{
		`{"size": 1.5}`:                     "expected an integer",
		`{"size": "1"}`:                     "expected an integer",
		`{"weight": "1"}`:                   "expected a number",
		`{"since": "31.1.2026"}`:            "2026-01-31T08:00:00Z",
		`{"since": "2026-01-31"}`:           "2026-01-31T08:00:00Z",
		`{"since": "2026-02-30T08:00:00Z"}`: "2026-01-31T08:00:00Z",
	} {
		_, err := ParseResource([]byte(body), rt, leniently(t))
		if err == nil {
			t.Errorf("%s: accepted", body)
			continue
		}
		isError(t, asError(t, err), 400, ScimTypeInvalidValue, words)
	}
}

func TestNamesThatIdentifyAreCheckedForInvisibleDifferences(t *testing.T) {
	for body, words := range map[string]string{
		`{}`:                        "required",
		`{"userName": null}`:        "required",
		`{"userName": ""}`:          "required",
		`{"userName": []}`:          "required",
		`{"userName": " kim"}`:      "white space",
		`{"userName": "kim\u00a0"}`: "white space",
		`{"userName": "kim\n"}`:     "white space",
		`{"userName": "ki\u0000m"}`: "control character",
		`{"userName": "ki\u0085m"}`: "control character",
		`{"userName": "ki\u007fm"}`: "control character",
		`{"userName": "` + strings.Repeat("é", 1025) + `"}`: "1024",
	} {
		_, err := ParseResource([]byte(body), UserType, leniently(t))
		if err == nil {
			t.Errorf("%s: accepted", body)
			continue
		}
		isError(t, asError(t, err), 400, ScimTypeInvalidValue, `"userName"`, words)
		group := strings.Replace(body, "userName", "displayName", 1)
		_, err = ParseResource([]byte(group), GroupType, leniently(t))
		isError(t, asError(t, err), 400, ScimTypeInvalidValue, `"displayName"`, words)
	}
	// A user's displayName identifies nobody.
	parsed(t, UserType, leniently(t), `{"userName": "a b", "displayName": " Kim "}`)
	for _, op := range []string{
		`{"op":"replace","path":"userName","value":" kim"}`,
		`{"op":"replace","path":"userName","value":""}`,
		`{"op":"replace","path":"userName","value":null}`,
		`{"op":"add","path":"userName","value":"k\u0007"}`,
		`{"op":"replace","value":{"userName":"kim "}}`,
	} {
		e := refusedPatch(t, stored(t, UserType, `{"id":"1","userName":"a"}`), leniently(t), patchBody(op))
		isError(t, e, 400, ScimTypeInvalidValue, `"userName"`, "operation 1")
	}
}

func TestSchemasAreWorkedOut(t *testing.T) {
	r := stored(t, UserType, `{"userName":"a","`+EnterpriseUserSchemaID+`":{"department":"x"},"urn:corp:hr":{"desk":1},"schemas":["urn:other","urn:CORP:hr"]}`)
	if diff := cmp.Diff([]string{UserSchemaID, EnterpriseUserSchemaID, "urn:other", "urn:CORP:hr"}, r.Schemas()); diff != "" {
		t.Error(diff)
	}
	r.Delete(EnterpriseUserSchemaID)
	if containsName(r.Schemas(), EnterpriseUserSchemaID) {
		t.Error("the URN of an extension without data stayed")
	}
}

func TestRequiredExtensionsAndTheirAttributes(t *testing.T) {
	ext := &Schema{ID: "urn:test:ext", Attributes: []*Attribute{attribute("badge", TypeString, "", required), attribute("desk", TypeString, "")}}
	rt := &ResourceType{Name: "Thing", Schema: &Schema{ID: "urn:test:Thing"}, Extensions: []SchemaExtension{{Schema: ext, Required: true}}}
	for body, words := range map[string]string{
		`{}`:                            `extension "urn:test:ext" is required`,
		`{"urn:test:ext":{"desk":"x"}}`: `"badge" is required`,
	} {
		_, err := ParseResource([]byte(body), rt, leniently(t))
		isError(t, asError(t, err), 400, ScimTypeInvalidValue, words)
	}
	parsed(t, rt, leniently(t), `{"urn:test:ext":{"badge":"x"}}`)
}
