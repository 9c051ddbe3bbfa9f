// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/connector"
)

func TestResourceOfNestsPaths(t *testing.T) {
	const custom = "urn:ietf:params:scim:schemas:extension:4me:1.0:custom_fields"
	got := resourceOf(connector.Attributes{
		"userName": "jane@corp.test",
		"urn:ietf:params:scim:schemas:core:2.0:User:title": "Agent",
		"name.givenName":  "Jane",
		"name.familyName": "Doe",
		department:        "Sales",
		enterpriseManager: "26118915",
		custom + ":desk":  "B-12",
		"nickName":        nil,
		"emails":          []any{map[string]any{"value": "jane@corp.test"}},
	}, nil)
	want := map[string]any{
		"schemas":  []any{schemaUser, custom, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"},
		"userName": "jane@corp.test",
		"title":    "Agent",
		"name":     map[string]any{"givenName": "Jane", "familyName": "Doe"},
		"emails":   []any{map[string]any{"value": "jane@corp.test"}},
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": map[string]any{
			"department": "Sales", "manager": map[string]any{"value": "26118915"},
		},
		custom: map[string]any{"desk": "B-12"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resource (-want +got):\n%s", diff)
	}
}

const enterpriseManager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"

func TestValueReadsPaths(t *testing.T) {
	account := map[string]any{
		"USERNAME": "jane@corp.test",
		"name":     map[string]any{"GivenName": "Jane", "familyName": ""},
		"emails":   []any{},
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": map[string]any{
			"department": "Sales", "manager": map[string]any{"value": "7"},
		},
		"active": false,
	}
	tests := map[string]any{
		"userName":        "jane@corp.test",
		"name.givenName":  "Jane",
		"name.familyName": nil,
		"name.middleName": nil,
		"userName.sub":    nil,
		"emails":          nil,
		"title":           nil,
		department:        "Sales",
		enterpriseManager: "7",
		"urn:ietf:params:scim:schemas:core:2.0:User:active": false,
	}
	for path, want := range tests {
		got, ok := connector.Value(account, path)
		if diff := cmp.Diff(want, got); diff != "" || ok != (want != nil) {
			t.Errorf("Value(%s) = %v, %t, want %v", path, got, ok, want)
		}
	}
}

func TestEmptyValuesByType(t *testing.T) {
	tests := map[string]any{
		"title":                                "",
		"phoneNumbers":                         []any{},
		"EMAILS":                               []any{},
		"name":                                 map[string]any{},
		"name.nickName":                        "",
		department:                             "",
		"urn:example:params:scim:Other:emails": "",
	}
	for path, want := range tests {
		if diff := cmp.Diff(want, emptyValue(path)); diff != "" {
			t.Errorf("emptyValue(%s) (-want +got):\n%s", path, diff)
		}
	}
}

func TestUsersAreReadHoweverTheAppWritesThem(t *testing.T) {
	long := strings.Repeat("x", 1100)
	tests := map[string]struct {
		object map[string]any
		want   connector.User
	}{
		"as it should be":    {map[string]any{"id": "1", "userName": "a", "externalId": "x", "active": false}, connector.User{ID: "1", UserName: "a", ExternalID: "x", ActiveShown: true}},
		"without active":     {map[string]any{"id": "1", "userName": "a"}, connector.User{ID: "1", UserName: "a", Active: true}},
		"active as a string": {map[string]any{"id": "1", "Active": "False"}, connector.User{ID: "1", ActiveShown: true}},
		"active is null":     {map[string]any{"id": "1", "active": nil}, connector.User{ID: "1", Active: true}},
		"without id":         {map[string]any{"username": "a"}, connector.User{ID: "7", UserName: "a", Active: true}},
		"numbers as ids":     {map[string]any{"id": json.Number("10000000000000000001"), "externalId": json.Number("7")}, connector.User{ID: "10000000000000000001", ExternalID: "7", Active: true}},
		"long names are cut": {map[string]any{"id": "1", "userName": long, "externalId": long}, connector.User{ID: "1", UserName: long[:1024], ExternalID: long[:1024], Active: true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.want.Attributes = test.object
			got, err := decodeUser(connector.OpGetUser, test.object, "7")
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("user (-want +got), %v:\n%s", err, diff)
			}
		})
	}
}

func TestNumbersOfAnAnswerAreFloatsInAttributes(t *testing.T) {
	value, err := decodeJSON([]byte(`{"id":12,"x":{"level":1.5,"list":[1,"2",1e999]}}`))
	if err != nil {
		t.Fatal(err)
	}
	user, err := decodeUser(connector.OpGetUser, value.(map[string]any), "")
	want := map[string]any{"id": 12.0, "x": map[string]any{"level": 1.5, "list": []any{1.0, "2", "1e999"}}}
	if diff := cmp.Diff(want, user.Attributes); diff != "" || err != nil || user.ID != "12" {
		t.Errorf("id %q, %v, attributes (-want +got):\n%s", user.ID, err, diff)
	}
}
