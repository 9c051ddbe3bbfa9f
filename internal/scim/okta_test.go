// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"strings"
	"testing"
)

// The bodies of this file are those of Okta's two families of apps, as Okta's SCIM reference and guides describe them.

const oktaCreate = `{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
  "userName": "kim@corp.test",
  "name": {"givenName": "Kim", "familyName": "Meyer"},
  "emails": [{"primary": true, "value": "kim@corp.test", "type": "work"}],
  "displayName": "Kim Meyer",
  "locale": "en-US",
  "externalId": "00ujl29u0le5T6Aj10h7",
  "groups": [],
  "password": "1mz050nq",
  "active": true
}`

func TestOktaCreatesAUser(t *testing.T) {
	for _, dialect := range []string{"okta", "okta-aiw", "strict"} {
		o, used := options(t, dialect)
		r := parsed(t, UserType, o, oktaCreate)
		sameJSON(t, r, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"kim@corp.test","name":{"givenName":"Kim","familyName":"Meyer"},
		  "emails":[{"primary":true,"value":"kim@corp.test","type":"work"}],"displayName":"Kim Meyer","locale":"en-US","externalId":"00ujl29u0le5T6Aj10h7","active":true}`)
		if len(used()) > 0 {
			t.Errorf("%s needed %v", dialect, used())
		}
	}
}

func TestOktaLookUps(t *testing.T) {
	for filter, want := range map[string]Equality{
		`userName eq "Kim@Corp.test"`: {"userName", "Kim@Corp.test"},
		`id eq "u-1"`:                 {"id", "u-1"},
		`externalId eq "00u1"`:        {"externalId", "00u1"},
	} {
		f, err := ParseFilter(filter, UserType)
		if err != nil || len(f.Equalities()) != 1 || f.Equalities()[0] != want {
			t.Errorf("%s: %v", filter, err)
		}
	}
	f, err := ParseFilter(`displayName eq "eng"`, GroupType)
	if err != nil || len(f.Equalities()) != 1 || f.Equalities()[0] != (Equality{"displayName", "eng"}) {
		t.Errorf("%v", err)
	}
}

// oktaStored is the user as the service has it, with what only the service sets.
const oktaStored = `{
  "id": "u-1.ab", "externalId": "00u1", "userName": "kim@corp.test", "name": {"givenName": "Kim", "familyName": "Meyer"}, "active": true,
  "emails": [{"primary": true, "value": "kim@corp.test", "type": "work"}], "groups": [{"value": "g-1", "display": "eng"}],
  "urn:corp:hr:1.0:User": {"desk": "B12"},
  "meta": {"resourceType": "User", "version": "W/\"1\"", "location": "https://scim.corp.test/Users/u-1.ab"}
}`

// TestOktaPutsBackWhatItGot: the wizard apps GET, merge, and PUT our own body with id, meta, groups and whatever else was in it.
func TestOktaPutsBackWhatItGot(t *testing.T) {
	o, used := options(t, "okta-aiw")
	current := stored(t, UserType, oktaStored)
	body := string(mustJSON(t, current))
	result, changed, err := Replace(current, parsed(t, UserType, o, body))
	if err != nil || changed {
		t.Errorf("the same body is a change: %v\n%s", err, mustJSON(t, result))
	}
	sameJSON(t, result, oktaStored)

	body = strings.Replace(body, `"active":true`, `"active":false,"password":"x","title":""`, 1)
	result, changed, err = Replace(current, parsed(t, UserType, o, body))
	if err != nil || !changed {
		t.Errorf("%v, %v", changed, err)
	}
	sameJSON(t, result, strings.Replace(oktaStored, `"active": true`, `"active": false`, 1))
	for _, x := range used() {
		// The extension of another vendor is in our body, and the empty title is Okta's.
		if x != UnknownSchemas && x != EmptyStringClears {
			t.Errorf("needed %s", x)
		}
	}
}

func TestOktaRenamesAUserByPut(t *testing.T) {
	o, _ := options(t, "okta-aiw")
	current := stored(t, UserType, oktaStored)
	body := strings.ReplaceAll(string(mustJSON(t, current)), "kim@corp.test", "kim.meyer@corp.test")
	result, changed, err := Replace(current, parsed(t, UserType, o, body))
	if err != nil || !changed || result.ID() != "u-1.ab" || result.String("userName") != "kim.meyer@corp.test" || result.String("groups.value") != "g-1" {
		t.Errorf("%v, %v, %s", changed, err, mustJSON(t, result))
	}
}

// TestOktaPutWithoutActiveReactivatesNobody: absent means active (RFC 7643 leaves the default to the service), so clearing it would give access back.
func TestOktaPutWithoutActiveReactivatesNobody(t *testing.T) {
	o, _ := options(t, "okta-aiw")
	current := stored(t, UserType, `{"id":"u-1","userName":"kim@corp.test","title":"x","active":false}`)
	result, changed, err := Replace(current, parsed(t, UserType, o, `{"schemas":["`+UserSchemaID+`"],"userName":"kim@corp.test"}`))
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	sameJSON(t, result, `{"id":"u-1","userName":"kim@corp.test","active":false}`)
}

func TestOktaDeactivatesAndReactivatesByPathlessReplace(t *testing.T) {
	o, used := options(t, "okta")
	r := stored(t, UserType, oktaStored)
	r, changed := patched(t, r, o, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}`)
	if active, _ := r.Bool("active"); active || !changed {
		t.Error("not deactivated")
	}
	if _, changed = patched(t, r, o, patchBody(`{"op":"replace","value":{"active":false}}`)); changed {
		t.Error("the second deactivation is a change")
	}
	r, changed = patched(t, r, o, patchBody(`{"op":"replace","value":{"active":true}}`))
	if active, _ := r.Bool("active"); !active || !changed {
		t.Error("not reactivated")
	}
	sameJSON(t, r, oktaStored)
	if len(used()) > 0 {
		t.Errorf("needed %v", used())
	}
}

func TestOktaSyncsAPasswordThatNobodyKeeps(t *testing.T) {
	o, _ := options(t, "okta")
	r := stored(t, UserType, oktaStored)
	if _, changed := patched(t, r, o, patchBody(`{"op":"replace","value":{"password":"p4ss"}}`)); changed {
		t.Error("a password is a change")
	}
}

func TestOktaGroupPush(t *testing.T) {
	o, used := options(t, "okta")
	r := parsed(t, GroupType, o, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"eng","members":[]}`)
	sameJSON(t, r, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"eng"}`)
	r.Set("id", "g-1")
	r, changed := patched(t, r, o, patchBody(
		`{"op":"remove","path":"members[value eq \"u-9\"]"}`,
		`{"op":"add","path":"members","value":[{"value":"u-1","display":"kim@corp.test"},{"value":"u-2","display":"lee@corp.test"}]}`,
	))
	if !changed {
		t.Error("no change")
	}
	sameJSON(t, r, `{"id":"g-1","displayName":"eng","members":[{"value":"u-1"},{"value":"u-2"}]}`)
	// Rename and full push.
	r, _ = patched(t, r, o, patchBody(`{"op":"replace","value":{"id":"g-1","displayName":"engineering"}}`, `{"op":"replace","path":"members","value":[{"value":"u-2"}]}`))
	sameJSON(t, r, `{"id":"g-1","displayName":"engineering","members":[{"value":"u-2"}]}`)
	if len(used()) > 0 {
		t.Errorf("needed %v", used())
	}
}
