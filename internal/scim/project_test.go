// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"strings"
	"testing"
)

func TestProject(t *testing.T) {
	const full = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + ent + `","urn:corp:hr:1.0"],
	  "id":"u1","userName":"a","title":"t","name":{"givenName":"K","familyName":"M"},"emails":[{"value":"a@x.test","type":"work"},{"type":"home"}],"shoe":44,
	  "` + ent + `":{"department":"d","manager":{"value":"u2","displayName":"Jo"}},"urn:corp:hr:1.0":{"desk":"B"},"meta":{"resourceType":"User","version":"1"}}`
	for _, test := range []struct{ attributes, excluded, want string }{
		{"", "", full},
		{" , ", "", full},
		{"userName", "", `{"id":"u1","userName":"a"}`},
		{"USERNAME,title", "", `{"id":"u1","userName":"a","title":"t"}`},
		{"urn:ietf:params:scim:schemas:core:2.0:User:userName", "", `{"id":"u1","userName":"a"}`},
		{"name.givenName", "", `{"id":"u1","name":{"givenName":"K"}}`},
		{"name.givenName,name", "", `{"id":"u1","name":{"givenName":"K","familyName":"M"}}`},
		{"emails.value", "", `{"id":"u1","emails":[{"value":"a@x.test"}]}`},
		{"meta.version, shoe", "", `{"id":"u1","meta":{"version":"1"},"shoe":44}`},
		{ent, "", `{"id":"u1","` + ent + `":{"department":"d","manager":{"value":"u2","displayName":"Jo"}}}`},
		{ent + ":department", "", `{"id":"u1","` + ent + `":{"department":"d"}}`},
		{"department", "", `{"id":"u1","` + ent + `":{"department":"d"}}`},
		{ent + ":manager.value", "", `{"id":"u1","` + ent + `":{"manager":{"value":"u2"}}}`},
		{"urn:corp:hr:1.0", "", `{"id":"u1","urn:corp:hr:1.0":{"desk":"B"}}`},
		{"urn:corp:hr:1.0:desk", "", `{"id":"u1","urn:corp:hr:1.0":{"desk":"B"}}`},
		{"nobody", "", `{"id":"u1"}`},
		{"password", "", `{"id":"u1"}`},
		{"", "name,emails,shoe,meta,title,urn:corp:hr:1.0", `{"id":"u1","userName":"a","` + ent + `":{"department":"d","manager":{"value":"u2","displayName":"Jo"}}}`},
		{"", "id,schemas,userName,title,meta,shoe,emails.value,name.familyName," + ent + ":manager,urn:corp:hr:1.0:desk",
			`{"id":"u1","name":{"givenName":"K"},"emails":[{"type":"work"},{"type":"home"}],"` + ent + `":{"department":"d"}}`},
		{"", "name.familyName,name.givenName,nobody," + ent, `{"id":"u1","userName":"a","title":"t","emails":[{"value":"a@x.test","type":"work"},{"type":"home"}],"shoe":44,
		  "urn:corp:hr:1.0":{"desk":"B"},"meta":{"resourceType":"User","version":"1"}}`},
	} {
		r := stored(t, UserType, full)
		p, err := ParseProjection([]string{test.attributes}, []string{test.excluded}, UserType)
		if err != nil {
			t.Errorf("%s %s: %v", test.attributes, test.excluded, err)
			continue
		}
		t.Run(test.attributes+"/"+test.excluded, func(t *testing.T) {
			sameJSON(t, Project(r, p), test.want)
			sameJSON(t, r, full)
			if got := p.Requested(); got != (strings.Trim(test.attributes, " ,") != "") {
				t.Errorf("Requested is %v", got)
			}
		})
	}
	_, err := ParseProjection([]string{"userName"}, []string{"title"}, UserType)
	isError(t, asError(t, err), 400, ScimTypeInvalidValue, "exclude each other")
}

func TestProjectionSaysWhetherMembersAreNeeded(t *testing.T) {
	for _, test := range []struct {
		attributes, excluded string
		want                 bool
	}{
		{"", "", true}, {"members", "", true}, {"Members.value", "", true}, {"displayName", "", false}, {"id", "", false},
		{"", "members", false}, {"", "urn:ietf:params:scim:schemas:core:2.0:Group:Members", false}, {"", "members.display", true}, {"", "displayName", true},
	} {
		p, err := ParseProjection([]string{test.attributes}, []string{test.excluded}, GroupType)
		if err != nil || p.Includes("members") != test.want {
			t.Errorf("%q, %q: %v, %v", test.attributes, test.excluded, !test.want, err)
		}
	}
}

func TestProjectionHonoursReturned(t *testing.T) {
	rt := &ResourceType{Name: "Thing", Schema: &Schema{ID: "urn:test:Thing", Attributes: []*Attribute{
		attribute("rare", TypeString, "", func(a *Attribute) { a.Returned = ReturnedRequest }),
		attribute("secret", TypeString, "", never),
		attribute("parts", TypeComplex, "", multi, subs(attribute("value", TypeString, "", always), attribute("note", TypeString, ""), attribute("more", TypeString, ""))),
	}}}
	r := stored(t, rt, `{"id":"1","rare":"r","secret":"s","parts":[{"value":"v","note":"n","more":"m"}]}`)
	for _, test := range []struct{ attributes, excluded, want string }{
		{"", "", `{"id":"1","parts":[{"value":"v","note":"n","more":"m"}]}`},
		{"rare,secret", "", `{"id":"1","rare":"r"}`},
		{"parts.note", "", `{"id":"1","parts":[{"value":"v","note":"n"}]}`},
		{"", "parts.note,parts.value", `{"id":"1","parts":[{"value":"v","more":"m"}]}`},
	} {
		p, err := ParseProjection([]string{test.attributes}, []string{test.excluded}, rt)
		if err != nil {
			t.Fatal(err)
		}
		sameJSON(t, Project(r, p), test.want)
	}
	if s := string(mustJSON(t, r)); strings.Contains(s, "secret") {
		t.Errorf("%s", s)
	}
}
