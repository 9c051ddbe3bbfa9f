// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"net/url"
	"strings"
	"testing"
)

// TestEachLimitHasItsError has one request right above each limit of docs/endpoint.md, and one right at it. Those of bulk requests are in TestBulk....
func TestEachLimitHasItsError(t *testing.T) {
	e := start(t, "okta")
	user := e.newUser("kim@corp.test")
	operations := func(n int) string {
		return patchHead + "[" + strings.TrimSuffix(strings.Repeat(`{"op": "replace", "path": "title", "value": "x"},`, n), ",") + "]}"
	}
	userOf := func(bytes int) string {
		const body = `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "lou@corp.test"}`
		return body + strings.Repeat(" ", bytes-len(body))
	}
	nested := func(levels int) string {
		return `{"userName": "max@corp.test", "x": ` + strings.Repeat(`{"x":`, levels-2) + "{}" + strings.Repeat("}", levels-2) + "}"
	}
	long := func(length int) string {
		const head, tail = `userName eq "`, `"`
		return "/Users?filter=" + url.QueryEscape(head+strings.Repeat("x", length-len(head)-len(tail))+tail)
	}
	deep := func(levels int) string {
		return "/Users?filter=" + url.QueryEscape(strings.Repeat("(", levels)+`active eq true`+strings.Repeat(")", levels))
	}
	before := e.written()
	for name, tc := range map[string]struct {
		method, path, over string
		atPath, at         string
		status, atStatus   int
		scimType, detail   string
	}{
		"body":                    {"POST", "/Users", userOf(1<<20 + 1), "", "", 413, 0, "", "1048576"},
		"body of a group":         {"POST", "/Groups", strings.Repeat(" ", 4<<20+1), "", "", 413, 0, "", "4194304"},
		"depth of JSON":           {"POST", "/Users", nested(33), "", "", 400, 0, "invalidSyntax", "deeper"},
		"operations of a PATCH":   {"PATCH", "/Users/" + user, operations(5001), "", "", 413, 0, "", "5000"},
		"length of a filter":      {"GET", long(8193), "", long(8192), "", 400, 200, "invalidFilter", "8192"},
		"parentheses of a filter": {"GET", deep(33), "", deep(32), "", 400, 200, "invalidFilter", "32"},
	} {
		t.Run(name, func(t *testing.T) {
			in := *e
			in.t = t
			in.do(tc.method, tc.path, tc.over).refused(tc.status, tc.scimType, tc.detail)
			if tc.atStatus != 0 {
				in.do(tc.method, tc.atPath, tc.at).want(tc.atStatus)
			}
		})
	}
	if e.written() != before {
		t.Error("a request above a limit has written something")
	}
	e.do("POST", "/Users", userOf(1<<20)).want(201)
	e.do("POST", "/Users", nested(32)).want(201)
	e.do("PATCH", "/Users/"+user, operations(5000)).want(200)
	// A page is cut, not refused (RFC 7644 3.4.2.4).
	e.do("GET", "/Users?count=1000000", "").rows(3)
	e.do("GET", "/ServiceProviderConfig", "").want(200).has(1000.0, "filter", "maxResults")
}
