// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The tests of this file are failures that users of other SCIM services reported, each with the request as it comes on the wire.

func TestC01RemoveOfOneMemberRemovesExactlyThatOne(t *testing.T) {
	for _, dialect := range DialectNames() {
		o, _ := options(t, dialect)
		after, changed := membersAfter(t, group(t, "u0", "u1", "u11"), o, patchBody(`{"op":"remove","path":"members[value eq \"u1\"]"}`))
		if diff := cmp.Diff([]string{"u0", "u11"}, after); diff != "" || !changed {
			t.Errorf("%s: changed %v\n%s", dialect, changed, diff)
		}
	}
}

func TestC02RemoveNeverClearsAndAddNeverReplaces(t *testing.T) {
	o, _ := options(t, "okta")
	// One request of Okta's group push: removals and additions together.
	after, _ := membersAfter(t, group(t, "u1", "u2", "u3"), o, patchBody(
		`{"op":"remove","path":"members[value eq \"u1\"]"}`,
		`{"op":"add","path":"members","value":[{"value":"u4","display":"lee@corp.test"}]}`,
	))
	if diff := cmp.Diff([]string{"u2", "u3", "u4"}, after); diff != "" {
		t.Error(diff)
	}
	entra, _ := options(t, "entra")
	after, _ = membersAfter(t, group(t, "u1", "u2", "u3"), entra, patchBody(`{"op":"Remove","path":"members","value":[{"$ref":null,"value":"u1"}]}`))
	if diff := cmp.Diff([]string{"u2", "u3"}, after); diff != "" {
		t.Error(diff)
	}
	after, changed := membersAfter(t, group(t, "u1", "u2"), entra, patchBody(`{"op":"Remove","path":"members","value":[{"value":"nobody"}]}`))
	if diff := cmp.Diff([]string{"u1", "u2"}, after); diff != "" || changed {
		t.Errorf("changed %v %s", changed, diff)
	}
	// Where the dialect does not know the form, it is refused: the value is never ignored.
	isError(t, refusedPatch(t, group(t, "u1", "u2"), o, patchBody(`{"op":"remove","path":"members","value":[{"value":"u1"}]}`)), 400, ScimTypeInvalidSyntax)
}

func TestC05ReplaceThatDoesNotNameMembersLeavesThemAlone(t *testing.T) {
	o, _ := options(t, "okta")
	after, changed := membersAfter(t, group(t, "u1", "u2"), o, patchBody(`{"op":"replace","value":{"id":"g1","displayName":"engineering"}}`))
	if diff := cmp.Diff([]string{"u1", "u2"}, after); diff != "" || !changed {
		t.Errorf("changed %v %s", changed, diff)
	}
}

func TestC06ReplaceOfMembersIsExactlyTheList(t *testing.T) {
	for _, dialect := range DialectNames() {
		o, _ := options(t, dialect)
		for _, op := range []string{
			`{"op":"replace","path":"members","value":[{"value":"u2"},{"value":"u9"}]}`,
			`{"op":"replace","value":{"members":[{"value":"u2"},{"value":"u9"}]}}`,
		} {
			after, _ := membersAfter(t, group(t, "u1", "u2", "u3"), o, patchBody(op))
			if diff := cmp.Diff([]string{"u2", "u9"}, after); diff != "" {
				t.Errorf("%s: %s", dialect, diff)
			}
		}
	}
}

