// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/server"
)

const enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// bulkOf is the body of a bulk request. The operations are in order.
func bulkOf(operations ...string) string {
	return `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [` + strings.Join(operations, ",") + `]}`
}

func operation(method, bulkID, path, data string) string {
	o := fmt.Sprintf(`{"method": %q, "path": %q`, method, path)
	if bulkID != "" {
		o += fmt.Sprintf(`, "bulkId": %q`, bulkID)
	}
	if data != "" {
		o += `, "data": ` + data
	}
	return o + "}"
}

func strictUser(userName string) string {
	return fmt.Sprintf(`{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": %q}`, userName)
}

func strictGroup(displayName string, members ...string) string {
	list := []string{}
	for _, m := range members {
		list = append(list, fmt.Sprintf(`{"value": %q}`, m))
	}
	return fmt.Sprintf(`{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": %q, "members": [%s]}`, displayName, strings.Join(list, ","))
}

// statuses checks a BulkResponse, and gives "<method> <status>" of each operation.
func (a *answer) statuses() []string {
	a.t.Helper()
	a.want(200).has("urn:ietf:params:scim:api:messages:2.0:BulkResponse", "schemas", 0)
	list, ok := a.body["Operations"].([]any)
	if !ok {
		a.t.Fatalf("no Operations in %s", a.raw)
	}
	got := []string{}
	for i := range list {
		status, isString := a.get("Operations", i, "status").(string)
		if !isString {
			a.t.Errorf("the status of operation %d is no string: %s", i, a.raw)
		}
		if failed := a.get("Operations", i, "response") != nil; failed != (status[0] != '2') {
			a.t.Errorf("operation %d with the status %s: %s", i, status, a.raw)
		}
		got = append(got, fmt.Sprintf("%v %s", a.get("Operations", i, "method"), status))
	}
	return got
}

func (a *answer) wantStatuses(want ...string) *answer {
	a.t.Helper()
	if diff := cmp.Diff(want, a.statuses()); diff != "" {
		a.t.Fatalf("statuses (-want +got):\n%s\n%s", diff, a.raw)
	}
	return a
}

// madeID is the id of what an operation made, from its location.
func (a *answer) madeID(i int) string {
	a.t.Helper()
	location, _ := a.get("Operations", i, "location").(string)
	return location[strings.LastIndex(location, "/")+1:]
}

