// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/internal/server"
)

// etagForms are the ways to write a condition that names the tag, by itself or among others.
func etagForms(tag string) []string {
	strong := strings.TrimPrefix(tag, "W/")
	return []string{tag, strong, strings.Trim(strong, `"`), "*", `"other", ` + tag, tag + `,W/"other"`}
}

func TestConditionsHoldOnEveryMethod(t *testing.T) {
	for _, resource := range []struct{ endpoint, put, other string }{
		{"/Users", strictUser("kim@corp.test"), patchHead + `[{"op": "replace", "path": "nickName", "value": "%d"}]}`},
		{"/Groups", strictGroup("eng"), patchHead + `[{"op": "replace", "path": "externalId", "value": "%d"}]}`},
	} {
		t.Run(resource.endpoint, func(t *testing.T) {
			e := start(t, "strict")
			made := e.do("POST", resource.endpoint, resource.put).want(201)
			path, tag, n := resource.endpoint+"/"+made.id(), made.header.Get("ETag"), 0
			change := func() string { n++; return fmt.Sprintf(resource.other, n) }
			if !strings.HasPrefix(tag, `W/"`) || made.get("meta", "version") != tag {
				t.Fatalf("ETag %q, meta.version %v", tag, made.get("meta", "version"))
			}
			for _, form := range etagForms(tag) {
				for _, method := range []string{"GET", "HEAD"} {
					a := e.do(method, path, "", "If-None-Match", form).want(http.StatusNotModified)
					if a.raw != "" || a.header.Get("ETag") != tag || a.header.Get("Content-Location") != e.base+path {
						t.Errorf("%s with If-None-Match %s: %v", method, form, a.header)
					}
					e.do(method, path, "", "If-Match", form).want(200)
				}
				e.writesNothing("writes that If-None-Match forbids", func() {
					e.do("PUT", path, resource.put, "If-None-Match", form).refused(412, "", "If-None-Match")
					e.do("PATCH", path, change(), "If-None-Match", form).refused(412, "")
					e.do("DELETE", path, "", "If-None-Match", form).refused(412, "")
				})
				// The PUT makes what it was before the PATCH, and so does its ETag.
				a := e.do("PATCH", path, change(), "If-Match", form)
				if now := a.header.Get("ETag"); a.status/100 != 2 || now == tag || now == "" {
					t.Errorf("PATCH with If-Match %s: status %d, ETag %q", form, a.status, now)
				}
				if now := e.do("PUT", path, resource.put, "If-Match", a.header.Get("ETag")).want(200).header.Get("ETag"); now != tag {
					t.Errorf("PUT: the ETag is %q, want that of the same content, %q", now, tag)
				}
			}
			for _, form := range []string{`W/"other"`, `"other"`, "other", `"a", "b"`, ""} {
				e.do("GET", path, "", "If-None-Match", form+" ").want(200)
				e.writesNothing("writes with an old ETag", func() {
					e.do("GET", path, "", "If-Match", form+" ").refused(412, "", "If-Match")
					if a := e.do("HEAD", path, "", "If-Match", form+" ").want(412); a.raw != "" {
						t.Errorf("HEAD with the body %s", a.raw)
					}
					e.do("PUT", path, resource.put, "If-Match", form+" ").refused(412, "", "If-Match")
					e.do("PATCH", path, change(), "If-Match", form+" ").refused(412, "")
					e.do("DELETE", path, "", "If-Match", form+" ").refused(412, "")
				})
			}
			// A condition counts only where the request would succeed without it (RFC 9110 13.2.1).
			for _, form := range []string{"*", tag} {
				e.do("GET", resource.endpoint+"/none", "", "If-Match", form).refused(404, "")
				e.do("PUT", resource.endpoint+"/none", resource.put, "If-Match", form).refused(404, "")
				e.do("DELETE", resource.endpoint+"/none", "", "If-Match", form).refused(404, "")
			}
			e.do("GET", resource.endpoint, "", "If-None-Match", "*").rows(1)
			e.do("DELETE", path, "", "If-None-Match", `"other"`, "If-Match", tag).want(204)
		})
	}
}