func TestC07PutAndPostStoreMembers(t *testing.T) {
	o, used := options(t, "okta-aiw")
	posted := parsed(t, GroupType, o, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"eng","members":[{"value":"u1","display":"kim@corp.test"}]}`)
	if diff := cmp.Diff([]string{"u1"}, ids(posted.Members())); diff != "" {
		t.Error(diff)
	}
	put := parsed(t, GroupType, o, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"g1","displayName":"eng",
	  "members":[{"value":"u2","display":"lee@corp.test"},{"value":"u3","display":"sam@corp.test"}]}`)
	result, changed, err := Replace(group(t, "u1"), put)
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	sameJSON(t, result, `{"id":"g1","displayName":"eng","members":[{"value":"u2"},{"value":"u3"}]}`)
	// The full list is what the wizard apps send: none means none.
	result, _, err = Replace(group(t, "u1"), parsed(t, GroupType, o, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"eng"}`))
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, result, `{"id":"g1","displayName":"eng"}`)
	if len(used()) > 0 {
		t.Errorf("needed %v", used())
	}
}

func TestC08FullPushOfAnEmptyGroupSucceeds(t *testing.T) {
	for _, dialect := range DialectNames() {
		o, _ := options(t, dialect)
		for _, op := range []string{
			`{"op":"replace","path":"members","value":[]}`,
			`{"op":"replace","value":{"members":[],"id":"g1","displayName":"eng"}}`,
		} {
			if after, changed := membersAfter(t, group(t), o, patchBody(op)); changed || len(after) > 0 {
				t.Errorf("%s: changed %v, %v", dialect, changed, after)
			}
		}
	}
}

func TestC09RenameByPutAndTheRenameThatIsNone(t *testing.T) {
	o, used := options(t, "okta-aiw")
	result, changed, err := Replace(group(t, "u1"), parsed(t, GroupType, o,
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"g1","displayName":"engineering","members":[{"value":"u1"}]}`))
	if err != nil || !changed || result.String("displayName") != "engineering" {
		t.Errorf("%v, %v, %s", changed, err, mustJSON(t, result))
	}
	// Okta sends this with every membership change.
	okta, used2 := options(t, "okta")
	if _, changed := patched(t, group(t, "u1"), okta, patchBody(`{"op":"replace","value":{"id":"g1","displayName":"eng"}}`)); changed {
		t.Error("the same name is a change")
	}
	isError(t, refusedPatch(t, group(t), okta, patchBody(`{"op":"replace","value":{"id":"g2","displayName":"eng"}}`)), 400, ScimTypeMutability, `"id"`)
	if len(used()) > 0 || len(used2()) > 0 {
		t.Errorf("needed %v, %v", used(), used2())
	}
}

func TestC10MemberWithoutTypeIsAUser(t *testing.T) {
	r := group(t, "u1", "u2")
	after, changed := membersAfter(t, r, strictly(t), patchBody(`{"op":"add","path":"members","value":[{"value":"u1"}]}`, `{"op":"remove","path":"members[value eq \"u3\"]"}`))
	if diff := cmp.Diff([]string{"u1", "u2"}, after); diff != "" || changed {
		t.Errorf("changed %v %s", changed, diff)
	}
	p, err := ParsePatch([]byte(patchBody(`{"op":"remove","path":"members[type eq \"User\"]"}`)), GroupType, strictly(t))
	if err != nil {
		t.Fatal(err)
	}
	_, ops := SplitGroupPatch(p)
	if len(ops) != 1 || !ops[0].Where.Match(Member{Value: "u1"}) || ops[0].Where.Match(Member{Value: "g1", Type: "Group"}) {
		t.Errorf("%+v", ops)
	}
}

func TestC11RemovalThatCannotBeReadChangesNothing(t *testing.T) {
	for _, value := range []string{
		`null`, `""`, `5`, `true`, `{}`, `{"display":"x"}`, `[{}]`, `[null]`, `[{"value":null}]`, `[{"value":""}]`, `[{"value":["u1"]}]`, `[{"value":"u1"},{"id":"u2"}]`,
		`[[{"value":"u1"}]]`, `"[]"`, `"{}"`,
	} {
		for _, dialect := range DialectNames() {
			o, _ := options(t, dialect)
			e := refusedPatch(t, group(t, "u1", "u2"), o, patchBody(
				`{"op":"add","path":"members","value":[{"value":"u3"}]}`, `{"op":"remove","path":"members","value":`+value+`}`))
			if e.Status != 400 || !strings.Contains(e.Detail, "operation 2") {
				t.Errorf("%s %s: %v", dialect, value, e)
			}
		}
	}
	for _, op := range []string{
		`{"op":"remove","path":"members[value eq u1]"}`,
		`{"op":"remove","path":"members[value=\"u1\"]"}`,
		`{"op":"remove","path":"members[id eq \"u1\"]"}`,
		`{"op":"remove","path":"members[\"u1\"]"}`,
		`{"op":"remove","path":"members[0]"}`,
		`{"op":"remove","path":"members[]"}`,
		`{"op":"remove","path":"members."}`,
	} {
		isError(t, refusedPatch(t, group(t, "u1", "u2"), leniently(t), patchBody(op)), 400, ScimTypeInvalidPath)
	}
	// An empty list is readable: it names nobody.
	if _, changed := patched(t, group(t, "u1", "u2"), leniently(t), patchBody(`{"op":"Remove","path":"members","value":[]}`)); changed {
		t.Error("an empty list removed somebody")
	}
}

