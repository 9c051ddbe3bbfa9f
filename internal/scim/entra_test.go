// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"strings"
	"testing"
)

// The bodies of this file are those of Entra, without and with the flag aadOptscim062020, as its documentation and its users' reports have them.

func TestEntraCreatesAUser(t *testing.T) {
	o, used := options(t, "entra")
	r := parsed(t, UserType, o, `{
	  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
	  "externalId": "kim", "userName": "kim@corp.test", "active": "True", "addresses": null,
	  "emails": [{"primary": true, "type": "work", "value": "kim@corp.test"}],
	  "phoneNumbers": [{"type": "work", "value": "+41 (0)44-555 01 23"}],
	  "meta": {"resourceType": "User"}, "name": {"formatted": "Kim Meyer", "familyName": "Meyer", "givenName": null}, "roles": [],
	  "department": "Platform"
	}`)
	sameJSON(t, r, `{
	  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
	  "externalId": "kim", "userName": "kim@corp.test", "active": true, "emails": [{"primary": true, "type": "work", "value": "kim@corp.test"}],
	  "phoneNumbers": [{"type": "work", "value": "+41 (0)44-555 01 23"}], "name": {"formatted": "Kim Meyer", "familyName": "Meyer"},
	  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Platform"}
	}`)
	if got := used(); len(got) != 2 || got[0] != StringBooleans || got[1] != UnqualifiedExtension {
		t.Errorf("needed %v", got)
	}
}

func TestEntraUpdatesAUser(t *testing.T) {
	o, _ := options(t, "entra")
	r := stored(t, UserType, `{"id":"u1","userName":"kim@corp.test","active":true,"emails":[{"type":"work","value":"kim@corp.test","primary":true}]}`)
	r, changed := patched(t, r, o, patchBody(
		`{"op":"Replace","path":"UserName","value":"kim2@corp.test"}`,
		`{"op":"Replace","path":"DisplayName","value":"Kim M"}`,
		`{"op":"Replace","path":"emails[type eq \"work\"].Value","value":"kim2@corp.test"}`,
		`{"op":"Add","path":"emails[type eq \"other\"].Value","value":"k@other.test"}`,
		`{"op":"Add","path":"addresses[type eq \"work\"].country","value":"CH"}`,
		`{"op":"Replace","path":"addresses[type eq \"work\"].Formatted","value":"Hauptstrasse 1, Bern"}`,
		`{"op":"Add","path":"phoneNumbers[type eq \"mobile\"].value","value":"+41 79 555 01 23"}`,
		`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Sales"}`,
		`{"op":"Replace","path":"active","value":"False"}`,
		`{"op":"Add","path":"title","value":""}`,
	))
	if !changed {
		t.Error("no change")
	}
	sameJSON(t, r, `{"id":"u1","userName":"kim2@corp.test","displayName":"Kim M","active":false,
	  "emails":[{"type":"work","value":"kim2@corp.test","primary":true},{"type":"other","value":"k@other.test"}],
	  "addresses":[{"type":"work","country":"CH","formatted":"Hauptstrasse 1, Bern"}],"phoneNumbers":[{"type":"mobile","value":"+41 79 555 01 23"}],
	  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Sales"}}`)
}

func TestEntraClears(t *testing.T) {
	o, _ := options(t, "entra")
	r := stored(t, UserType, `{"id":"u1","userName":"kim@corp.test","title":"x","nickName":"y","emails":[{"type":"work","value":"k@x.test"},{"type":"home","value":"h@x.test"}],
	  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Sales"}}`)
	r, _ = patched(t, r, o, patchBody(
		`{"op":"Replace","path":"title","value":null}`,
		`{"op":"Replace","path":"nickName","value":""}`,
		`{"op":"Remove","path":"emails[type eq \"work\"].value"}`,
		`{"op":"Remove","path":"emails[type eq \"home\"]"}`,
		`{"op":"Remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"}`,
	))
	sameJSON(t, r, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"u1","userName":"kim@corp.test","emails":[{"type":"work"}]}`)
}

func TestEntraWithTheComplianceFlag(t *testing.T) {
	o, used := options(t, "entra-compliant")
	r := stored(t, UserType, `{"id":"u1","userName":"kim@corp.test","active":true}`)
	r, _ = patched(t, r, o, patchBody(
		`{"op":"add","path":"emails[type eq \"work\"].value","value":"kim@corp.test"}`,
		`{"op":"replace","value":{"active":false,"displayName":"Kim","name.givenName":"Kim","name.familyName":"Meyer",
		  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber":"7","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager":"u2",
		  "addresses[type eq \"work\"].locality":"Bern"}}`,
	))
	sameJSON(t, r, `{"id":"u1","userName":"kim@corp.test","active":false,"displayName":"Kim","name":{"givenName":"Kim","familyName":"Meyer"},
	  "emails":[{"type":"work","value":"kim@corp.test"}],"addresses":[{"type":"work","locality":"Bern"}],
	  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"7","manager":{"value":"u2"}}}`)
	for _, x := range used() {
		if x != FlatKeys && x != ReplaceCreatesTarget && x != ComplexAsString {
			t.Errorf("needed %s", x)
		}
	}
}

func TestEntraGroups(t *testing.T) {
	o, _ := options(t, "entra")
	const adscim = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
	r := parsed(t, GroupType, o, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","`+adscim+`"],"externalId":"8aa1a0c0","displayName":"eng","meta":{"resourceType":"Group"}}`)
	sameJSON(t, r, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","`+adscim+`"],"externalId":"8aa1a0c0","displayName":"eng"}`)
	r.Set("id", "g1")
	r, _ = patched(t, r, o, patchBody(`{"op":"Add","path":"members","value":[{"$ref":null,"value":"u1"},{"$ref":null,"value":"u2"}]}`))
	r, _ = patched(t, r, o, patchBody(`{"op":"Remove","path":"members","value":[{"$ref":null,"value":"u1"}]}`))
	r, _ = patched(t, r, o, patchBody(`{"op":"Replace","path":"displayName","value":"engineering"}`))
	sameJSON(t, r, `{"externalId":"8aa1a0c0","id":"g1","displayName":"engineering","members":[{"value":"u2"}],
	  "schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","`+adscim+`"]}`)
}

func TestEntraFilters(t *testing.T) {
	r := stored(t, UserType, `{"id":"u1","userName":"kim@corp.test","externalId":"kim","emails":[{"type":"work","value":"kim@corp.test"}],
	  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"u2"}}}`)
	for _, filter := range []string{
		`userName eq "kim@corp.test"`, `externalId eq "kim"`, `emails[type eq "work"].value eq "kim@corp.test"`, `id eq "u1" and manager eq "u2"`,
	} {
		f, err := ParseFilter(filter, UserType)
		if err != nil || !f.Match(r) {
			t.Errorf("%s: %v", filter, err)
		}
	}
	g := group(t, "u1")
	f, err := ParseFilter(`id eq "g1" and members eq "u1"`, GroupType)
	if err != nil || !f.Match(g) {
		t.Errorf("%v", err)
	}
	p, err := ParseProjection([]string{"id"}, nil, GroupType)
	if err != nil || p.Includes("members") {
		t.Errorf("%v", err)
	}
	if s := string(mustJSON(t, ListResponse[*Resource]{StartIndex: 1})); !strings.Contains(s, `"Resources":[]`) {
		t.Error(s)
	}
}
