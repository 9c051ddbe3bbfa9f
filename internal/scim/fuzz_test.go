// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// refused checks what holds for every error: it is an *Error with a status, a keyword where there has to be one, and a text.
func refused(t *testing.T, err error) {
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *Error: %v", err, err)
	}
	if e.Detail == "" || e.Status != 413 && (e.Status != 400 || e.ScimType == "") {
		t.Fatalf("incomplete error: %+v", e)
	}
	if !json.Valid(mustJSON(t, e)) {
		t.Fatalf("the error is no JSON: %+v", e)
	}
}

// FuzzFilter: no panic; what parses is rendered so that it parses again to the same, and means the same.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		`userName eq "kim"`, `emails[type eq "work" and not (value co "@x")].value ne null`, `not (a pr) or b gt 1.5e3 and (c le "2026-01-31T08:00:00Z")`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value ew "x"`, `members[value eq "u1"]`, `active eq TRUE and schemas eq "\u00fc\"\\"`,
		`externalId eq jyoung and active eq "False"`, `emails[type eq work].value sw kim@corp.test`, `roles[primary eq "True"]`,
	} {
		f.Add(s)
	}
	users := []*Resource{stored(f, UserType, filterUser), stored(f, UserType, typicalUser), NewResource(UserType)}
	f.Fuzz(func(t *testing.T, s string) {
		for _, rt := range CoreResourceTypes() {
			filter, err := ParseFilter(s, rt)
			if lenient, lenientErr := ParseFilterOf(s, rt, leniently(t)); lenientErr == nil && err != nil {
				// What a dialect reads in it is a filter that everybody may send.
				filter, err = lenient, nil
			} else if lenientErr != nil && err == nil {
				t.Fatalf("%q is refused with tolerances alone: %v", s, lenientErr)
			}
			if err != nil {
				refused(t, err)
				continue
			}
			text := filter.String()
			again, err := ParseFilter(text, rt)
			if err != nil {
				// Names get their URNs, and `a[x or y].b eq 1` gets parentheses, so a filter at a limit can exceed it.
				if len(text) > MaxFilterLength || strings.Contains(err.Error(), "nested deeper") {
					continue
				}
				t.Fatalf("%q became %q: %v", s, text, err)
			}
			if again.String() != text {
				t.Fatalf("%q became %q became %q", s, text, again)
			}
			filter.Equalities()
			filter.Attributes()
			if rt != UserType {
				continue
			}
			for _, r := range users {
				if filter.Match(r) != again.Match(r) {
					t.Fatalf("%q and %q differ", s, text)
				}
				for _, eq := range filter.Equalities() {
					if filter.Match(r) && !matchesEquality(t, r, eq) {
						t.Fatalf("%q matches without %v", s, eq)
					}
				}
			}
		}
	})
}

// matchesEquality puts an equality to the test as a filter of its own.
func matchesEquality(t *testing.T, r *Resource, eq Equality) bool {
	f, err := ParseFilter(eq.Attribute+" eq "+string(appendString(nil, eq.Value)), r.Type())
	if err != nil {
		if len(eq.Value) > MaxFilterLength/2 {
			return true
		}
		t.Fatalf("%+v: %v", eq, err)
	}
	return f.Match(r)
}

// FuzzPath: no panic; what parses is rendered so that it parses again to the same, and reads the same.
func FuzzPath(f *testing.F) {
	for _, s := range []string{
		"userName", "name.givenName", `emails[type eq "work"].value`, "urn:ietf:params:scim:schemas:core:2.0:User:emails.value", "urn:x:y:1.0:z.a", "urn:x:2.0", "manager",
		`members[value eq "u1" or value eq "u2"]`, "schemas", "$ref", "shoe-size_2.eu",
	} {
		f.Add(s)
	}
	user := stored(f, UserType, typicalUser)
	f.Fuzz(func(t *testing.T, s string) {
		for _, rt := range CoreResourceTypes() {
			for _, o := range []Options{{}, {Dialect: NewDialect("lenient", Tolerances()...)}} {
				p, err := ParsePath(s, rt, o)
				if err != nil {
					refused(t, err)
					continue
				}
				again, err := ParsePath(p.String(), rt, o)
				if err != nil {
					if len(p.String()) > MaxFilterLength || strings.Contains(err.Error(), "nested deeper") {
						continue
					}
					t.Fatalf("%q became %q: %v", s, p, err)
				}
				if again.String() != p.String() {
					t.Fatalf("%q became %q became %q", s, p, again)
				}
				if rt == UserType && !sameValue(p.get(user), again.get(user)) {
					t.Fatalf("%q and %q read differently", s, p)
				}
			}
		}
	})
}

