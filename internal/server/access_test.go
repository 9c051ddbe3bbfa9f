// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

func TestReadOnlyClient(t *testing.T) {
	e := start(t, "okta")
	user := e.newUser("kim@corp.test")
	group := e.newGroup("eng", user)
	e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.Access = v1alpha1.AccessReadOnly })
	e.writesNothing("requests of a client that may only read", func() {
		for _, in := range []struct{ method, path, body string }{
			{"POST", "/Users", fill(oktaNewUser, "userName", "lou@corp.test", "givenName", "Lou", "familyName", "Lee")},
			{"PUT", "/Users/" + user, fill(oktaNewUser, "userName", "kim@corp.test", "givenName", "Kim", "familyName", "Kay")},
			{"PATCH", "/Users/" + user, fill(oktaSetActive, "active", "false")},
			{"DELETE", "/Users/" + user, ""},
			{"POST", "/Groups", `{"displayName": "ops"}`},
			{"DELETE", "/Groups/" + group, ""},
			{"POST", "/Bulk", `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [{"method": "DELETE", "path": "/Users/` + user + `"}]}`},
			// Not even whether it exists is told.
			{"DELETE", "/Users/none", ""},
		} {
			e.do(in.method, in.path, in.body).refused(403, "", "spec.access", "ReadOnly")
		}
	})
	e.do("GET", "/Users/"+user, "").want(200)
	e.do("GET", "/Groups"+filter(`displayName eq "eng"`), "").rows(1)
	e.do("GET", "/ServiceProviderConfig", "").want(200)
	if a := e.do("POST", "/Users/.search", `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}`); a.status == 403 {
		t.Errorf("a query by POST is refused: %s", a.raw)
	}
}

func TestClientOfUsersOrGroupsAlone(t *testing.T) {
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	for name, tc := range map[string]struct {
		resource       v1alpha1.ClientResource
		may, mayNot    string
		body           string
		types          []string
		schema, hidden []string
	}{
		"users": {
			v1alpha1.ClientResourceUsers, "/Users", "/Groups", `{"displayName": "ops"}`, []string{"User"},
			[]string{"urn:ietf:params:scim:schemas:core:2.0:User", enterprise}, []string{"urn:ietf:params:scim:schemas:core:2.0:Group"},
		},
		"groups": {
			v1alpha1.ClientResourceGroups, "/Groups", "/Users", `{"userName": "lou@corp.test"}`, []string{"Group"},
			[]string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, []string{"urn:ietf:params:scim:schemas:core:2.0:User", enterprise},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, "okta")
			id := e.newGroup("eng", e.newUser("kim@corp.test"))
			e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.Resources = []v1alpha1.ClientResource{tc.resource} })
			e.writesNothing("requests for the other resources", func() {
				for _, in := range []struct{ method, path, body string }{
					{"GET", tc.mayNot, ""}, {"GET", tc.mayNot + "/" + id, ""}, {"POST", tc.mayNot, tc.body}, {"PUT", tc.mayNot + "/" + id, tc.body},
					{"PATCH", tc.mayNot + "/" + id, `{}`}, {"DELETE", tc.mayNot + "/" + id, ""}, {"POST", tc.mayNot + "/.search", `{}`},
				} {
					e.do(in.method, in.path, in.body).refused(403, "", tc.mayNot, "spec.resources")
				}
			})
			e.do("GET", tc.may, "").rows(1)
			// A query over all types is about those that the client may use.
			all := e.do("GET", "/", "")
			all.rows(1)
			all.has(tc.types[0], "Resources", 0, "meta", "resourceType")
			e.do("POST", "/.search", `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}`).rows(1)
			types := e.do("GET", "/ResourceTypes", "").want(200)
			list, _ := types.body["Resources"].([]any)
			var names []string
			for i := range list {
				if name, _ := types.get("Resources", i, "name").(string); name == "User" || name == "Group" {
					names = append(names, name)
				}
			}
			if !slices.Equal(names, tc.types) {
				t.Errorf("/ResourceTypes has %v", names)
			}
			schemas := e.do("GET", "/Schemas", "").want(200)
			for _, urn := range tc.schema {
				if !strings.Contains(schemas.raw, `"id":"`+urn+`"`) {
					t.Errorf("/Schemas lacks %s", urn)
				}
				e.do("GET", "/Schemas/"+urn, "").want(200)
			}
			for _, urn := range tc.hidden {
				if strings.Contains(schemas.raw, `"id":"`+urn+`"`) {
					t.Errorf("/Schemas has %s", urn)
				}
				e.do("GET", "/Schemas/"+urn, "").want(404)
			}
		})
	}
}

// TestBulkMayNoMoreThanItsOperations has one operation that the client may do, and one that it may not.
func TestBulkMayNoMoreThanItsOperations(t *testing.T) {
	e := start(t, "okta")
	group := e.newGroup("eng")
	e.change(func(sc *v1alpha1.ScimClient) {
		sc.Spec.Resources = []v1alpha1.ClientResource{v1alpha1.ClientResourceUsers}
	})
	a := e.do("POST", "/Bulk", `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
		{"method": "DELETE", "path": "/Groups/`+group+`"},
		{"method": "POST", "path": "/Users", "bulkId": "1", "data": {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "kim@corp.test"}}]}`).want(200)
	a.has("403", "Operations", 0, "status")
	a.has("201", "Operations", 1, "status")
	e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.Resources = nil })
	e.do("GET", "/Groups/"+group, "").want(200)
}
