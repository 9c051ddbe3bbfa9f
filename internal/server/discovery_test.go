// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients/issuertest"
)

func TestDiscoveryIsAsTheRFCSays(t *testing.T) {
	e := start(t, "strict")
	for _, path := range []string{"/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/ResourceTypes/User", "/Schemas/" + enterpriseURN} {
		a := e.do("GET", path, "").want(200)
		// RFC 7644 4: filters are refused, all else in the query is ignored.
		e.do("GET", path+"?filter=id+pr", "").refused(403, "", "filter")
		if b := e.do("GET", path+"?startIndex=5&count=1&sortBy=x&attributes=id&excludedAttributes=name&aadOptscim062020", "").want(200); b.raw != a.raw {
			t.Errorf("%s: the query changes the answer to %s", path, b.raw)
		}
		if head := e.do("HEAD", path, "").want(200); head.header.Get("Content-Length") != fmt.Sprint(len(a.raw)) || head.raw != "" {
			t.Errorf("HEAD %s: %v", path, head.header)
		}
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			b := e.do(method, path, "{}")
			b.refused(405, "", method)
			if b.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: Allow: %s", method, path, b.header.Get("Allow"))
			}
		}
		e.send("GET", e.base+path, "").refused(401, "")
	}
	if a := e.do("GET", "/ServiceProviderConfig", ""); a.body["Resources"] != nil || a.body["totalResults"] != nil {
		t.Errorf("not one object: %s", a.raw)
	}
	// Schema URNs ignore letter case (RFC 7643 3), and so do we with the names of resource types.
	e.do("GET", "/Schemas/"+strings.ToUpper(enterpriseURN), "").want(200).has(enterpriseURN, "id").has(e.base+"/Schemas/"+enterpriseURN, "meta", "location").
		has("Schema", "meta", "resourceType")
	e.do("GET", "/ResourceTypes/user", "").want(200).has("User", "id").has("User", "name").has(enterpriseURN, "schemaExtensions", 0, "schema").
		has(false, "schemaExtensions", 0, "required").has("/Users", "endpoint").has("ResourceType", "meta", "resourceType")
	e.do("GET", "/Schemas/urn:none", "").refused(404, "")
	e.do("GET", "/ServiceProviderConfig/x", "").refused(404, "")
}

func TestSchemasSayWhetherGroupNamesAreUnique(t *testing.T) {
	e := start(t, "strict")
	const path = "/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group"
	e.do("GET", path, "").want(200).has("displayName", "attributes", 0, "name").has("server", "attributes", 0, "uniqueness")
	e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.GroupNames = v1alpha1.GroupNamesShared })
	e.do("GET", path, "").want(200).has("none", "attributes", 0, "uniqueness")
	e.do("POST", "/Groups", strictGroup("eng")).want(201)
	e.do("POST", "/Groups", strictGroup("eng")).want(201)
}

func TestServiceProviderConfigNamesTheLogInsOfTheClient(t *testing.T) {
	e := start(t, "okta")
	a := e.do("GET", "/ServiceProviderConfig", "").want(200).has("Bearer token", "authenticationSchemes", 0, "name").has(true, "authenticationSchemes", 0, "primary")
	a.has(nil, "authenticationSchemes", 1)

	issuer := issuertest.New(t)
	j := startJWT(t, issuer)
	j.token = issuer.Sign(jwtClaims(issuer, audience))
	j.do("GET", "/ServiceProviderConfig", "").want(200).has("JSON Web Token", "authenticationSchemes", 0, "name").
		has("oauthbearertoken", "authenticationSchemes", 0, "type").has(true, "authenticationSchemes", 0, "primary").has(nil, "authenticationSchemes", 1)
	j.change(func(sc *v1alpha1.ScimClient) { sc.Spec.Tokens = []v1alpha1.SecretKeyRef{{Name: "idp-token"}} })
	j.do("GET", "/ServiceProviderConfig", "").want(200).has("Bearer token", "authenticationSchemes", 0, "name").
		has("JSON Web Token", "authenticationSchemes", 1, "name").has(false, "authenticationSchemes", 1, "primary")
}