func TestC13ManagerInEveryFormIsAnObject(t *testing.T) {
	o, _ := options(t, "entra-compliant")
	path := ent + ":manager"
	for _, op := range []string{
		`{"op":"Add","path":"` + path + `","value":"u2"}`,
		`{"op":"Replace","path":"` + path + `.value","value":"u2"}`,
		`{"op":"Add","path":"manager","value":[{"$ref":"../Users/u2","value":"u2"}]}`,
		`{"op":"Add","path":"manager","value":{"value":"u2"}}`,
		`{"op":"Replace","path":"manager","value":"u2"}`,
		`{"op":"Replace","value":{"` + path + `":"u2"}}`,
		`{"op":"Replace","value":{"` + ent + `":{"manager":"u2"}}}`,
		`{"op":"Replace","value":{"manager":{"value":"u2"}}}`,
		`{"op":"Replace","path":"` + path + `","value":"{\"value\":\"u2\"}"}`,
	} {
		for _, before := range []string{`{"id":"u1","userName":"a"}`, `{"id":"u1","userName":"a","` + ent + `":{"manager":{"value":"u9"}}}`} {
			result, changed := patched(t, stored(t, UserType, before), o, patchBody(op))
			sameJSON(t, result, `{"id":"u1","userName":"a","`+ent+`":{"manager":{"value":"u2"}}}`)
			if _, again := patched(t, result, o, patchBody(op)); !changed || again {
				t.Errorf("%s: changed %v, then %v", op, changed, again)
			}
		}
	}
	for _, op := range []string{
		`{"op":"Replace","path":"manager","value":""}`,
		`{"op":"Replace","path":"manager","value":null}`,
		`{"op":"Replace","path":"` + path + `.value","value":""}`,
		`{"op":"Add","path":"` + path + `","value":""}`,
		`{"op":"Replace","path":"` + path + `","value":[]}`,
		`{"op":"Replace","path":"` + path + `","value":{"value":null}}`,
		`{"op":"Remove","path":"manager"}`,
		`{"op":"Remove","path":"` + path + `","value":null}`,
		`{"op":"Remove","path":"` + path + `","value":"u2"}`,
	} {
		result, changed := patched(t, stored(t, UserType, `{"id":"u1","userName":"a","`+ent+`":{"manager":{"value":"u2"}}}`), o, patchBody(op))
		sameJSON(t, result, `{"schemas":["`+UserSchemaID+`"],"id":"u1","userName":"a"}`)
		if !changed {
			t.Errorf("%s: no change", op)
		}
	}
	for _, body := range []string{
		`{"userName":"a","` + ent + `":{"manager":"u2"}}`,
		`{"userName":"a","` + ent + `":{"manager":[{"value":"u2"}]}}`,
		`{"userName":"a","manager":{"value":"u2"}}`,
	} {
		sameJSON(t, parsed(t, UserType, o, body), `{"userName":"a","`+ent+`":{"manager":{"value":"u2"}}}`)
	}
}

func TestC14NewUserNameOrEmailKeepsTheID(t *testing.T) {
	r := stored(t, UserType, `{"id":"u1","userName":"kim@corp.test","externalId":"e","emails":[{"value":"kim@corp.test","type":"work","primary":true}]}`)
	want := `{"id":"u1","userName":"lee@corp.test","externalId":"e","emails":[{"value":"lee@corp.test","type":"work","primary":true}]}`
	for _, dialect := range DialectNames() {
		o, _ := options(t, dialect)
		result, changed := patched(t, r, o, patchBody(
			`{"op":"replace","path":"userName","value":"lee@corp.test"}`, `{"op":"replace","path":"emails[type eq \"work\"].value","value":"lee@corp.test"}`))
		sameJSON(t, result, want)
		put, putChanged, err := Replace(r, parsed(t, UserType, o, `{"schemas":["`+UserSchemaID+`"],`+want[1:]))
		if err != nil || !changed || !putChanged {
			t.Fatal(changed, putChanged, err)
		}
		sameJSON(t, put, want)
	}
}

func TestC15StringBooleansOnBooleanAttributesOnly(t *testing.T) {
	o, _ := options(t, "entra")
	r := parsed(t, UserType, o, `{"userName":"True","title":"False","active":"FALSE","emails":[{"value":"true","primary":"True"}],"shoes":"True"}`)
	sameJSON(t, r, `{"userName":"True","title":"False","active":false,"emails":[{"value":"true","primary":true}],"shoes":"True"}`)
	r.Set("id", "u1")
	result, _ := patched(t, r, o, patchBody(`{"op":"Replace","path":"active","value":"True"}`, `{"op":"Replace","path":"title","value":"True"}`))
	if active, ok := result.Bool("active"); !active || !ok || result.String("title") != "True" {
		t.Errorf("%s", mustJSON(t, result))
	}
}

