// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/server"
)

func TestServiceProviderConfigTellsTheTruth(t *testing.T) {
	e := start(t, "okta")
	a := e.do("GET", "/ServiceProviderConfig", "").want(200)
	for what, want := range map[string]bool{"patch": true, "bulk": true, "filter": true, "changePassword": false, "sort": true, "etag": true} {
		a.has(want, what, "supported")
	}
	a.has(float64(1000), "filter", "maxResults").has("oauthbearertoken", "authenticationSchemes", 0, "type")
	a.has(true, "pagination", "cursor").has(true, "pagination", "index").has("index", "pagination", "defaultPaginationMethod")
	a.has(float64(3600), "pagination", "cursorTimeout").has(float64(100), "pagination", "defaultPageSize").has(float64(1000), "pagination", "maxPageSize")
	a.has(e.base+"/ServiceProviderConfig", "meta", "location").has("urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig", "schemas", 0)
	e.send("GET", e.base+"/ServiceProviderConfig", "").refused(401, "")
}

func TestSchemasAndResourceTypesAreListedAndFound(t *testing.T) {
	e := start(t, "okta")
	for path, ids := range map[string][]string{
		"/ResourceTypes": {"User", "Group", "Role", "Entitlement"},
		"/Schemas": {
			"urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:core:2.0:Group",
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "urn:okta:scim:schemas:core:1.0:Role", "urn:okta:scim:schemas:core:1.0:Entitlement",
		},
	} {
		listed := fmt.Sprint(e.do("GET", path, "").rows(len(ids)))
		for _, id := range ids {
			if !strings.Contains(listed, "id:"+id+" ") {
				t.Errorf("%s does not list %s", path, id)
			}
			e.do("GET", path+"/"+id, "").want(200).has(id, "id").has(e.base+path+"/"+id, "meta", "location")
		}
	}
	e.do("GET", "/ResourceTypes/User", "").want(200).has("/Users", "endpoint")
}

func TestAttributesChooseWhatIsShown(t *testing.T) {
	e := start(t, "okta")
	a := e.do("POST", "/Users?attributes=userName", fill(oktaNewUser, "userName", "kim@corp.test", "givenName", "Kim", "familyName", "Lee")).want(201)
	a.has("kim@corp.test", "userName").has(nil, "name").has(nil, "meta")
	id := a.id()
	if a.header.Get("Location") != e.base+"/Users/"+id {
		t.Error("no Location because meta is not shown")
	}
	e.do("GET", "/Users/"+id+"?attributes=name.familyName", "").want(200).has(nil, "userName").has(nil, "name", "givenName").has("Lee", "name", "familyName").has(id, "id")
	e.do("GET", "/Users/"+id+"?excludedAttributes=emails,name", "").want(200).has("kim@corp.test", "userName").has(nil, "emails").has(nil, "name")
	listed := e.do("GET", "/Users?attributes=userName", "")
	listed.rows(1)
	listed.has("kim@corp.test", "Resources", 0, "userName").has(nil, "Resources", 0, "emails").has(id, "Resources", 0, "id")
}

func TestPagesAreCutNotRefused(t *testing.T) {
	e := start(t, "okta")
	for i := range 3 {
		e.newUser(fmt.Sprintf("user%d@corp.test", i))
	}
	if rows := e.do("GET", "/Users?count=100000", "").rows(3); len(rows) != 3 {
		t.Errorf("%d rows", len(rows))
	}
	if rows := e.do("GET", "/Users?startIndex=-5&count=-1", "").rows(3); len(rows) != 0 {
		t.Errorf("%d rows", len(rows))
	}
	e.do("GET", "/Users?startIndex=0&count=2", "").has(float64(1), "startIndex")
	small := start(t, "okta", func(o *server.Options) {
		o.Limits = server.DefaultLimits()
		o.Limits.DefaultPage, o.Limits.MaxPage = 1, 2
	})
	for i := range 3 {
		small.newUser(fmt.Sprintf("user%d@corp.test", i))
	}
	if rows := small.do("GET", "/Users", "").rows(3); len(rows) != 1 {
		t.Errorf("%d rows on a page of the default size 1", len(rows))
	}
	if rows := small.do("GET", "/Users?count=3", "").rows(3); len(rows) != 2 {
		t.Errorf("%d rows on a page of at most 2", len(rows))
	}
}

func TestUnknownQueryParametersAreIgnored(t *testing.T) {
	e := start(t, "entra")
	e.do("GET", "/Users?aadOptscim062020&cursors=x&SORTBY=y", "").rows(0)
}