func TestPatchThatChangesNothingKeepsETagAndTime(t *testing.T) {
	e := start(t, "okta")
	id := e.newUser("kim@corp.test")
	before := e.do("GET", "/Users/"+id, "").want(200)
	e.writesNothing("a PATCH that changes nothing", func() {
		after := e.do("PATCH", "/Users/"+id, fill(oktaSetActive, "active", "true")).want(200)
		if after.raw != before.raw || after.header.Get("ETag") != before.header.Get("ETag") {
			t.Errorf("before %s\nafter %s", before.raw, after.raw)
		}
	})
}

func TestAnswersWithAResourceSayWhereItIs(t *testing.T) {
	e := start(t, "strict")
	made := e.do("POST", "/Users", strictUser("kim@corp.test")).want(201)
	at := e.base + "/Users/" + made.id()
	group := e.do("POST", "/Groups", strictGroup("eng")).want(201)
	title := patchHead + `[{"op": "replace", "path": "title", "value": "Boss"}]}`
	for _, a := range []*answer{
		made, e.do("GET", "/Users/"+made.id(), "").want(200), e.do("HEAD", "/Users/"+made.id(), "").want(200),
		e.do("PUT", "/Users/"+made.id(), strictUser("kim@corp.test")).want(200), e.do("PATCH", "/Users/"+made.id(), title).want(200),
		e.do("GET", "/Users/"+made.id()+"?attributes=userName", "").want(200),
	} {
		if a.header.Get("Location") != at || a.header.Get("Content-Location") != at {
			t.Errorf("%s: Location %q, Content-Location %q", a.what, a.header.Get("Location"), a.header.Get("Content-Location"))
		}
		if a.get("meta") != nil {
			a.has(at, "meta", "location")
		}
	}
	a := e.do("PATCH", "/Groups/"+group.id(), patchHead+`[{"op": "replace", "path": "displayName", "value": "eng2"}]}`).want(204)
	if a.header.Get("Location") != e.base+"/Groups/"+group.id() || a.header.Get("Content-Location") != "" || a.header.Get("ETag") == "" {
		t.Errorf("a 204 with %v", a.header)
	}
}

