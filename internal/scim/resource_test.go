// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResourceGet(t *testing.T) {
	r := stored(t, UserType, filterUser)
	for path, want := range map[string]any{
		"userName":                     "Kim@corp.test",
		"USERNAME":                     "Kim@corp.test",
		"name.givenName":               "Kim",
		"emails.value":                 []any{"kim@corp.test", "kim@home.test", "other@x.test"},
		"emails.type":                  []any{"work", "home"},
		`emails[type eq "home"].value`: []any{"kim@home.test"},
		`emails[type eq "none"]`:       nil,
		"emails.primary":               []any{true},
		ent + ":manager.value":         "u-2",
		"manager.value":                "u-2",
		"schemas":                      []any{UserSchemaID, ent},
		"SCHEMAS":                      []any{UserSchemaID, ent},
		"meta.resourceType":            "User",
		"nobody":                       nil,
		"userName.x":                   nil,
		"not a path":                   nil,
	} {
		if diff := cmp.Diff(want, r.Get(path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	if r.String("emails.value") != "kim@corp.test" || r.String("active") != "" || r.String("nobody") != "" || r.ID() != "U-1.ab" {
		t.Error("String or ID")
	}
	if v, ok := r.Bool("active"); !v || !ok {
		t.Error("active")
	}
	if _, ok := r.Bool("userName"); ok {
		t.Error("userName is no boolean")
	}
	var names []string
	stored(t, UserType, `{"title":"x","userName":"a","schemas":["urn:x"]}`).Range(func(name string, _ any) bool {
		names = append(names, name)
		return true
	})
	if diff := cmp.Diff([]string{"title", "userName"}, names); diff != "" {
		t.Error(diff)
	}
	empty := NewResource(UserType)
	if empty.ID() != "" || empty.Get("userName") != nil || len(empty.Schemas()) != 1 || empty.Type() != UserType {
		t.Error("an empty resource has something")
	}
}

func TestResourceSetAndClone(t *testing.T) {
	r := stored(t, UserType, `{"userName":"a"}`)
	c := r.Clone()
	r.Set("ID", "u1")
	r.Set("meta", map[string]any{"RESOURCETYPE": "User", "n": 3, "at": nil, "f": 1.5, "big": int64(1) << 60})
	r.Set("groups", []map[string]any{{"VALUE": "g1"}, {}})
	r.Set(ent, map[string]any{"DEPARTMENT": "x"})
	yes := true
	r.Set("active", &yes)
	r.Set("title", "")
	r.Set("nickName", nil)
	r.Set("roles", []*Object{{[]field{{"value", "r"}}}})
	sameJSON(t, r, `{"schemas":["`+UserSchemaID+`","`+ent+`"],"id":"u1","userName":"a","active":true,"title":"","roles":[{"value":"r"}],
	  "meta":{"resourceType":"User","n":3,"f":1.5,"big":1152921504606846976},"groups":[{"value":"g1"}],"`+ent+`":{"department":"x"}}`)
	sameJSON(t, c, `{"userName":"a"}`)
	r.Delete("GROUPS")
	r.Set("userName", nil)
	if r.Get("groups") != nil || r.Get("userName") != nil {
		t.Error("not deleted")
	}
	m := r.Map()
	m["meta"].(map[string]any)["resourceType"] = "changed"
	if r.String("meta.resourceType") != "User" {
		t.Error("the map is shared")
	}
	if diff := cmp.Diff([]any{UserSchemaID, ent}, m["schemas"]); diff != "" {
		t.Error(diff)
	}
	if m["meta"].(map[string]any)["n"] != json.Number("3") {
		t.Error("numbers should be json.Number")
	}
}

func TestResourceJSONOrder(t *testing.T) {
	r := parsed(t, UserType, leniently(t), `{"title":"t\n\"\\\u0001\u2028ü","userName":"<a&b>","zip":1,"externalId":"e","active":true,"emails":[{"value":"x"}]}`)
	r.Set("meta", map[string]any{"version": "1"})
	r.Set("id", "u1")
	b, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"u1","externalId":"e","title":"t\n\"\\\u0001` + "\u2028ü" + `","userName":"<a&b>","zip":1,` +
		`"active":true,"emails":[{"value":"x"}],"meta":{"version":"1"}}`
	if string(b) != want {
		t.Errorf("%s", b)
	}
	if !json.Valid(b) {
		t.Error("no JSON")
	}
	// Strings of the server's own making may hold anything.
	r.Set("title", "a\xffb")
	if b := mustJSON(t, r); !json.Valid(b) {
		t.Errorf("%s", b)
	}
}

func TestObject(t *testing.T) {
	var nothing *Object
	if nothing.Len() != 0 || nothing.Get("x") != nil {
		t.Error("nil is not empty")
	}
	nothing.Range(func(string, any) bool { t.Error("range over nil"); return true })
	o := nothing.with("a", "1").with("b", "2").with("A", "3")
	n := 0
	o.Range(func(name string, _ any) bool {
		n++
		return name != "a"
	})
	if o.Len() != 2 || o.Get("B") != "2" || o.Get("a") != "3" || n != 1 {
		t.Errorf("%+v", o)
	}
	if o.with("x", nil) != o || o.with("a", nil).with("b", nil) != nil {
		t.Error("removal")
	}
}