func TestConditionalRequests(t *testing.T) {
	e := start(t, "okta")
	id := e.newUser("kim@corp.test")
	tag := e.do("GET", "/Users/"+id, "").want(200).header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) {
		t.Fatalf("ETag %q", tag)
	}
	a := e.do("GET", "/Users/"+id, "", "If-None-Match", tag).want(http.StatusNotModified)
	if a.raw != "" || a.header.Get("ETag") != tag {
		t.Errorf("304 with ETag %q and the body %q", a.header.Get("ETag"), a.raw)
	}
	off, on := fill(oktaSetActive, "active", "false"), fill(oktaSetActive, "active", "true")
	e.do("PATCH", "/Users/"+id, off, "If-Match", tag).want(200)
	e.writesNothing("writes with an old ETag", func() {
		e.do("PATCH", "/Users/"+id, on, "If-Match", tag).refused(412, "")
		e.do("PUT", "/Users/"+id, fill(oktaNewUser, "userName", "kim@corp.test"), "If-Match", tag).refused(412, "")
		e.do("DELETE", "/Users/"+id, "", "If-Match", tag).refused(412, "")
	})
	e.do("GET", "/Users/"+id, "", "If-None-Match", tag).want(200).has(false, "active")
	e.do("DELETE", "/Users/"+id, "", "If-Match", "*").want(204)
}

func TestMediaTypesAndAcceptAreNoHurdle(t *testing.T) {
	e := start(t, "okta")
	for i, header := range [][]string{
		{"Content-Type", "application/json"}, {"Content-Type", "application/scim+json"}, {"Content-Type", `application/json; charset="utf-8"`}, {"Content-Type", ""},
		{"Accept", "application/json"}, {"Accept", "text/html"}, {"Accept", "application/xml;q=0.9"}, {"Accept", ""},
	} {
		body := fill(oktaNewUser, "userName", fmt.Sprintf("user%d@corp.test", i), "givenName", "Kim", "familyName", "Lee")
		e.do("POST", "/Users", body, header...).want(201)
	}
}

func TestSlashAtTheEndMakesNoDifference(t *testing.T) {
	e := start(t, "okta")
	id := e.newUser("kim@corp.test")
	e.do("GET", "/Users/", "").rows(1)
	e.do("GET", "/Users/"+id+"/", "").want(200)
	e.do("GET", "/ServiceProviderConfig/", "").want(200)
}

func TestHeadHasTheHeadersOfGet(t *testing.T) {
	e := start(t, "okta")
	id := e.newUser("kim@corp.test")
	get, head := e.do("GET", "/Users/"+id, "").want(200), e.do("HEAD", "/Users/"+id, "").want(200)
	if head.raw != "" || head.header.Get("ETag") != get.header.Get("ETag") || head.header.Get("Content-Length") != fmt.Sprint(len(get.raw)) {
		t.Errorf("HEAD: %v %q", head.header, head.raw)
	}
}

func TestLocationsFollowTheExternalURL(t *testing.T) {
	e := start(t, "okta", func(o *server.Options) { o.ExternalURL = "https://scim.corp.test/in/" })
	id := e.newUser("kim@corp.test")
	want := "https://scim.corp.test/in/" + e.namespace + "/idp/scim/v2/Users/" + id
	e.do("GET", "/Users/"+id, "", "X-Forwarded-Host", "evil.example.com").want(200).has(want, "meta", "location")
}