func TestURLsBehindAProxyAreThoseOfTheExternalURL(t *testing.T) {
	e := start(t, "strict", func(o *server.Options) { o.ExternalURL = "https://scim.corp.test/in/" })
	base := "https://scim.corp.test/in/" + e.namespace + "/idp/scim/v2"
	spoofed := []string{"X-Forwarded-Host", "evil.example.com", "X-Forwarded-Proto", "http", "X-Forwarded-Prefix", "/evil", "Forwarded", "host=evil.example.com"}
	boss := e.do("POST", "/Users", strictUser("boss@corp.test"), spoofed...).want(201)
	kim := e.do("POST", "/Users", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "`+enterpriseURN+`"], "userName": "kim@corp.test",
		"`+enterpriseURN+`": {"manager": {"value": "`+boss.id()+`"}}}`, spoofed...).want(201)
	group := e.do("POST", "/Groups", strictGroup("eng", kim.id()), spoofed...).want(201)
	kim.has(base+"/Users/"+boss.id(), enterpriseURN, "manager", "$ref").has(base+"/Users/"+kim.id(), "meta", "location")
	group.has(base+"/Users/"+kim.id(), "members", 0, "$ref").has(base+"/Groups/"+group.id(), "meta", "location")
	for path, at := range map[string]string{"/Schemas/" + enterpriseURN: "/Schemas/" + enterpriseURN, "/ResourceTypes/User": "/ResourceTypes/User", "/ServiceProviderConfig": "/ServiceProviderConfig"} {
		e.do("GET", path, "", spoofed...).want(200).has(base+at, "meta", "location")
	}
	e.do("POST", "/Bulk", bulkOf(operation("DELETE", "", "/Users/"+boss.id(), "")), spoofed...).wantStatuses("DELETE 204").has(base+"/Users/"+boss.id(), "Operations", 0, "location")
	// A proxy may leave its prefix in the path.
	token := "Bearer " + e.token
	e.send("GET", e.origin+"/in/"+e.namespace+"/idp/scim/v2/Users/"+kim.id(), "", "Authorization", token).want(200).has(base+"/Users/"+kim.id(), "meta", "location")
	e.send("GET", e.origin+"/out/"+e.namespace+"/idp/scim/v2/Users/"+kim.id(), "", "Authorization", token).refused(404, "")
	// RFC 7644 3.13: without a version it is the latest.
	e.send("GET", e.origin+"/"+e.namespace+"/idp/scim/Users/"+kim.id(), "", "Authorization", token).want(200).has(base+"/Users/"+kim.id(), "meta", "location")
}

func TestManagerThatIsNoUserOfOursHasNoReference(t *testing.T) {
	e := start(t, "okta")
	for i, other := range []string{"E-4711", "boss@corp.test", "kim.lee", "CN=Boss,OU=x.corporation123"} {
		e.do("POST", "/Users", fmt.Sprintf(`{"userName": "kim%d@corp.test", %q: {"manager": {"value": %q, "displayName": "Boss"}}}`, i, enterpriseURN, other)).want(201).
			has(nil, enterpriseURN, "manager", "$ref").has(other, enterpriseURN, "manager", "value").has("Boss", enterpriseURN, "manager", "displayName")
	}
}

func TestAttributesAreChosenOnEveryMethod(t *testing.T) {
	e := start(t, "strict")
	user, title := strictUser("kim@corp.test"), patchHead+`[{"op": "replace", "path": "title", "value": "Boss"}]}`
	user = strings.TrimSuffix(user, "}") + `, "title": "Boss", "name": {"givenName": "Kim", "familyName": "Lee"}, "emails": [{"value": "kim@corp.test", "type": "work"}]}`
	path := "/Users/" + e.do("POST", "/Users", user).want(201).id()
	for _, request := range []struct {
		method, path, body string
		status             int
	}{{"POST", "/Users", strings.ReplaceAll(user, "kim@", "lou@"), 201}, {"PUT", path, user, 200}, {"PATCH", path, title, 200}, {"GET", path, "", 200}} {
		ask := func(query string) *answer {
			body := request.body
			if request.method == "POST" {
				body = strings.ReplaceAll(body, "lou@", "lou-"+fmt.Sprint(len(query))+"@")
			}
			return e.do(request.method, request.path+query, body).want(request.status)
		}
		a := ask("?attributes=Title,name.familyName")
		a.has("Boss", "title").has("Lee", "name", "familyName").has(nil, "name", "givenName").has(nil, "userName").has(nil, "meta").has(nil, "emails")
		if a.id() == "" || a.get("schemas", 0) == nil || a.header.Get("ETag") == "" || a.header.Get("Location") == "" {
			t.Errorf("%s: without id, schemas, ETag or Location: %s", a.what, a.raw)
		}
		a = ask("?excludedAttributes=title,name.familyName,emails,id,schemas")
		a.has(nil, "title").has(nil, "name", "familyName").has("Kim", "name", "givenName").has(nil, "emails")
		if a.id() == "" || a.get("schemas", 0) == nil || a.get("userName") == nil {
			t.Errorf("%s: without id, schemas or userName: %s", a.what, a.raw)
		}
		ask("?attributes=urn:ietf:params:scim:schemas:core:2.0:User:title,nosuch,password").has("Boss", "title").has(nil, "password").has(nil, "nosuch")
		e.do(request.method, request.path+"?attributes=title&excludedAttributes=name", request.body).refused(400, "invalidValue", "excludedAttributes")
	}
	group := e.do("POST", "/Groups?excludedAttributes=members", strictGroup("eng", "u1")).want(201).has(nil, "members").has("eng", "displayName")
	at, rename := "/Groups/"+group.id(), patchHead+`[{"op": "replace", "path": "displayName", "value": "eng2"}]}`
	e.do("PUT", at+"?attributes=displayName", strictGroup("eng", "u1")).want(200).has(nil, "members").has("eng", "displayName")
	e.do("PATCH", at+"?attributes=displayName", rename).want(200).has(nil, "members").has("eng2", "displayName")
	e.do("PATCH", at+"?excludedAttributes=members", rename).want(200).has(nil, "members").has("eng2", "displayName")
	e.do("PATCH", at+"?attributes=members.value", rename).want(200).has("u1", "members", 0, "value").has(nil, "members", 0, "$ref").has(nil, "displayName")
}
