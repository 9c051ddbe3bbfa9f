// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Each attribute that is read by itself is what it is in the whole resource, wherever it is stored.
func TestSelectionsAreAsGoodAsTheWhole(t *testing.T) {
	const custom = "urn:example:custom:User"
	specs := map[string]map[string]any{
		"least": {"userName": "kim@corp.test"},
		"typed": {
			"userName": "kim@corp.test", "active": false, "title": "T", "name": map[string]any{"givenName": "Kim"}, "externalId": "00u1",
			"emails":                    []any{map[string]any{"value": "a@corp.test", "primary": true}, map[string]any{"value": "b@corp.test", "type": "work"}},
			scim.EnterpriseUserSchemaID: map[string]any{"department": "d", "manager": map[string]any{"value": "m"}},
		},
		"kept": {
			"userName": "kim@corp.test", "shoeSize": "41", "title": map[string]any{"odd": "x"},
			"emails":                    []any{map[string]any{"value": "a@corp.test", "verified": true}},
			scim.EnterpriseUserSchemaID: map[string]any{"department": "d", "badge": "7", "manager": map[string]any{"value": "m", "odd": "y"}},
			custom:                      map[string]any{"a": "b"},
		},
		"kept enterprise only": {"userName": "kim@corp.test", scim.EnterpriseUserSchemaID: map[string]any{"badge": "7"}},
	}
	var names []string
	for _, a := range scim.UserSchema.Attributes {
		if !notStored[a.Name] {
			names = append(names, a.Name)
		}
	}
	for _, a := range scim.EnterpriseUserSchema.Attributes {
		names = append(names, scim.EnterpriseUserSchemaID+":"+a.Name)
	}
	names = append(names, "externalId", "shoeSize", scim.EnterpriseUserSchemaID, scim.EnterpriseUserSchemaID+":badge", custom, custom+":a")
	for kind, attributes := range specs {
		u := &v1alpha1.ScimUser{}
		if err := ApplyUser(&u.Spec, attributes, "okta"); err != nil {
			t.Fatal(err)
		}
		for _, client := range []string{"okta", "other"} {
			whole := scim.ResourceFromMap(scim.UserType, UserJSON(u, client))
			for _, name := range names {
				part := SelectUser([]string{name}).Resource(u, client)
				if diff := cmp.Diff(asJSON(t, whole.Get(name)), asJSON(t, part.Get(name))); diff != "" {
					t.Errorf("%s, %s: %s", kind, name, diff)
				}
			}
			part := SelectUser(names).Resource(u, client)
			for _, name := range names {
				if diff := cmp.Diff(asJSON(t, whole.Get(name)), asJSON(t, part.Get(name))); diff != "" {
					t.Errorf("%s, %s with others: %s", kind, name, diff)
				}
			}
		}
	}
}

// asJSON is a value that can be compared.
func asJSON(t *testing.T, v any) any {
	t.Helper()
	r := scim.NewResource(scim.UserType)
	r.Set("x", v)
	return r.Map()["x"]
}

func TestASelectionReadsNothingElse(t *testing.T) {
	u := &v1alpha1.ScimUser{}
	u.Spec = v1alpha1.ScimUserSpec{UserName: "kim@corp.test", Active: ptr.To(true), Title: "T", Emails: []v1alpha1.MultiValue{{Value: "a@corp.test"}}}
	var names []string
	SelectUser([]string{"title"}).Resource(u, "okta").Range(func(name string, _ any) bool {
		names = append(names, name)
		return true
	})
	if diff := cmp.Diff([]string{"title"}, names); diff != "" {
		t.Error(diff)
	}
}