func TestForwardingHeadersAreNotBelieved(t *testing.T) {
	e := start(t, "okta")
	id := e.newUser("kim@corp.test")
	e.do("GET", "/Users/"+id, "", "X-Forwarded-Host", "evil.example.com", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.example.com").want(200).
		has(e.base+"/Users/"+id, "meta", "location")
}

func TestRequestIDComesBackAndIsKeptAsOrigin(t *testing.T) {
	e := start(t, "okta")
	body := fill(oktaNewUser, "userName", "kim@corp.test", "givenName", "Kim", "familyName", "Lee")
	if a := e.do("POST", "/Users", body, "X-Request-Id", "req-4711").want(201); a.header.Get("X-Request-Id") != "req-4711" {
		t.Errorf("X-Request-Id %q", a.header.Get("X-Request-Id"))
	}
	var users v1alpha1.ScimUserList
	if err := e.admin.List(t.Context(), &users, client.InNamespace(e.namespace)); err != nil {
		t.Fatal(err)
	}
	if len(users.Items) != 1 {
		t.Fatalf("%d users", len(users.Items))
	}
	if origin := users.Items[0].Annotations[v1alpha1.AnnotationOrigin]; !strings.Contains(origin, "req-4711") || !strings.Contains(origin, "idp") {
		t.Errorf("origin %s", origin)
	}
	if !strings.Contains(e.logs.String(), "req-4711") {
		t.Error("the log does not have the request id")
	}
	if a := e.do("GET", "/Users", "", "X-Request-Id", "not a sane id"); len(a.header.Get("X-Request-Id")) < 20 {
		t.Errorf("X-Request-Id %q", a.header.Get("X-Request-Id"))
	}
}

func TestLogsAndMetricsHoldNothingPersonal(t *testing.T) {
	e := start(t, "entra")
	id := e.newUser("kim@corp.test")
	e.do("GET", "/Users"+filter(`userName eq "kim@corp.test"`), "").rows(1)
	e.do("PATCH", "/Users/"+id, entraDisable).want(200)
	e.do("GET", "/Users"+filter(`userName eq "kim@corp.test`), "").refused(400, "invalidFilter")
	e.do("GET", "/kim@corp.test", "").refused(404, "")
	e.do("GET", "/Users/kim@corp.test", "").refused(404, "")
	e.send("GET", e.origin+"/kim@corp.test/idp/scim/v2/Users", "", "Authorization", "Bearer wrong-token-012345678").refused(401, "")
	e.send("GET", e.base+"/Users", "", "Authorization", "Bearer wrong-token-012345678").refused(401, "")

	families, err := e.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, f := range families {
		texts = append(texts, f.String())
	}
	metrics := strings.Join(texts, "\n")
	for what, text := range map[string]string{"log": e.logs.String(), "metrics": metrics} {
		for _, secret := range []string{"kim", "Kim", testToken, "wrong-token", id, "placeholder"} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s has %q:\n%s", what, secret, text)
			}
		}
		for _, want := range []string{"Users", "wrong_token", "unknown_client"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s in:\n%s", what, want, text)
			}
		}
	}
	for _, want := range []string{"scim_requests_total", "scim_request_duration_seconds", "scim_tolerances_used_total", "StringBooleans", e.namespace + "/idp"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s:\n%s", want, metrics)
		}
	}
}

func TestPutOfTenThousandMembersFits(t *testing.T) {
	e := start(t, "okta-aiw")
	var ids []string
	for i := range 10_000 {
		ids = append(ids, fmt.Sprintf("u-%026d.%013d", i, i))
	}
	id := e.newGroup("everybody", ids...)
	got := e.do("GET", "/Groups/"+id, "").want(200)
	// A client that sends our own body back sends the $ref of each member, too.
	e.writesNothing("a PUT of what a GET gave", func() { e.do("PUT", "/Groups/"+id, got.raw).want(200) })
	put := fill(aiwPutGroup, "id", id, "displayName", "everybody", "members", memberList(ids[1:]...))
	e.do("PUT", "/Groups/"+id, put).want(200)
	if left := e.members(id); len(left) != len(ids)-1 {
		t.Errorf("%d members are left", len(left))
	}
	t.Logf("a group of %d members as a GET shows it: %d bytes", len(ids), len(got.raw))
}

func TestHTTP2IsSpoken(t *testing.T) {
	e := start(t, "okta")
	transport, _ := e.http.Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = true
	id := e.newUser("kim@corp.test")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.base+"/Users/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+e.token)
	resp, err := e.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("%s %s", resp.Proto, resp.Status)
	}
	e.do("GET", "/Users/"+id, "").want(200).has(e.base+"/Users/"+id, "meta", "location")
	e.do("POST", "/Users", `{"userName": "`+strings.Repeat("x", 1<<20)+`"}`).refused(413, "", "1048576")
}

func TestAPIServerThatIsAwayIs503(t *testing.T) {
	e := start(t, "okta", func(o *server.Options) {
		o.Directory = func(s directory.Scope) server.Directory { return unreachableStore(t).For(s) }
	})
	a := e.do("POST", "/Users", fill(oktaNewUser, "userName", "kim@corp.test", "givenName", "Kim", "familyName", "Lee"))
	a.refused(503, "")
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 {
		t.Errorf("Retry-After %q is no number of seconds", a.header.Get("Retry-After"))
	}
}

// unreachableStore is a directory whose API server does not answer.
func unreachableStore(t *testing.T) *directory.Store {
	b := sharedBackend(t)
	config := rest.CopyConfig(b.env.Config)
	// Nothing listens on the port that TCP reserves for multiplexing.
	config.Host = "https://127.0.0.1:1"
	away, err := client.New(config, client.Options{Scheme: b.admin.Scheme(), Mapper: b.admin.RESTMapper()})
	if err != nil {
		t.Error(err)
	}
	store, err := directory.New(t.Context(), directory.Options{
		Client: away, Cache: b.informers, Cursors: testCursors(), Clock: clock.RealClock{}, Random: rand.Reader,
	})
	if err != nil {
		t.Error(err)
	}
	return store
}