func TestC16QualifiedNamesOfCoreAttributes(t *testing.T) {
	const user = "urn:ietf:params:scim:schemas:core:2.0:User"
	r := stored(t, UserType, `{"id":"u1","userName":"kim@corp.test","name":{"givenName":"Kim"},"emails":[{"value":"kim@corp.test","type":"work"}]}`)
	for _, filter := range []string{
		user + `:userName eq "kim@corp.test"`,
		strings.ToUpper(user) + `:USERNAME eq "KIM@corp.test"`,
		user + `:name.givenName eq "kim"`,
		user + `:emails[type eq "work"].value eq "kim@corp.test"`,
	} {
		f, err := ParseFilter(filter, UserType)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
		} else if !f.Match(r) {
			t.Errorf("%s: no match", filter)
		}
	}
	for _, dialect := range []string{"strict", "entra"} {
		o, used := options(t, dialect)
		result, _ := patched(t, r, o, patchBody(
			`{"op":"replace","path":"`+user+`:name.givenName","value":"K"}`,
			`{"op":"replace","path":"`+user+`:emails[type eq \"work\"].value","value":"k@corp.test"}`,
			`{"op":"add","path":"`+user+`:title","value":"x"}`,
		))
		sameJSON(t, result, `{"id":"u1","userName":"kim@corp.test","name":{"givenName":"K"},"emails":[{"value":"k@corp.test","type":"work"}],"title":"x"}`)
		if len(used()) > 0 {
			t.Errorf("needed %v", used())
		}
	}
}

func TestC17EmailFilterAndGroupNameFilter(t *testing.T) {
	r := stored(t, UserType, `{"userName":"a","emails":[{"value":"x@corp.test","type":"home"},{"value":"y@corp.test","type":"work"}]}`)
	for filter, want := range map[string]bool{
		`emails[type eq "work"].value eq "y@corp.test"`: true,
		`emails[type eq "work"].value eq "x@corp.test"`: false,
	} {
		f, err := ParseFilter(filter, UserType)
		if err != nil || f.Match(r) != want {
			t.Errorf("%s: %v", filter, err)
		}
	}
	f, err := ParseFilter(`displayName eq "ENG"`, GroupType)
	if err != nil || !f.Match(group(t)) || f.Match(stored(t, GroupType, `{"displayName":"sales"}`)) {
		t.Errorf("%v", err)
	}
}

func TestC18FilterOnAnUnknownAttributeIsAnError(t *testing.T) {
	for _, filter := range []string{`shoeSize eq "44"`, `emails.shoe eq "x"`, `urn:corp:x:1.0:User:desk eq "x"`, `userName like "x"`, `members eq "u1"`} {
		_, err := ParseFilter(filter, UserType)
		if err == nil {
			t.Errorf("%s: accepted", filter)
			continue
		}
		isError(t, asError(t, err), 400, ScimTypeInvalidFilter)
	}
}

// TestC12OneMemberInALargeGroup: the change of one member is found without the members.
func TestC12OneMemberInALargeGroup(t *testing.T) {
	o, _ := options(t, "okta")
	p, err := ParsePatch([]byte(patchBody(`{"op":"add","path":"members","value":[{"value":"u50001","display":"x@corp.test"}]}`)), GroupType, o)
	if err != nil {
		t.Fatal(err)
	}
	attributes, ops := SplitGroupPatch(p)
	delta, ok := NetMemberOps(ops)
	if !attributes.Empty() || !ok || delta.All || len(delta.Add) != 1 || len(delta.Remove) != 0 {
		t.Errorf("%+v", delta)
	}
	// The entity tag follows from the digest alone.
	members := make([]Member, 50_000)
	for i := range members {
		members[i] = Member{Value: fmt.Sprint("u", i)}
	}
	r := stored(t, GroupType, `{"id":"g1","displayName":"all"}`)
	digest := DigestMembers(members)
	digest.Add(delta.Add[0].Value)
	tag := ETagWithMembers(r, digest)
	r.SetMembers(slices.Concat(members, delta.Add))
	if want := ETag(r); tag != want {
		t.Errorf("%s, want %s", tag, want)
	}
}
