// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/server"
)

// searchBody is the body of a POST to /.search with these fields.
func searchBody(fields ...string) string {
	all := append([]string{`"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]`}, fields...)
	return "{" + strings.Join(all, ",") + "}"
}

// column gives the values of an attribute, in the order of the rows.
func column(a *answer, rows []any, path ...any) []string {
	values := []string{}
	for i := range rows {
		values = append(values, fmt.Sprint(a.get(append([]any{"Resources", i}, path...)...)))
	}
	return values
}

// wantColumn checks the values of an attribute, in the order of the rows.
func (a *answer) wantColumn(want []string, path ...any) *answer {
	a.t.Helper()
	if got := column(a, a.rows(len(want)), path...); !slices.Equal(got, want) {
		a.t.Errorf("%s: %v are %v, want %v", a.what, path, got, want)
	}
	return a
}

func (e *endpoint) post(path, body string) string {
	e.t.Helper()
	return e.do("POST", path, body).want(201).id()
}

// newCast makes users of whom all that is sorted by is different.
func newCast(e *endpoint) {
	for _, u := range []string{
		`"userName":"bea@corp.test","active":true,"title":"b","emails":[{"value":"z@corp.test"},{"value":"a@corp.test","primary":true}]`,
		`"userName":"Ada@corp.test","active":false,"emails":[{"value":"m@corp.test"},{"value":"b@corp.test"}]`,
		`"userName":"cid@corp.test","active":true,"title":"A","name":{"familyName":"Zed"}`,
	} {
		e.post("/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],`+u+`}`)
	}
}

// RFC 7644 3.4.2.3.
func TestResultsAreSorted(t *testing.T) {
	e := start(t, "strict")
	newCast(e)
	ada, bea, cid := "Ada@corp.test", "bea@corp.test", "cid@corp.test"
	for query, want := range map[string][]string{
		"sortBy=userName":                               {ada, bea, cid},
		"sortBy=USERNAME&sortOrder=Descending":          {cid, bea, ada},
		"sortBy=title":                                  {cid, bea, ada},
		"sortBy=title&sortOrder=descending":             {ada, bea, cid},
		"sortBy=emails":                                 {bea, ada, cid},
		"sortBy=emails.value&sortOrder=descending":      {cid, ada, bea},
		"sortBy=name.familyName":                        {cid, "*", "*"},
		"sortBy=active&sortOrder=ascending":             {ada, "*", "*"},
		"sortBy=userName&startIndex=2&count=1":          {bea},
		"sortBy=userName&filter=active+eq+true":         {bea, cid},
		"sortBy=meta.lastModified&sortOrder=descending": {"*", "*", "*"},
		"sortBy=urn:ietf:params:scim:schemas:core:2.0:User:userName&sortOrder=descending&filter=" +
			url.QueryEscape(`emails.value ew "corp.test"`): {bea, ada},
	} {
		a := e.do("GET", "/Users?attributes=userName&"+query, "").want(200)
		got := column(a, a.body["Resources"].([]any), "userName")
		for i := range got {
			if i < len(want) && want[i] == "*" {
				got[i] = "*"
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

func TestQueryByPOSTIsThatOfAGET(t *testing.T) {
	e := start(t, "strict")
	newCast(e)
	a := e.do("POST", "/Users/.search", searchBody(`"filter":"active eq true"`, `"sortBy":"userName"`, `"sortOrder":"descending"`, `"attributes":["userName","title"]`,
		`"startIndex":1`, `"count":1`, `"unknown":{"x":[1]}`))
	rows := a.rows(2)
	if got := column(a, rows, "userName"); !slices.Equal(got, []string{"cid@corp.test"}) {
		t.Error(got)
	}
	a.has("A", "Resources", 0, "title").has(float64(1), "startIndex")
	if row := rows[0].(map[string]any); row["active"] != nil || row["id"] == nil {
		t.Errorf("the attributes that were asked for, and those that always come: %v", row)
	}
	a = e.do("POST", "/Users/.search", searchBody(`"excludedAttributes":["name","emails"]`, `"filter":"userName eq \"CID@corp.test\""`))
	if row := a.rows(1)[0].(map[string]any); row["name"] != nil || row["title"] != "A" {
		t.Errorf("%v", row)
	}
	e.do("POST", "/Users/.search", searchBody()).rows(3)
	e.do("POST", "/Groups/.search", searchBody()).rows(0)
	e.do("POST", "/Users/.search", `{"filter":"active eq true"}`).refused(400, "invalidSyntax", "SearchRequest")
	e.do("GET", "/Users/.search", "").refused(405, "")
	e.do("GET", "/.search", "").refused(405, "")
}

// RFC 7644 3.4.2.1: a query at the root is about all types.
func TestQueriesOverAllTypes(t *testing.T) {
	e := start(t, "strict")
	newCast(e)
	group := e.newGroup("Bears", e.newUser("dee@corp.test"))
	types := func(query string, want ...string) {
		t.Helper()
		e.do("GET", "/?"+query, "").wantColumn(want, "meta", "resourceType")
		e.do("GET", "?"+query, "").wantColumn(want, "meta", "resourceType")
	}
	types("", "User", "User", "User", "User", "Group")
	types("filter="+url.QueryEscape(`meta.resourceType eq "Group"`), "Group")
	types("filter="+url.QueryEscape(`meta.resourceType eq "User" and active eq true`), "User", "User", "User")
	// What only one type has, the other has no value of.
	types("filter="+url.QueryEscape(`userName sw "b"`), "User")
	types("filter="+url.QueryEscape(`userName sw "b" or displayName eq "bears"`), "User", "Group")
	types("filter="+url.QueryEscape(`members pr or title pr`), "User", "User", "Group")
	types("filter="+url.QueryEscape(`not (active pr)`), "Group")
	types("filter="+url.QueryEscape(fmt.Sprintf(`id eq %q`, group)), "Group")
	types("filter=" + url.QueryEscape(`meta.resourceType eq "Device"`))
	a := e.do("POST", "/.search", searchBody(`"sortBy":"displayName"`, `"excludedAttributes":["members"]`, `"count":2`))
	if row := a.rows(5)[0].(map[string]any); row["displayName"] != "Bears" || row["members"] != nil {
		t.Errorf("%v", row)
	}
	a.has(e.base+"/Groups/"+group, "Resources", 0, "meta", "location")
}

// A client that may use one type only finds nothing of the other at the root.
func TestQueriesOverAllTypesShowWhatTheClientMayUse(t *testing.T) {
	e := start(t, "strict")
	user := e.newUser("dee@corp.test")
	e.newGroup("Bears", user)
	c := &v1alpha1.ScimClient{}
	key := client.ObjectKey{Namespace: e.namespace, Name: "idp"}
	if err := e.admin.Get(t.Context(), key, c); err != nil {
		t.Fatal(err)
	}
	c.Spec.Resources = []v1alpha1.ClientResource{v1alpha1.ClientResourceUsers}
	if err := e.admin.Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client is held back", func() bool { return e.do("GET", "/Groups", "").status == 403 })
	e.do("GET", "/", "").wantColumn([]string{user}, "id")
	e.do("POST", "/.search", searchBody(`"filter":"userName pr"`)).wantColumn([]string{user}, "id")
	// To this client there are no groups, nor what only groups have.
	e.do("GET", "/?filter=members+pr", "").refused(400, "invalidFilter", "members")
}

// walk follows a walk to its end and gives the ids.
func (e *endpoint) walk(first string, next func(a *answer, rows int) string) []string {
	e.t.Helper()
	ids := []string{}
	for path := first; path != ""; {
		a := e.do("GET", path, "").want(200)
		rows, _ := a.body["Resources"].([]any)
		ids = append(ids, column(a, rows, "id")...)
		path = next(a, len(rows))
	}
	return ids
}

func (e *endpoint) walkByCursor(query string) []string {
	e.t.Helper()
	return e.walk("/Users?"+query+"&cursor=", func(a *answer, _ int) string {
		if a.body["startIndex"] != nil {
			e.t.Errorf("a page by cursor has startIndex: %s", a.raw)
		}
		next, _ := a.body["nextCursor"].(string)
		if next == "" {
			return ""
		}
		if strings.ContainsFunc(next, func(r rune) bool { return !strings.ContainsRune("-_", r) && (r < '0' || r > 'z') }) {
			e.t.Errorf("the cursor is not made of unreserved characters: %s", next)
		}
		return "/Users?" + query + "&cursor=" + next
	})
}

// RFC 9865.
func TestPagesByCursor(t *testing.T) {
	e := start(t, "strict")
	var want []string
	for i := range 7 {
		want = append(want, e.newUser(fmt.Sprintf("u%d@corp.test", i)))
	}
	sorted := slices.Sorted(slices.Values(want))
	for _, query := range []string{"count=1", "count=3", "count=7", "count=100", "count=2&filter=active+eq+true"} {
		got := e.walkByCursor(query)
		slices.Sort(got)
		if !slices.Equal(got, sorted) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	if got := e.walkByCursor("count=2&sortBy=userName"); !slices.Equal(got, want) {
		t.Errorf("sorted: %v, want %v", got, want)
	}
	slices.Reverse(want)
	if got := e.walkByCursor("count=3&sortBy=userName&sortOrder=descending"); !slices.Equal(got, want) {
		t.Errorf("sorted the other way: %v, want %v", got, want)
	}
	a := e.do("GET", "/Users?cursor&count=3", "").has(float64(7), "totalResults")
	cursor := fmt.Sprint(a.get("nextCursor"))
	e.do("POST", "/Users/.search", searchBody(`"count":4`, fmt.Sprintf(`"cursor":%q`, cursor))).has(float64(7), "totalResults").has(nil, "nextCursor").has(float64(4), "itemsPerPage")
	// A cursor is good for the query that it came from, and for nothing else.
	for _, path := range []string{
		"/Groups?cursor=" + cursor, "/?cursor=" + cursor, "/Users?filter=active+pr&cursor=" + cursor, "/Users?sortBy=userName&cursor=" + cursor,
		"/Users?cursor=" + cursor + "A", "/Users?cursor=" + cursor[1:], "/Users?cursor=" + strings.ToUpper(cursor),
	} {
		e.do("GET", path, "").refused(400, "invalidCursor", "empty cursor")
	}
	other := start(t, "strict")
	other.do("GET", "/Users?cursor="+cursor, "").refused(400, "invalidCursor")
}

func TestQueriesThatNoIndexServesAreBounded(t *testing.T) {
	limits := server.DefaultLimits()
	limits.Scan = 3
	e := start(t, "strict", func(o *server.Options) { o.Limits = limits })
	for i := range 4 {
		e.newUser(fmt.Sprintf("u%d@corp.test", i))
	}
	e.do("GET", "/Users?filter=active+eq+true", "").refused(400, "tooMany", "more than 3", "userName", "cursor")
	e.do("GET", "/Users?sortBy=userName", "").refused(400, "tooMany", "sortBy")
	e.do("GET", "/Users", "").rows(4)
	e.do("GET", "/Users?filter="+url.QueryEscape(`active eq true and userName eq "u1@corp.test"`)+"&sortBy=userName", "").rows(1)
	e.do("GET", "/Users?filter="+url.QueryEscape(`emails[value eq "x"] and active eq true`), "").rows(0)
	e.do("GET", "/?filter="+url.QueryEscape(`meta.resourceType eq "Group" and displayName pr`), "").rows(0)
	// By cursor they go on, a piece of the work at a time.
	if got := e.walkByCursor("filter=active+eq+true"); len(got) != 4 {
		t.Errorf("%d users by cursor", len(got))
	}
	if got := e.walkByCursor("filter=active+eq+false"); len(got) != 0 {
		t.Errorf("%d users by cursor", len(got))
	}
	a := e.do("GET", "/Users?cursor=&filter=active+eq+false", "").want(200)
	if a.body["totalResults"] != nil || a.body["nextCursor"] == nil {
		t.Errorf("a piece of a query: %s", a.raw)
	}
}

// Entra asks this before it changes a reference.
func TestReferencesAreCheckedByIDAndReference(t *testing.T) {
	e := start(t, "entra")
	boss := e.newUser("boss@corp.test")
	kim := e.post("/Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
		"userName":"kim@corp.test","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":%q}}}`, boss))
	group := e.newGroup("eng", kim)
	ask := func(endpoint, format string, args ...any) *answer {
		return e.do("GET", endpoint+"?attributes=id&filter="+url.QueryEscape(fmt.Sprintf(format, args...)), "")
	}
	ask("/Users", `id eq %q and manager eq %q`, kim, boss).wantColumn([]string{kim}, "id")
	ask("/Users", `id eq %q and manager eq %q`, kim, kim).rows(0)
	ask("/Groups", `id eq %q and members eq %q`, group, kim).wantColumn([]string{group}, "id")
	ask("/Groups", `id eq %q and members eq %q`, group, boss).rows(0)
	ask("/Groups", `members eq %q and displayName sw "e"`, kim).wantColumn([]string{group}, "id")
	ask("/Users", `externalId eq "none" and active eq true`).rows(0)
}

// RFC 7644 3.9: on every verb.
func TestAttributesAreChosenOnEveryVerb(t *testing.T) {
	e := start(t, "strict")
	user := func(title string) string {
		return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"kim@corp.test","title":%q,"nickName":"k"}`, title)
	}
	check := func(a *answer, title any, nick any) {
		t.Helper()
		if a.body["title"] != title || a.body["nickName"] != nick || a.body["id"] == nil || a.body["schemas"] == nil {
			t.Errorf("%s: %s", a.what, a.raw)
		}
	}
	a := e.do("POST", "/Users?attributes=title", user("a")).want(201)
	check(a, "a", nil)
	id := "/Users/" + a.id()
	check(e.do("GET", id+"?attributes=title", "").want(200), "a", nil)
	check(e.do("GET", id+"?excludedAttributes=title,id", "").want(200), nil, "k")
	check(e.do("PUT", id+"?attributes=title", user("b")).want(200), "b", nil)
	check(e.do("PUT", id+"?excludedAttributes=title", user("c")).want(200), nil, "k")
	patch := patchHead + `[{"op":"replace","path":"title","value":"d"}]}`
	check(e.do("PATCH", id+"?excludedAttributes=title", patch).want(200), nil, "k")
	check(e.do("PATCH", id+"?attributes=title", patch).want(200), "d", nil)
	both := "?attributes=title&excludedAttributes=nickName"
	e.do("POST", "/Users"+both, user("x")).refused(400, "invalidValue", "attributes", "excludedAttributes")
	for _, request := range [][2]string{{"GET", ""}, {"PUT", user("x")}, {"PATCH", patch}, {"DELETE", ""}} {
		e.do(request[0], id+both, request[1]).refused(400, "invalidValue", "attributes", "excludedAttributes")
	}
	e.do("GET", "/Users"+both, "").refused(400, "invalidValue", "attributes", "excludedAttributes")
	check(e.do("GET", id, "").want(200), "d", "k")
}