func sameValue(x, y any) bool {
	return string(appendJSON(nil, x)) == string(appendJSON(nil, y))
}

// FuzzParseResource: no panic; no password; what is parsed is JSON that parses to an equal resource, and replacing it by itself is no change.
func FuzzParseResource(f *testing.F) {
	for _, s := range []string{
		typicalUser, oktaCreate, `{"displayName":"eng","members":[{"value":"u1","type":"user"},"u2"]}`,
		`{"userName":"a","Password":"x","name":"{\"givenName\":\"K\"}","urn:x":{"password":"y","z":[1,{"a":null}]},"department":"d","name.familyName":"M"}`,
		`{"schemas":["urn:x"],"userName":"a","emails":[{"value":"x","primary":"True"},{"primary":true}],"active":"FALSE","title":"","n":-1.50e+3}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		checkDecoder(t, body)
		for _, rt := range CoreResourceTypes() {
			for _, o := range []Options{{}, {Dialect: NewDialect("lenient", Tolerances()...)}, {Dialect: presets["okta"]}} {
				r, err := ParseResource(body, rt, o)
				if err != nil {
					refused(t, err)
					continue
				}
				checkResource(t, r)
				again, err := ParseResource(mustMarshal(t, r), rt, o)
				if err != nil {
					t.Fatalf("%s became %s: %v", body, mustMarshal(t, r), err)
				}
				if !again.Equal(r) || ETag(again) != ETag(r) {
					t.Fatalf("%s became %s became %s", body, mustMarshal(t, r), mustMarshal(t, again))
				}
				if _, changed, err := Replace(r, again); changed || err != nil {
					t.Fatalf("%s: replaced by itself: %v, %v", body, changed, err)
				}
			}
		}
	})
}

// checkDecoder compares the decoder with encoding/json: it takes nothing that is no JSON, refuses what is JSON for the stated reasons only, and reads the same.
func checkDecoder(t *testing.T, body []byte) {
	v, err := decodeJSON(body)
	if err == nil {
		var std any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if !json.Valid(body) || d.Decode(&std) != nil {
			t.Fatalf("decoded what is no JSON: %q", body)
		}
		if !bytes.Contains(bytes.ToLower(body), []byte("password")) && !bytes.Contains(body, []byte(`\u`)) {
			if diff := cmp.Diff(std, toGo(v)); diff != "" {
				t.Fatalf("%q:\n%s", body, diff)
			}
		}
		return
	}
	if !json.Valid(body) {
		return
	}
	for _, reason := range []string{"twice", "UTF-8", "surrogate", "nested", "names", "out of range"} {
		if strings.Contains(err.Error(), reason) {
			return
		}
	}
	t.Fatalf("%q: %v", body, err)
}

// checkResource checks what holds for every resource.
func checkResource(t *testing.T, r *Resource) {
	b := mustMarshal(t, r)
	if !json.Valid(b) || !utf8.Valid(b) {
		t.Fatalf("no JSON: %s", b)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case *Object:
			if len(v.fields) == 0 {
				t.Fatalf("an empty object in %s", b)
			}
			var names nameSet
			for _, f := range v.fields {
				if isPassword(f.name) || f.value == nil || !names.add(f.name) {
					t.Fatalf("%q in %s", f.name, b)
				}
				walk(f.value)
			}
		case []any:
			if len(v) == 0 {
				t.Fatalf("an empty array in %s", b)
			}
			for _, e := range v {
				walk(e)
			}
		case nil:
			t.Fatalf("null in %s", b)
		}
	}
	if r.obj.Len() > 0 {
		walk(r.obj)
	}
	for _, s := range r.rt.Schema.Attributes {
		if s.Required && r.obj.Get(s.Name) == nil {
			t.Fatalf("no %s in %s", s.Name, b)
		}
	}
}

// mustMarshal avoids the compaction and HTML escaping of json.Marshal.
func mustMarshal(t testing.TB, r *Resource) []byte {
	b, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzPatch: no panic; all or nothing; the input is untouched; what is changed differs and what is not is equal; a body of replace and remove alone can be
// repeated without a further change; the membership is the same with and without the members loaded.
func FuzzPatch(f *testing.F) {
	for _, test := range patchCases {
		f.Add([]byte(patchBody(test.ops...)))
	}
	for _, test := range toleranceCases {
		if test.op != "" {
			f.Add([]byte(patchBody(test.op)))
		}
	}
	for _, s := range []string{
		`{"op":"remove","path":"members","value":[{"value":"u1"},"u2"]}`, `{"op":"add","path":"members","value":[{"value":"u9"}]}`,
		`{"op":"replace","value":{"id":"1","members":[{"value":"u1"}],"displayName":"x"}}`, `{"op":"remove","path":"members[type eq \"User\" and value sw \"u\"]"}`,
	} {
		f.Add([]byte(patchBody(s)))
	}
	resources := []*Resource{
		ResourceFromMap(UserType, decoded(f, typicalUser)),
		stored(f, UserType, `{"id":"1","userName":"a","tags":["x",1],"urn:corp:x":{"y":{"z":1}},"roles":[{"value":"a","primary":true}]}`),
		stored(f, GroupType, `{"id":"1","displayName":"eng","members":[{"value":"u1"},{"value":"u2","type":"User"},{"value":"g1","type":"Group"}]}`),
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, r := range resources {
			for _, o := range []Options{{}, {Dialect: NewDialect("lenient", Tolerances()...)}, {Dialect: presets["okta"]}} {
				fuzzPatch(t, r, o, body)
			}
		}
	})
}

func fuzzPatch(t *testing.T, r *Resource, o Options, body []byte) {
	before := string(mustMarshal(t, r))
	p, err := ParsePatch(body, r.Type(), o)
	if err != nil {
		refused(t, err)
		return
	}
	result, changed, err := ApplyPatch(r, p, o)
	if after := string(mustMarshal(t, r)); after != before {
		t.Fatalf("%s changed its input to %s", body, after)
	}
	if err != nil {
		refused(t, err)
		if result != nil {
			t.Fatalf("%s: a result beside an error", body)
		}
		return
	}
	checkResource(t, result)
	if changed == result.Equal(r) || result.ID() != r.ID() {
		t.Fatalf("%s: changed is %v: %s", body, changed, mustMarshal(t, result))
	}
	if _, ops := SplitGroupPatch(p); r.Type() == GroupType {
		next, delta := ApplyMemberOps(r.Members(), ops)
		if DigestMembers(next) != DigestMembers(result.Members()) || len(next)-len(r.Members()) != len(delta.Add)-len(delta.Remove) {
			t.Fatalf("%s: members %v, want %v, delta %+v", body, ids(next), ids(result.Members()), delta)
		}
	}
	if !repeatable(p) {
		return
	}
	again, changed, err := ApplyPatch(result, p, o)
	if err != nil || changed {
		t.Fatalf("%s the second time: changed %v, %v\n%s\n%s\n%s", body, changed, err, before, mustMarshal(t, result), mustMarshal(t, again))
	}
}

// TestPatchProperties is FuzzPatch on bodies that are put together from paths and values, which random bytes seldom are.
func TestPatchProperties(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	pick := func(list []string) string { return list[rnd.IntN(len(list))] }
	paths := []string{
		"userName", "title", "active", "name", "name.givenName", "emails", "emails.value", "emails.type", `emails[type eq "work"]`, `emails[type eq "work"].value`,
		`emails[type eq "new" and primary eq true].value`, `emails[value pr]`, `emails[not (primary eq true)].primary`, `emails[primary eq true].primary`, "roles",
		`roles[value eq "a"].primary`, "manager", ent + ":manager", ent + ":manager.value", ent + ":department", ent, "tags", "tags.x", "urn:corp:x", "urn:corp:x:y", "urn:corp:x:w",
		"urn:new:1.0", "schemas", "id", "meta", "groups", "password", "members", `members[value eq "u1"]`, `members[type eq "User"]`, "displayName", "externalId", "addresses",
		`addresses[type eq "work"].locality`, "name.nick", "phoneNumbers[type eq \"work\"]", "x509Certificates",
	}
	values := []string{
		`"a"`, `"x@corp.test"`, `""`, `null`, `true`, `false`, `"True"`, `1`, `1.0`, `[]`, `{}`, `[{}]`, `["a"]`, `["a","b"]`, `{"value":"a"}`, `{"value":"u1"}`, `{"givenName":"K"}`,
		`{"type":"work","value":"b","primary":true}`, `[{"value":"a","type":"work","primary":true},{"value":"b","type":"work","primary":true}]`, `[{"value":"u1"},{"value":"u3"}]`,
		`[{"value":"u2","type":"user"}]`, `"{\"value\":\"z\"}"`, `{"primary":true}`, `{"locality":"Bern"}`, `{"y":{"q":2}}`, `{"department":"d","manager":"m"}`, `["urn:q"]`,
	}
	resources := []*Resource{
		stored(t, UserType, typicalUser),
		stored(t, UserType, `{"id":"1","userName":"a","tags":["x",1],"urn:corp:x":{"y":{"z":1}},"roles":[{"value":"a","primary":true},{"value":"b"}],
		  "emails":[{"value":"a","type":"work"},{"value":"b","type":"work","primary":true},{"value":"c"}]}`),
		stored(t, GroupType, `{"id":"1","displayName":"eng","members":[{"value":"u1"},{"value":"u2","type":"User"},{"value":"g1","type":"Group"}]}`),
	}
	for range 4_000 {
		ops := make([]string, 1+rnd.IntN(3))
		for i := range ops {
			op := map[string]json.RawMessage{"op": json.RawMessage(pick([]string{`"add"`, `"replace"`, `"remove"`, `"Replace"`}))}
			path, _ := json.Marshal(pick(paths))
			switch value := pick(values); rnd.IntN(6) {
			case 0:
				op["value"] = json.RawMessage(`{` + string(path) + `:` + value + `}`)
			case 1:
				op["path"] = path
			default:
				op["path"] = path
				op["value"] = json.RawMessage(value)
			}
			ops[i] = string(mustJSON(t, op))
		}
		body := []byte(patchBody(ops...))
		for _, r := range resources {
			fuzzPatch(t, r, Options{Dialect: NewDialect("lenient", Tolerances()...)}, body)
			fuzzPatch(t, r, Options{Dialect: presets["strict"]}, body)
		}
	}
}

// repeatable reports whether applying a patch twice has to be the same as once: a single replace or remove. Several may undo the conditions of each other, and a
// replace that changes what its own filter asks for has no target the second time.
func repeatable(p *Patch) bool {
	if len(p.ops) != 1 || p.ops[0].kind == opAdd {
		return false
	}
	op := p.ops[0]
	return op.kind == opRemove && op.path.ref.subName == "" || op.path.filter == nil
}

// FuzzFold: idempotent, and valid UTF-8 stays so.
func FuzzFold(f *testing.F) {
	for _, s := range []string{"Kim@Corp.TEST", "Straẞe", "\u13a0\uab70\u13f8", "\u1e9b\u0323\u0345", "ﬁ\u0307Å", "\xff\xc3", "\u1100\u1161\u0300", strings.Repeat("\u0344", 40), "A" + strings.Repeat("\u0345\u0301\u0323", 31)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Fold(s)
		if twice := Fold(once); twice != once {
			t.Fatalf("%+q folds to %+q folds to %+q", s, once, twice)
		}
		if utf8.ValidString(s) && !utf8.ValidString(once) {
			t.Fatalf("%+q folds to %+q", s, once)
		}
		if folded, ok := foldASCII(s); ok && folded != once {
			t.Fatalf("%+q: %+q", s, folded)
		}
	})
}