func TestBulkDoesWhatSingleRequestsDo(t *testing.T) {
	e := start(t, "strict")
	old := e.do("POST", "/Users", strictUser("old@corp.test")).want(201)
	gone := e.do("POST", "/Users", strictUser("gone@corp.test")).want(201).id()
	a := e.do("POST", "/Bulk", bulkOf(
		operation("POST", "g", "/Groups", strictGroup("eng", "bulkId:kim", old.id())),
		operation("POST", "kim", "/Users", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "`+enterpriseURN+`"], "userName": "kim@corp.test",
			"password": "never-to-be-seen", "`+enterpriseURN+`": {"manager": {"value": "bulkId:boss"}}}`),
		operation("POST", "boss", "/Users", strictUser("boss@corp.test")),
		operation("PATCH", "", "/Groups/bulkId:g", patchHead+`[{"op": "remove", "path": "members[value eq \"bulkId:kim\"]"}, {"op": "add", "path": "members", "value": [{"value": "bulkId:boss"}]}]}`),
		operation("PATCH", "", "/Users/"+old.id(), patchHead+`[{"op": "replace", "path": "title", "value": "Boss"}]}`),
		operation("PUT", "", "/Users/bulkId:boss", strictUser("chief@corp.test")),
		operation("DELETE", "", "/Users/"+gone, ""),
	)).wantStatuses("POST 201", "POST 201", "POST 201", "PATCH 204", "PATCH 200", "PUT 200", "DELETE 204")
	group, kim, boss := a.madeID(0), a.madeID(1), a.madeID(2)
	e.wantMembers(group, boss, old.id())
	e.do("GET", "/Users/"+kim, "").want(200).has(boss, enterpriseURN, "manager", "value").has("kim@corp.test", "userName")
	e.do("GET", "/Users/"+gone, "").refused(404, "")
	chief := e.do("GET", "/Users/"+boss, "").want(200).has("chief@corp.test", "userName")
	for i, path := range []string{"/Groups/" + group, "/Users/" + kim, "/Users/" + boss, "/Groups/" + group, "/Users/" + old.id(), "/Users/" + boss, "/Users/" + gone} {
		a.has(e.base+path, "Operations", i, "location")
	}
	a.has("g", "Operations", 0, "bulkId").has(nil, "Operations", 3, "bulkId").has(nil, "Operations", 6, "version")
	a.has(chief.header.Get("ETag"), "Operations", 5, "version").has(e.do("GET", "/Groups/"+group, "").header.Get("ETag"), "Operations", 3, "version")
	if all := e.everything() + e.logs.String(); strings.Contains(all, "never-to-be-seen") {
		t.Error("a password was stored or logged")
	}
}

// everything is all that stands in the users and groups.
func (e *endpoint) everything() string {
	e.t.Helper()
	var all strings.Builder
	for _, list := range []client.ObjectList{&v1alpha1.ScimUserList{}, &v1alpha1.ScimGroupList{}} {
		if err := e.admin.List(e.t.Context(), list, client.InNamespace(e.namespace)); err != nil {
			e.t.Fatal(err)
		}
		raw, err := json.Marshal(list)
		if err != nil {
			e.t.Fatal(err)
		}
		all.Write(raw)
	}
	return all.String()
}

func TestBulkMakesGroupsAndManagersInACircle(t *testing.T) {
	e := start(t, "strict")
	user := func(name, manager string) string {
		return `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "` + enterpriseURN + `"], "userName": "` + name + `", "` + enterpriseURN + `": {"department": "D", "manager": {"value": "` + manager + `"}}}`
	}
	a := e.do("POST", "/Bulk", bulkOf(
		operation("POST", "a", "/Groups", strictGroup("A", "bulkId:b", "bulkId:kim")), operation("POST", "b", "/Groups", strictGroup("B", "bulkId:a")),
		operation("POST", "kim", "/Users", user("kim@corp.test", "bulkId:lou")), operation("POST", "lou", "/Users", user("lou@corp.test", "bulkId:kim")),
	)).wantStatuses("POST 201", "POST 201", "POST 201", "POST 201")
	e.wantMembers(a.madeID(0), a.madeID(1), a.madeID(2))
	e.wantMembers(a.madeID(1), a.madeID(0))
	e.do("GET", "/Users/"+a.madeID(2), "").want(200).has(a.madeID(3), enterpriseURN, "manager", "value").has("D", enterpriseURN, "department")
	e.do("GET", "/Users/"+a.madeID(3), "").want(200).has(a.madeID(2), enterpriseURN, "manager", "value")
	for i, path := range []string{"/Groups/", "/Groups/", "/Users/", "/Users/"} {
		a.has(e.do("GET", path+a.madeID(i), "").header.Get("ETag"), "Operations", i, "version")
	}
}

func TestBulkCircleThatFailsLeavesNothing(t *testing.T) {
	e := start(t, "strict")
	e.do("POST", "/Groups", strictGroup("B")).want(201)
	a := e.do("POST", "/Bulk", bulkOf(operation("POST", "a", "/Groups", strictGroup("A", "bulkId:b")), operation("POST", "b", "/Groups", strictGroup("B", "bulkId:a")))).
		wantStatuses("POST 409", "POST 409")
	a.has(nil, "Operations", 0, "location").has("uniqueness", "Operations", 1, "response", "scimType")
	e.do("GET", "/Groups"+filter(`displayName eq "A"`), "").rows(0)
	e.do("GET", "/Groups", "").rows(1)
	e.do("POST", "/Groups", strictGroup("A")).want(201)
}

func TestBulkStopsAndSaysWhatFailed(t *testing.T) {
	e := start(t, "strict")
	a := e.do("POST", "/Bulk", strings.Replace(bulkOf(
		operation("POST", "1", "/Users", strictUser("kim@corp.test")), operation("POST", "2", "/Users", strictUser("Kim@corp.test")),
		operation("POST", "3", "/Groups", strictGroup("eng", "bulkId:2")), operation("POST", "4", "/Users", strictUser("lou@corp.test")),
	), `"Operations"`, `"failOnErrors": 2, "Operations"`, 1)).wantStatuses("POST 201", "POST 409", "POST 409")
	a.has("uniqueness", "Operations", 1, "response", "scimType").has("409", "Operations", 1, "response", "status")
	if detail := fmt.Sprint(a.get("Operations", 2, "response", "detail")); !strings.Contains(detail, `bulkId "2"`) {
		t.Errorf("the detail %q does not name the bulkId", detail)
	}
	e.do("GET", "/Users", "").rows(1)
	e.do("GET", "/Groups", "").rows(0)
}

func TestBulkVersionIsIfMatch(t *testing.T) {
	e := start(t, "strict")
	kim := e.do("POST", "/Users", strictUser("kim@corp.test")).want(201)
	versioned := func(method, version, data string) string {
		return strings.Replace(operation(method, "", "/Users/"+kim.id(), data), `"method"`, fmt.Sprintf(`"version": %q, "method"`, version), 1)
	}
	title := patchHead + `[{"op": "replace", "path": "title", "value": "Boss"}]}`
	e.do("POST", "/Bulk", bulkOf(versioned("PATCH", `W/"other"`, title), versioned("PUT", `W/"other"`, strictUser("lou@corp.test")), versioned("DELETE", `W/"other"`, ""))).
		wantStatuses("PATCH 412", "PUT 412", "DELETE 412")
	e.do("POST", "/Bulk", bulkOf(versioned("PATCH", kim.header.Get("ETag"), title), versioned("DELETE", kim.header.Get("ETag"), ""), versioned("DELETE", "*", ""))).
		wantStatuses("PATCH 200", "DELETE 412", "DELETE 204")
}

func TestBulkOperationsAreRefusedAsSingleRequestsAre(t *testing.T) {
	e := start(t, "okta")
	user := e.newUser("existing@corp.test")
	group := e.newGroup("existing", user)
	n := 0
	for _, bad := range append(badBodies(user, group), badRequests(user, group)...) {
		if bad.header != nil || bad.status == 413 || bad.method == "GET" || bad.method == "BREW" || bad.method != "DELETE" && !json.Valid([]byte(bad.body)) ||
			strings.HasSuffix(bad.path, ".search") || bad.path == "/Schemas" || bad.path == "/Me" {
			continue
		}
		n++
		single := e.do(bad.method, bad.path, bad.body)
		single.refused(bad.status, bad.scimType, bad.detail...)
		e.writesNothing(bad.name, func() {
			a := e.do("POST", "/Bulk", bulkOf(operation(bad.method, "x", bad.path, bad.body)))
			if strings.HasPrefix(fmt.Sprint(single.body["detail"]), "JSON, position") {
				// There is one JSON document, so it is refused as one.
				a.refused(bad.status, bad.scimType, bad.detail...)
				return
			}
			a.wantStatuses(fmt.Sprintf("%s %d", bad.method, bad.status))
			if diff := cmp.Diff(any(single.body), a.get("Operations", 0, "response")); diff != "" {
				t.Errorf("%s (-single +bulk):\n%s", bad.name, diff)
			}
		})
	}
	if n < 15 {
		t.Errorf("%d requests were compared", n)
	}
}

func TestBulkIsAboutUsersAndGroupsOnly(t *testing.T) {
	e := start(t, "okta")
	for path, status := range map[string]string{
		"/Bulk": "404", "/Me": "404", "/.search": "404", "/Users/.search": "404", "/Schemas": "404", "/ServiceProviderConfig": "404", "/": "404", "/Users/x/y": "404",
		"/../../other/scim/v2/Users": "404", "/Users/%zz": "404",
	} {
		e.do("POST", "/Bulk", bulkOf(operation("POST", "x", path, "{}"))).wantStatuses("POST " + status)
	}
	e.do("POST", "/Bulk", bulkOf(operation("POST", "x", "/Users/u", "{}"), operation("DELETE", "", "/Users", ""))).wantStatuses("POST 405", "DELETE 405")
	e.do("GET", "/Bulk", "").refused(405, "", "POST")
	e.do("POST", "/Bulk/x", "{}").refused(404, "")
}

func TestBulkLimitsAreNamed(t *testing.T) {
	e := start(t, "okta", func(o *server.Options) {
		o.Limits = server.DefaultLimits()
		o.Limits.BulkOperations, o.Limits.BulkBody, o.Limits.UserBody = 2, 4000, 1000
	})
	e.do("GET", "/ServiceProviderConfig", "").want(200).has(true, "bulk", "supported").has(2.0, "bulk", "maxOperations").has(4000.0, "bulk", "maxPayloadSize")
	nobody := operation("DELETE", "", "/Users/none", "")
	e.do("POST", "/Bulk", bulkOf(nobody, nobody, nobody)).refused(413, "", "maxOperations", "2")
	e.do("POST", "/Bulk", bulkOf(nobody, strings.Repeat(" ", 4000)+nobody)).refused(413, "", "maxPayloadSize", "4000")
	// The limit for the body of a single request holds for each operation, too.
	e.do("POST", "/Bulk", bulkOf(operation("POST", "x", "/Users", strictUser(strings.Repeat("x", 1000))))).wantStatuses("POST 413")
	e.do("POST", "/Bulk", `{"Operations": [{"method": "POST"}]}`).refused(400, "invalidSyntax", "operation 1", "data")
}

func TestBulkIsLoggedAndCountedWithoutWhatItCarries(t *testing.T) {
	e := start(t, "okta")
	e.do("POST", "/Bulk", bulkOf(operation("POST", "kim-1", "/Users", strictUser("kim@corp.test")), operation("POST", "kim-2", "/Users", strictUser("kim@corp.test")))).
		wantStatuses("POST 201", "POST 409")
	families, err := e.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	metrics := ""
	for _, f := range families {
		metrics += f.String() + "\n"
	}
	for _, code := range []string{"201", "409"} {
		if !strings.Contains(metrics, "scim_bulk_operations_total") || !strings.Contains(metrics, `value:"`+code+`"`) {
			t.Errorf("no operation with the status %s is counted: %s", code, metrics)
		}
	}
	if all := metrics + e.logs.String(); strings.Contains(all, "kim") {
		t.Errorf("log or metrics have a name: %s", all)
	}
}

func TestBulkIsHeldToWhatTheClientMayDo(t *testing.T) {
	e := start(t, "strict")
	user := e.do("POST", "/Users", strictUser("kim@corp.test")).want(201).id()
	e.change(func(sc *v1alpha1.ScimClient) {
		sc.Spec.Resources = []v1alpha1.ClientResource{v1alpha1.ClientResourceUsers}
	})
	a := e.do("POST", "/Bulk", bulkOf(operation("POST", "g", "/Groups", strictGroup("eng", user)), operation("POST", "u", "/Users", strictUser("lou@corp.test")))).
		wantStatuses("POST 403", "POST 201")
	if detail := fmt.Sprint(a.get("Operations", 0, "response", "detail")); !strings.Contains(detail, "spec.resources") {
		t.Errorf("the detail is %q", detail)
	}
	e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.RateLimit = &v1alpha1.RateLimit{RequestsPerSecond: 1, Burst: 4} })
	title := patchHead + `[{"op": "replace", "path": "title", "value": "Boss"}]}`
	patch := operation("PATCH", "", "/Users/"+user, title)
	// The request itself is one, too.
	got := e.do("POST", "/Bulk", bulkOf(patch, patch, patch, patch, patch, patch, patch, patch, patch, patch)).want(200).statuses()
	if fmt.Sprint(got[:3]) != "[PATCH 200 PATCH 200 PATCH 200]" || got[9] != "PATCH 429" {
		t.Errorf("with a limit of 4 requests at once: %v", got)
	}
}

func TestBulkKeepsToOwners(t *testing.T) {
	e := start(t, "strict")
	e.create(&v1alpha1.ScimUser{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "u-git", Finalizers: []string{v1alpha1.FinalizerDeprovision}},
		Spec:       v1alpha1.ScimUserSpec{ID: "0123456789abc", UserName: "git@corp.test", ManagedBy: v1alpha1.ManagedByGit},
	})
	path := "/Users/u-git.0123456789abc"
	e.writesNothing("changes of what is managed in Git", func() {
		e.do("POST", "/Bulk", bulkOf(operation("PUT", "", path, strictUser("git@corp.test")), operation("PUT", "", path, strictUser("other@corp.test")),
			operation("DELETE", "", path, ""))).wantStatuses("PUT 200", "PUT 403", "DELETE 403")
	})
}
