// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"strings"
	"testing"
)

func TestETagIsThatOfTheContent(t *testing.T) {
	base := stored(t, UserType, typicalUser)
	tag := ETag(base)
	if !strings.HasPrefix(tag, `W/"`) || !strings.HasSuffix(tag, `"`) || len(tag) != 26 {
		t.Errorf("%s", tag)
	}
	same := base.Clone()
	same.Set("meta", map[string]any{"version": "other"})
	same.Set("groups", nil)
	same.Set("id", "another")
	same.Set("emails", []any{map[string]any{"type": "home", "value": "kim@home.test"}, map[string]any{"primary": true, "value": "kim.meyer@corp.test", "type": "work"}})
	if ETag(same) != tag || !same.Equal(base) {
		t.Error("meta, groups, id or the order of values count")
	}
	put := parsed(t, UserType, leniently(t), typicalUser)
	if ETag(put) != tag {
		t.Error("the order of names counts")
	}
	for name, value := range map[string]any{"title": "x", "active": false, "nickName": nil, "unknown": 1, "externalId": "e", "schemas": []string{"urn:x"}, "urn:x": map[string]any{"a": 1}} {
		other := base.Clone()
		other.Set(name, value)
		if ETag(other) == tag || other.Equal(base) {
			t.Errorf("%s does not count", name)
		}
	}
	if base.Equal(stored(t, GroupType, `{"displayName":"x"}`)) {
		t.Error("a user equals a group")
	}
}

// TestETagIsPinned: the tag of a stored resource must not change with a release, or every client's copy looks stale.
func TestETagIsPinned(t *testing.T) {
	for want, r := range map[string]*Resource{
		`W/"lthpspiIiEOnbx2IOSAhzw"`: stored(t, UserType, `{"id":"1","userName":"kim@corp.test","active":true,"emails":[{"value":"ü@x.test","primary":true}],"n":1.50,"l":[1,"a"],"`+ent+`":{"manager":{"value":"u2"}}}`),
		`W/"AUGm69FMS_DBQh8cvl0IGg"`: stored(t, GroupType, `{"id":"1","displayName":"eng","members":[{"value":"u1"},{"value":"u2"}]}`),
	} {
		if got := ETag(r); got != want {
			t.Errorf("got %s of %s, want %s", got, CanonicalJSON(r), want)
		}
	}
}

func TestETagOfAGroupIgnoresHowMembersAreShown(t *testing.T) {
	bare := stored(t, GroupType, `{"displayName":"eng","members":[{"value":"u1"},{"value":"u2"}]}`)
	shown := stored(t, GroupType, `{"displayName":"eng","members":[{"value":"u2","type":"User"},{"value":"u1","display":"Kim","$ref":"x"}]}`)
	if ETag(bare) != ETag(shown) || !bare.Equal(shown) {
		t.Error("display, type, $ref or order count")
	}
	if fewer := stored(t, GroupType, `{"displayName":"eng","members":[{"value":"u1"}]}`); ETag(bare) == ETag(fewer) || bare.Equal(fewer) {
		t.Error("members do not count")
	}
	empty := stored(t, GroupType, `{"displayName":"eng"}`)
	if ETagWithMembers(empty, DigestMembers(bare.Members())) != ETag(bare) || ETagWithMembers(bare, MemberDigest{}) != ETag(empty) {
		t.Error("the digest does not stand for the members")
	}
}

func TestEqualValuesAgreesWithTheCanonicalForm(t *testing.T) {
	emails := UserSchema.Attribute("emails")
	values := []any{
		nil, "a", "A", true, false,
		decodedValue(t, `{"value":"a"}`), decodedValue(t, `{"value":"a","type":"w"}`), decodedValue(t, `{"type":"w","value":"a"}`), decodedValue(t, `{"value":"a","x":1}`),
		decodedValue(t, `{"value":"a","x":1.0}`), decodedValue(t, `[{"value":"a"},{"value":"b"}]`), decodedValue(t, `[{"value":"b"},{"value":"a"}]`), decodedValue(t, `[1,2]`),
	}
	for _, x := range values {
		for _, y := range values {
			want := string(appendCanonical(nil, emails, x)) == string(appendCanonical(nil, emails, y))
			if equalValues(emails, x, y) != want {
				t.Errorf("%v, %v: %v", x, y, !want)
			}
		}
	}
}

func decodedValue(t testing.TB, s string) any {
	v, err := decodeJSON([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
