// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"fmt"
	"strings"
	"testing"
)

const ent = EnterpriseUserSchemaID

// patchCases are the semantics of RFC 7644 3.5.2 that need no tolerance.
var patchCases = []struct {
	name, before string
	ops          []string
	want         string // empty: nothing changes
}{
	// add, 3.5.2.1
	{"add sets a single-valued attribute", `{"userName":"a"}`, []string{`{"op":"add","path":"title","value":"x"}`}, `{"userName":"a","title":"x"}`},
	{"add replaces a single-valued attribute", `{"userName":"a","title":"y"}`, []string{`{"op":"add","path":"title","value":"x"}`}, `{"userName":"a","title":"x"}`},
	{"add of what is there changes nothing", `{"userName":"a","title":"x","emails":[{"value":"a@x.test","type":"work"}]}`,
		[]string{`{"op":"add","path":"title","value":"x"}`, `{"op":"add","path":"emails","value":[{"type":"work","value":"a@x.test"}]}`}, ""},
	{"add appends to a multi-valued attribute", `{"userName":"a","emails":[{"value":"a@x.test"}]}`,
		[]string{`{"op":"add","path":"emails","value":[{"value":"b@x.test"},{"value":"c@x.test"}]}`},
		`{"userName":"a","emails":[{"value":"a@x.test"},{"value":"b@x.test"},{"value":"c@x.test"}]}`},
	{"add takes one value without array", `{"userName":"a"}`, []string{`{"op":"add","path":"emails","value":{"value":"b@x.test"}}`}, `{"userName":"a","emails":[{"value":"b@x.test"}]}`},
	{"add of the same type and value updates that element", `{"userName":"a","emails":[{"value":"a@x.test","type":"work"}]}`,
		[]string{`{"op":"add","path":"emails","value":[{"type":"work","value":"A@x.test","primary":true}]}`},
		`{"userName":"a","emails":[{"value":"A@x.test","type":"work","primary":true}]}`},
	{"add merges a complex attribute", `{"userName":"a","name":{"givenName":"K","familyName":"M"}}`,
		[]string{`{"op":"add","path":"name","value":{"givenName":"Kim","formatted":"Kim M"}}`}, `{"userName":"a","name":{"givenName":"Kim","familyName":"M","formatted":"Kim M"}}`},
	{"add of a sub-attribute creates its parent", `{"userName":"a"}`, []string{`{"op":"add","path":"name.givenName","value":"Kim"}`}, `{"userName":"a","name":{"givenName":"Kim"}}`},
	{"path-less add", `{"userName":"a","emails":[{"value":"a@x.test"}]}`,
		[]string{`{"op":"add","value":{"emails":[{"value":"b@x.test"}],"nickName":"K"}}`}, `{"userName":"a","emails":[{"value":"a@x.test"},{"value":"b@x.test"}],"nickName":"K"}`},
	{"add to selected elements", `{"userName":"a","emails":[{"value":"a@x.test","type":"work"},{"value":"b@x.test"}]}`,
		[]string{`{"op":"add","path":"emails[type eq \"work\"]","value":{"display":"A"}}`}, `{"userName":"a","emails":[{"value":"a@x.test","type":"work","display":"A"},{"value":"b@x.test"}]}`},
	{"add to an extension adds its URN", `{"userName":"a"}`, []string{`{"op":"add","path":"` + ent + `:department","value":"x"}`},
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + ent + `"],"userName":"a","` + ent + `":{"department":"x"}}`},
	{"add of null changes nothing in a list", `{"userName":"a","emails":[{"value":"a@x.test"}]}`, []string{`{"op":"add","path":"emails","value":null}`}, ""},

	// replace, 3.5.2.3
	{"replace sets", `{"userName":"a"}`, []string{`{"op":"replace","path":"title","value":"x"}`}, `{"userName":"a","title":"x"}`},
	{"replace of a list is the list", `{"userName":"a","emails":[{"value":"a@x.test"},{"value":"b@x.test"}]}`,
		[]string{`{"op":"replace","path":"emails","value":[{"value":"c@x.test"}]}`}, `{"userName":"a","emails":[{"value":"c@x.test"}]}`},
	{"replace by the same list in another order changes nothing", `{"userName":"a","emails":[{"value":"a@x.test","type":"work"},{"value":"b@x.test"}]}`,
		[]string{`{"op":"replace","path":"emails","value":[{"value":"b@x.test"},{"type":"work","value":"a@x.test"}]}`}, ""},
	{"replace by null, [] or {} clears", `{"userName":"a","title":"x","emails":[{"value":"a@x.test"}],"name":{"givenName":"K"}}`,
		[]string{`{"op":"replace","path":"title","value":null}`, `{"op":"replace","path":"emails","value":[]}`, `{"op":"replace","path":"name","value":{}}`}, `{"userName":"a"}`},
	{"replace of a complex attribute merges", `{"userName":"a","name":{"givenName":"K","familyName":"M"}}`,
		[]string{`{"op":"replace","path":"name","value":{"givenName":"Kim"}}`}, `{"userName":"a","name":{"givenName":"Kim","familyName":"M"}}`},
	{"replace changes every element that matches", `{"userName":"a","emails":[{"value":"a","type":"work"},{"value":"b","type":"WORK"},{"value":"c","type":"home"}]}`,
		[]string{`{"op":"replace","path":"emails[type eq \"work\"].display","value":"W"}`},
		`{"userName":"a","emails":[{"value":"a","type":"work","display":"W"},{"value":"b","type":"WORK","display":"W"},{"value":"c","type":"home"}]}`},
	{"replace of selected elements keeps what selected them", `{"userName":"a","addresses":[{"type":"work","locality":"Bern","country":"CH"},{"type":"home"}]}`,
		[]string{`{"op":"replace","path":"addresses[type eq \"work\"]","value":{"locality":"Basel"}}`}, `{"userName":"a","addresses":[{"type":"work","locality":"Basel"},{"type":"home"}]}`},
	{"replace of selected elements may change what selected them", `{"userName":"a","addresses":[{"type":"work","locality":"Bern"}]}`,
		[]string{`{"op":"replace","path":"addresses[type eq \"work\"]","value":{"type":"home","locality":"Basel"}}`}, `{"userName":"a","addresses":[{"type":"home","locality":"Basel"}]}`},
	{"replace of several elements by one", `{"userName":"a","emails":[{"value":"a","type":"work"},{"value":"b","type":"work"}]}`,
		[]string{`{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"c"}}`}, `{"userName":"a","emails":[{"type":"work","value":"c"}]}`},
	{"replace of a sub-attribute without filter", `{"userName":"a","emails":[{"value":"a"},{"value":"b"}]}`,
		[]string{`{"op":"replace","path":"emails.type","value":"work"}`}, `{"userName":"a","emails":[{"value":"a","type":"work"},{"value":"b","type":"work"}]}`},
	{"replace of a sub-attribute of nothing adds", `{"userName":"a"}`, []string{`{"op":"replace","path":"emails.value","value":"x"}`}, `{"userName":"a","emails":[{"value":"x"}]}`},
	{"path-less replace of an extension keeps the rest", `{"userName":"a","` + ent + `":{"department":"x","costCenter":"1"}}`,
		[]string{`{"op":"replace","value":{"` + ent + `":{"department":"y"}}}`}, `{"userName":"a","` + ent + `":{"department":"y","costCenter":"1"}}`},
	{"replace with an extension's URN as path", `{"userName":"a"}`, []string{`{"op":"replace","path":"` + ent + `","value":{"department":"y"}}`}, `{"userName":"a","` + ent + `":{"department":"y"}}`},
	{"path-less null clears an extension and its URN", `{"userName":"a","` + ent + `":{"department":"x"}}`,
		[]string{`{"op":"replace","value":{"` + ent + `":null}}`}, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a"}`},
	{"replace of the selected sub-attribute by null", `{"userName":"a","emails":[{"value":"a","type":"work","display":"A"}]}`,
		[]string{`{"op":"replace","path":"emails[type eq \"work\"].display","value":null}`}, `{"userName":"a","emails":[{"value":"a","type":"work"}]}`},
	{"replace of nothing by null", `{"userName":"a"}`, []string{`{"op":"replace","path":"emails[type eq \"work\"].value","value":null}`}, ""},

	// remove, 3.5.2.2
	{"remove unassigns", `{"userName":"a","title":"x","emails":[{"value":"a"}]}`, []string{`{"op":"remove","path":"title"}`, `{"op":"remove","path":"emails"}`}, `{"userName":"a"}`},
	{"remove of nothing succeeds", `{"userName":"a","emails":[{"value":"a","type":"work"}]}`,
		[]string{`{"op":"remove","path":"title"}`, `{"op":"remove","path":"name.givenName"}`, `{"op":"remove","path":"emails[type eq \"x\"]"}`, `{"op":"remove","path":"emails[type eq \"x\"].value"}`}, ""},
	{"remove of selected elements", `{"userName":"a","emails":[{"value":"a","type":"work"},{"value":"b","type":"home"}]}`,
		[]string{`{"op":"remove","path":"emails[type eq \"work\" and value ew \"a\"]"}`}, `{"userName":"a","emails":[{"value":"b","type":"home"}]}`},
	{"remove of the last element unassigns", `{"userName":"a","emails":[{"value":"a","type":"work"}]}`, []string{`{"op":"remove","path":"emails[type eq \"work\"]"}`}, `{"userName":"a"}`},
	{"remove of the last sub-attribute unassigns", `{"userName":"a","name":{"givenName":"K"},"emails":[{"value":"a"}]}`,
		[]string{`{"op":"remove","path":"name.givenName"}`, `{"op":"remove","path":"emails[value eq \"a\"].value"}`}, `{"userName":"a"}`},
	{"remove of a sub-attribute of all elements", `{"userName":"a","emails":[{"value":"a","type":"work"},{"value":"b","type":"home"}]}`,
		[]string{`{"op":"remove","path":"emails.type"}`}, `{"userName":"a","emails":[{"value":"a"},{"value":"b"}]}`},
	{"remove of the last extension attribute drops its URN", `{"userName":"a","` + ent + `":{"department":"x"}}`,
		[]string{`{"op":"remove","path":"` + ent + `:department"}`}, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a"}`},
	{"remove of an extension", `{"userName":"a","` + ent + `":{"department":"x"}}`, []string{`{"op":"remove","path":"` + ent + `"}`}, `{"userName":"a"}`},
	{"remove of one target ignores a value", `{"userName":"a","title":"x"}`, []string{`{"op":"remove","path":"title","value":"y"}`}, `{"userName":"a"}`},

	// primary, 3.5.2
	{"a new primary ends the old one", `{"userName":"a","emails":[{"value":"a","primary":true},{"value":"b"}]}`,
		[]string{`{"op":"add","path":"emails","value":[{"value":"c","primary":true}]}`},
		`{"userName":"a","emails":[{"value":"a","primary":false},{"value":"b"},{"value":"c","primary":true}]}`},
	{"primary set on a selected element", `{"userName":"a","emails":[{"value":"a","primary":true},{"value":"b","type":"home"}]}`,
		[]string{`{"op":"replace","path":"emails[type eq \"home\"].primary","value":true}`},
		`{"userName":"a","emails":[{"value":"a","primary":false},{"value":"b","type":"home","primary":true}]}`},
	{"a change of another sub-attribute leaves primary", `{"userName":"a","emails":[{"value":"a","primary":true,"type":"work"},{"value":"b"}]}`,
		[]string{`{"op":"replace","path":"emails[type eq \"work\"].value","value":"c"}`}, `{"userName":"a","emails":[{"value":"c","primary":true,"type":"work"},{"value":"b"}]}`},

	// Sequence.
	{"each operation sees the one before", `{"userName":"a"}`, []string{
		`{"op":"add","path":"emails","value":[{"value":"a","type":"work"}]}`,
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"b"}`,
		`{"op":"add","path":"emails","value":[{"value":"c"}]}`,
		`{"op":"remove","path":"emails[value eq \"b\"]"}`,
	}, `{"userName":"a","emails":[{"value":"c"}]}`},
	{"what is undone is no change", `{"userName":"a","title":"x"}`, []string{`{"op":"remove","path":"title"}`, `{"op":"add","path":"title","value":"x"}`}, ""},
	{"names in any letter case", `{"userName":"a","emails":[{"value":"a","type":"work"}]}`,
		[]string{`{"OP":"replace","PATH":"EMAILS[TYPE eq \"WORK\"].VALUE","VALUE":"b"}`, `{"op":"replace","value":{"DISPLAYNAME":"x"}}`},
		`{"userName":"a","displayName":"x","emails":[{"value":"b","type":"work"}]}`},
	{"the resource's own id", `{"userName":"a"}`, []string{`{"op":"replace","value":{"id":"u1","title":"x"}}`, `{"op":"replace","path":"id","value":"u1"}`}, `{"userName":"a","title":"x"}`},
}

func TestPatch(t *testing.T) {
	for _, test := range patchCases {
		t.Run(test.name, func(t *testing.T) {
			r := stored(t, UserType, test.before)
			r.Set("id", "u1")
			want := test.want
			if want == "" {
				want = test.before
			}
			want = strings.Replace(want, "{", `{"id":"u1",`, 1)
			result, changed := patched(t, r, strictly(t), patchBody(test.ops...))
			sameJSON(t, result, want)
			if changed != (test.want != "") {
				t.Errorf("changed is %v", changed)
			}
		})
	}
}

func TestPatchRefusals(t *testing.T) {
	before := `{"id":"u1","userName":"a","title":"t","groups":[{"value":"g1"}],"meta":{"version":"1"},"emails":[{"value":"a","type":"work"}],"` + ent + `":{"manager":{"value":"u2","$ref":"x"}}}`
	for _, test := range []struct {
		name, op string
		scimType ScimType
		words    string
	}{
		{"unknown op", `{"op":"move","path":"title"}`, ScimTypeInvalidSyntax, `"add", "replace" or "remove"`},
		{"no op", `{"path":"title","value":"x"}`, ScimTypeInvalidSyntax, `"op"`},
		{"op is no string", `{"op":1}`, ScimTypeInvalidSyntax, `"op"`},
		{"operation is no object", `"add"`, ScimTypeInvalidSyntax, "expected an object"},
		{"path is no string", `{"op":"add","path":1,"value":"x"}`, ScimTypeInvalidPath, `"path"`},
		{"empty path", `{"op":"add","path":"","value":"x"}`, ScimTypeInvalidPath, "empty"},
		{"add without value", `{"op":"add","path":"title"}`, ScimTypeInvalidValue, "value"},
		{"replace without value", `{"op":"replace","path":"title"}`, ScimTypeInvalidValue, "value"},
		{"path-less without value", `{"op":"replace"}`, ScimTypeInvalidValue, "value"},
		{"path-less with a string", `{"op":"replace","value":"x"}`, ScimTypeInvalidValue, "object with attributes"},
		{"remove without path", `{"op":"remove"}`, ScimTypeNoTarget, "path"},
		{"remove without path, with value", `{"op":"remove","value":{"title":"x"}}`, ScimTypeNoTarget, "path"},
		{"path does not parse", `{"op":"remove","path":"emails[type eq"}`, ScimTypeInvalidPath, "position 15"},
		{"unknown attribute", `{"op":"add","path":"shoe","value":"x"}`, ScimTypeInvalidPath, `"shoe"`},
		{"wrong type", `{"op":"add","path":"title","value":1}`, ScimTypeInvalidValue, `"title": expected a string, found a number`},
		{"wrong type of a sub-attribute", `{"op":"add","path":"emails[type eq \"work\"].primary","value":"yes"}`, ScimTypeInvalidValue, `"emails.primary"`},
		{"wrong type in an element", `{"op":"replace","path":"emails[type eq \"work\"]","value":"x"}`, ScimTypeInvalidValue, `"emails"`},
		{"another id", `{"op":"replace","value":{"id":"u2"}}`, ScimTypeMutability, `"id"`},
		{"another id by path", `{"op":"replace","path":"id","value":"u2"}`, ScimTypeMutability, `"id"`},
		{"remove of id", `{"op":"remove","path":"id"}`, ScimTypeMutability, `"id"`},
		{"read-only groups", `{"op":"add","path":"groups","value":[{"value":"g2"}]}`, ScimTypeMutability, `"groups"`},
		{"read-only meta", `{"op":"replace","path":"meta.version","value":"2"}`, ScimTypeMutability, `"meta.version"`},
		{"read-only sub-attribute", `{"op":"replace","path":"` + ent + `:manager.$ref","value":"y"}`, ScimTypeMutability, `manager.$ref"`},
		{"remove of read-only", `{"op":"remove","path":"groups[value eq \"g1\"]"}`, ScimTypeMutability, `"groups"`},
		{"remove of required", `{"op":"remove","path":"userName"}`, ScimTypeMutability, `"userName" is required`},
		{"remove of schemas", `{"op":"remove","path":"schemas"}`, ScimTypeMutability, `"schemas"`},
		{"required replaced by null", `{"op":"replace","path":"userName","value":null}`, ScimTypeInvalidValue, `"userName" is required`},
		{"no target", `{"op":"replace","path":"emails[type eq \"home\"].value","value":"x"}`, ScimTypeNoTarget, `"emails"`},
		{"no target for the element", `{"op":"replace","path":"emails[type eq \"home\"]","value":{"value":"x"}}`, ScimTypeNoTarget, `"emails"`},
		{"remove of a list with null", `{"op":"remove","path":"emails","value":null}`, ScimTypeInvalidValue, "null"},
		{"extension is no object", `{"op":"replace","value":{"` + ent + `":"x"}}`, ScimTypeInvalidValue, "expected an object"},
	} {
		t.Run(test.name, func(t *testing.T) {
			// An operation that succeeds comes first: it must not be in any result.
			first := `{"op":"replace","path":"title","value":"changed"}`
			e := refusedPatch(t, stored(t, UserType, before), strictly(t), patchBody(first, test.op))
			isError(t, e, 400, test.scimType, test.words, "operation 2: ")
		})
	}
}

func TestLenientPatchStillRefusesWhatHasNoMeaning(t *testing.T) {
	r := stored(t, UserType, `{"id":"u1","userName":"a","emails":[{"value":"a"}]}`)
	for op, scimType := range map[string]ScimType{
		`{"op":"replace","path":"emails[type sw \"w\"].value","value":"x"}`:                    ScimTypeNoTarget,
		`{"op":"replace","path":"emails[type eq \"w\" or type eq \"x\"].value","value":"x"}`:   ScimTypeNoTarget,
		`{"op":"replace","path":"emails[not (type eq \"w\")  and type pr].value","value":"x"}`: ScimTypeNoTarget,
		`{"op":"replace","path":"id","value":"u2"}`:                                            ScimTypeMutability,
		`{"op":"replace","value":{"id":"u2"}}`:                                                 ScimTypeMutability,
		`{"op":"replace","value":{"id":null}}`:                                                 ScimTypeMutability,
		`{"op":"replace","path":"groups","value":[]}`:                                          ScimTypeMutability,
		`{"op":"remove","path":"emails","value":{}}`:                                           ScimTypeInvalidValue,
		`{"op":"remove","path":"emails","value":""}`:                                           ScimTypeInvalidValue,
		`{"op":"remove","path":"emails","value":[{}]}`:                                         ScimTypeInvalidValue,
		`{"op":"remove","path":"emails","value":[5]}`:                                          ScimTypeInvalidValue,
		`{"op":"replace","path":"name","value":"{\"givenName\":"}`:                             ScimTypeInvalidValue,
		`{"op":"replace","path":"emails[shoe eq \"x\"].value","value":"x"}`:                    ScimTypeInvalidPath,
		`{"op":"replace","path":"urn:corp:x","value":{"a":1}}`:                                 "",
		`{"op":"replace","path":"urn:corp:1.0","value":3}`:                                     ScimTypeInvalidValue,
	} {
		if scimType == "" {
			patched(t, r, leniently(t), patchBody(op))
			continue
		}
		isError(t, refusedPatch(t, r, leniently(t), patchBody(op)), 400, scimType)
	}
}

func TestPatchBodyIsChecked(t *testing.T) {
	for body, words := range map[string]string{
		`{}`: PatchSchema,
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"Operations":[]}`: PatchSchema,
		`{"schemas":["` + PatchSchema + `"]}`:                                        "Operations",
		`{"schemas":["` + PatchSchema + `"],"Operations":{}}`:                        "Operations",
		`[]`: "JSON object",
		`{"schemas":["` + PatchSchema + `"],"Operations":[],"operations":[]}`: "twice",
	} {
		_, err := ParsePatch([]byte(body), UserType, strictly(t))
		if err == nil {
			t.Errorf("%s: accepted", body)
			continue
		}
		isError(t, asError(t, err), 400, ScimTypeInvalidSyntax, words)
	}
	p, err := ParsePatch([]byte(`{"Schemas":["URN:ietf:params:scim:api:messages:2.0:patchop"],"operations":[{"op":"replace","path":"password","value":"x"}]}`), UserType, strictly(t))
	if err != nil || !p.Empty() {
		t.Errorf("%v, %v", p, err)
	}
	o, used := options(t, "okta")
	if _, err := ParsePatch([]byte(`{"Operations":[]}`), UserType, o); err != nil || len(used()) != 1 || used()[0] != MissingSchemas {
		t.Errorf("%v, %v", err, used())
	}
}

func TestPatchIsLimited(t *testing.T) {
	many := func(op string, n int) string {
		ops := make([]string, n)
		for i := range ops {
			ops[i] = strings.ReplaceAll(op, "#", fmt.Sprint(i))
		}
		return patchBody(ops...)
	}
	r := stored(t, UserType, `{"id":"u1","userName":"a"}`)
	isError(t, refusedPatch(t, r, leniently(t), many(`{"op":"remove","path":"title"}`, MaxPatchOperations+1)), 413, "", "5000")
	isError(t, refusedPatch(t, r, leniently(t), many(`{"op":"add","path":"x#","value":1}`, MaxNames+1)), 400, ScimTypeInvalidValue, "512")
	isError(t, refusedPatch(t, r, leniently(t), many(`{"op":"add","path":"urn:x:y#","value":1}`, MaxNames+1)), 400, ScimTypeInvalidValue, "512")
	isError(t, refusedPatch(t, r, leniently(t), many(`{"op":"add","path":"emails","value":{"value":"#"}}`, MaxValues+1)), 400, ScimTypeInvalidValue, "emails", "1024")
	isError(t, refusedPatch(t, r, leniently(t), many(`{"op":"add","path":"tags","value":["#"]}`, MaxValues+1)), 400, ScimTypeInvalidValue, "tags", "1024")
}

func TestImmutableAttributesAreSetOnce(t *testing.T) {
	rt := &ResourceType{Name: "Thing", Schema: &Schema{ID: "urn:test:Thing", Attributes: []*Attribute{
		attribute("serial", TypeString, "", immutable, exact),
		attribute("place", TypeComplex, "", subs(attribute("floor", TypeString, "", immutable), attribute("desk", TypeString, ""))),
		attribute("parts", TypeComplex, "", multi, subs(attribute("value", TypeString, "", immutable), attribute("note", TypeString, ""))),
	}}}
	empty := stored(t, rt, `{"id":"1"}`)
	full := stored(t, rt, `{"id":"1","serial":"a","place":{"floor":"1","desk":"2"},"parts":[{"value":"p","note":"n"}]}`)
	for _, op := range []string{
		`{"op":"add","path":"serial","value":"a"}`,
		`{"op":"replace","path":"place","value":{"floor":"1"}}`,
	} {
		patched(t, empty, strictly(t), patchBody(op))
		if _, changed := patched(t, full, strictly(t), patchBody(op)); changed {
			t.Errorf("%s changed what was the same", op)
		}
	}
	for _, op := range []string{
		`{"op":"replace","path":"serial","value":"b"}`,
		`{"op":"remove","path":"serial"}`,
		`{"op":"replace","path":"place.floor","value":"2"}`,
		`{"op":"replace","path":"place","value":{"floor":"2"}}`,
		`{"op":"replace","path":"parts[value eq \"p\"].value","value":"q"}`,
		`{"op":"replace","path":"parts[note eq \"n\"]","value":{"value":"q"}}`,
	} {
		isError(t, refusedPatch(t, full, strictly(t), patchBody(op)), 400, ScimTypeMutability, "immutable")
	}
	patched(t, full, strictly(t), patchBody(`{"op":"replace","path":"parts[value eq \"p\"].note","value":"m"}`, `{"op":"remove","path":"parts[value eq \"p\"]"}`))
}

// TestPatchOfListsThatHaveLikeElements: what the comparison with another implementation brought to light.
func TestPatchOfListsThatHaveLikeElements(t *testing.T) {
	for _, test := range []struct{ name, before, op, want string }{
		{
			"an element that is there is not taken for another of its type and value",
			`[{"type":"home","value":"a"},{"type":"work","value":"a"},{"primary":true,"type":"home","value":"a"}]`,
			`{"op":"add","path":"emails","value":[{"primary":true,"type":"home","value":"a"}]}`,
			`[{"type":"home","value":"a"},{"type":"work","value":"a"},{"primary":true,"type":"home","value":"a"}]`,
		},
		{
			"an element that becomes equal to a later one goes",
			`[{"value":"a","type":"other"},{"value":"b"},{"value":"b","type":"other"}]`,
			`{"op":"add","path":"emails[value eq \"a\"]","value":{"value":"b"}}`,
			`[{"value":"b"},{"value":"b","type":"other"}]`,
		},
		{
			"elements that were equal before stay",
			`[{"value":"a","type":"home"},{"value":"a","type":"home"},{"value":"b"}]`,
			`{"op":"add","path":"emails[type pr]","value":{"value":"a"}}`,
			`[{"value":"a","type":"home"},{"value":"a","type":"home"},{"value":"b"}]`,
		},
	} {
		r := stored(t, UserType, `{"id":"u1","userName":"x","emails":`+test.before+`}`)
		result, changed := patched(t, r, strictly(t), patchBody(test.op))
		sameJSON(t, result, `{"id":"u1","userName":"x","emails":`+test.want+`}`)
		if changed == (test.before == test.want) {
			t.Errorf("%s: changed is %v", test.name, changed)
		}
	}
}
