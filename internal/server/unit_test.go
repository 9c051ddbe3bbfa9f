// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
)

func TestPathNamesTarget(t *testing.T) {
	for _, tc := range []struct {
		path string
		want target
		ok   bool
	}{
		{"/team/okta/scim/v2/Users", target{namespace: "team", client: "okta", endpoint: "Users"}, true},
		{"/team/okta/scim/v2/Users/", target{namespace: "team", client: "okta", endpoint: "Users"}, true},
		{"/team/okta/scim/v2/Users/u.1", target{namespace: "team", client: "okta", endpoint: "Users", id: "u.1"}, true},
		{"/team/okta/scim/v2/Schemas/urn%3Aa%3Ab", target{namespace: "team", client: "okta", endpoint: "Schemas", id: "urn:a:b"}, true},
		{"/team/okta/scim/v2/Users/u%2F1", target{namespace: "team", client: "okta", endpoint: "Users", id: "u/1"}, true},
		{"/team/okta/scim/v2/Users/u/1", target{namespace: "team", client: "okta", endpoint: "Users", id: "u", more: true}, true},
		{"/team/okta/scim/v2", target{namespace: "team", client: "okta"}, true},
		{"/team/okta/scim/v2/", target{namespace: "team", client: "okta"}, true},
		{"/team/okta/scim", target{namespace: "team", client: "okta"}, true},
		{"/team/okta/scim/Users/u.1", target{namespace: "team", client: "okta", endpoint: "Users", id: "u.1"}, true},
		{"/team/okta/scim/v1/Users", target{}, false},
		{"/team/okta/scim/v3", target{}, false},
		{"/team/okta/SCIM/v2", target{}, false},
		{"/team/scim/v2/Users", target{}, false},
		{"/", target{}, false},
		{"", target{}, false},
		{"/team/okta/scim/v2/%zz", target{}, false},
	} {
		got, ok := parseTarget(tc.path)
		if ok != tc.ok {
			t.Errorf("parseTarget(%q): ok = %v", tc.path, ok)
		}
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(target{})); ok && diff != "" {
			t.Errorf("parseTarget(%q): -want +got\n%s", tc.path, diff)
		}
	}
}

func TestTokenOfAuthorizationHeader(t *testing.T) {
	for _, tc := range []struct {
		header, token string
		bare          bool
	}{
		{"Bearer abc", "abc", false},
		{"bearer  abc ", "abc", false},
		{"abc", "abc", true},
		{"Basic dXNlcjpwYXNz", "", false},
		{"Bearer", "Bearer", true},
		{"", "", true},
	} {
		r := &http.Request{Header: http.Header{"Authorization": {tc.header}}}
		if token, bare := tokenOf(r); token != tc.token || bare != tc.bare {
			t.Errorf("tokenOf(%q) = %q, %v, want %q, %v", tc.header, token, bare, tc.token, tc.bare)
		}
	}
}

func TestAnyOfSeveralTokensLogsIn(t *testing.T) {
	hashes := [][32]byte{clients.HashToken("first-token-0001"), clients.HashToken("second-token-002"), clients.HashToken("second-token-002")}
	for token, want := range map[string]bool{"first-token-0001": true, "second-token-002": true, "second-token-00": false, "": false} {
		if got := holds(hashes, token); got != want {
			t.Errorf("holds(%q) = %v, want %v", token, got, want)
		}
	}
	if holds(noTokens, "anything") || holds(nil, "anything") {
		t.Error("a client without tokens is logged in")
	}
}

func TestThrottleSlowsASourceAndForgetsItInTime(t *testing.T) {
	th, now := newThrottle(), time.Unix(1e9, 0)
	for i := range failureBurst {
		if wait := th.fail("192.0.2.1:4711", now); wait != 0 {
			t.Fatalf("failure %d has to wait %d s", i, wait)
		}
	}
	if wait := th.fail("192.0.2.1:4712", now); wait != 2 {
		t.Errorf("one failure too many waits %d s, want 2", wait)
	}
	if wait := th.fail("192.0.2.2:4711", now); wait != 0 {
		t.Errorf("another source waits %d s", wait)
	}
	if wait := th.fail("192.0.2.1:4713", now.Add(failureInterval)); wait != 0 {
		t.Errorf("after the interval the source still waits %d s", wait)
	}
}

func TestThrottleTableIsBounded(t *testing.T) {
	th, now := newThrottle(), time.Unix(1e9, 0)
	for i := range 3 * maxSources {
		th.fail(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), now)
	}
	if len(th.sources) != maxSources {
		t.Errorf("the table has %d sources, want %d", len(th.sources), maxSources)
	}
}

func TestSourcesAreHostsOrNetworks(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1:80":              "192.0.2.1/32",
		"[::ffff:192.0.2.1]:80":     "192.0.2.1/32",
		"[2001:db8::1]:80":          "2001:db8::/64",
		"[2001:db8::ffff:1%eth0]:1": "2001:db8::/64",
		"somewhere":                 "invalid Prefix",
	} {
		if got := sourceOf(addr).String(); got != want {
			t.Errorf("sourceOf(%q) = %s, want %s", addr, got, want)
		}
	}
}

func TestRequestIDIsTakenOnlyIfSane(t *testing.T) {
	for _, id := range []string{"", "with space", "semi;colon", strings.Repeat("x", 65), "line\nbreak"} {
		r := &http.Request{Header: http.Header{requestIDHeader: {id}}}
		if got := requestID(r); got == id || !saneRequestID.MatchString(got) {
			t.Errorf("requestID(%q) = %q", id, got)
		}
	}
	r := &http.Request{Header: http.Header{requestIDHeader: {"a.b-c_9"}}}
	if got := requestID(r); got != "a.b-c_9" {
		t.Errorf("requestID = %q", got)
	}
}

func TestEntityTagsAreComparedWeakly(t *testing.T) {
	for _, tc := range []struct {
		header string
		want   bool
	}{
		{`W/"abc"`, true}, {`"abc"`, true}, {`abc`, true}, {`"x", W/"abc"`, true}, {`*`, true}, {`W/"ab"`, false}, {``, false},
	} {
		match := matcher(http.Header{"If-Match": {tc.header}}, "If-Match")
		if got := match(`W/"abc"`); got != tc.want {
			t.Errorf("If-Match %s: %v, want %v", tc.header, got, tc.want)
		}
	}
	if matcher(http.Header{}, "If-Match") != nil {
		t.Error("a condition without header")
	}
}

func TestContentTypes(t *testing.T) {
	for value, want := range map[string]int{
		"":                                     0,
		"application/scim+json":                0,
		"application/scim+json; charset=utf-8": 0,
		"Application/JSON;charset=UTF-8":       0,
		"application/json; charset":            0,
		"text/plain":                           http.StatusUnsupportedMediaType,
		"application/x-www-form-urlencoded":    http.StatusUnsupportedMediaType,
		"application/json-patch+json":          http.StatusUnsupportedMediaType,
		";":                                    http.StatusUnsupportedMediaType,
	} {
		err := checkContentType(http.Header{"Content-Type": {value}})
		var se *scim.Error
		status := 0
		if errors.As(err, &se) {
			status = se.Status
		}
		if status != want {
			t.Errorf("Content-Type %q: %d, want %d", value, status, want)
		}
	}
	if checkContentType(http.Header{"Content-Encoding": {"gzip"}}) == nil {
		t.Error("a compressed body is read as it is")
	}
}

func TestErrorsBecomeAnswers(t *testing.T) {
	users := schema.GroupResource{Group: "scim-operator.io", Resource: "scimusers"}
	for _, tc := range []struct {
		name       string
		err        error
		status     int
		retryAfter string
	}{
		{"SCIM error", scim.NewError(404, "gone"), 404, ""},
		{"wrapped SCIM error", fmt.Errorf("x: %w", scim.Uniqueness("taken")), 409, ""},
		{"directory says when", &directory.UnavailableError{Err: scim.NewError(503, "busy"), RetryAfter: 1200 * time.Millisecond}, 503, "2"},
		{"API server away", &url.Error{Op: "Get", URL: "https://x/", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}, 503, "5"},
		{"deadline", fmt.Errorf("x: %w", context.DeadlineExceeded), 503, "5"},
		{"API server overloaded", apierrors.NewTooManyRequests("slow", 1), 503, "5"},
		{"API server error", apierrors.NewInternalError(errors.New("x")), 503, "5"},
		{"unavailable client source", &unavailable{cause: errors.New("cache")}, 503, "5"},
		{"not permitted", apierrors.NewForbidden(users, "n", errors.New("x")), 500, ""},
		{"anything", errors.New("kim@corp.test is odd"), 500, ""},
		{"panic", panicError("kim@corp.test"), 500, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			answer := errorResponse(tc.err, "rid-1")
			se, ok := answer.body.(*scim.Error)
			if !ok || answer.status != tc.status || se.Status != tc.status {
				t.Fatalf("answer %+v, want status %d", answer, tc.status)
			}
			if got := answer.header.Get("Retry-After"); got != tc.retryAfter {
				t.Errorf("Retry-After %q, want %q", got, tc.retryAfter)
			}
			if tc.status == 500 && !strings.Contains(se.Detail, "rid-1") {
				t.Errorf("the detail %q does not name the request id", se.Detail)
			}
			if strings.Contains(se.Detail, "kim@") {
				t.Errorf("the detail tells what it should not: %q", se.Detail)
			}
		})
	}
}

func TestLoggedErrorsHoldNoNames(t *testing.T) {
	for _, err := range []error{
		&url.Error{Op: "Get", URL: "https://10.0.0.1/apis?fieldSelector=spec.userName%3Dkim%40corp.test", Err: errors.New("refused")},
		apierrors.NewBadRequest("spec.userName: kim@corp.test"),
		panicError("kim@corp.test"),
	} {
		if text := loggable(err); strings.Contains(text, "kim") {
			t.Errorf("loggable: %q", text)
		}
	}
}

func TestExternalURL(t *testing.T) {
	for _, bad := range []string{"scim.corp.test", "ftp://scim.corp.test", "https://", "https://scim.corp.test/?q=1", "https://u:p@scim.corp.test", "https://x y"} {
		if _, err := externalBase(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if got, err := externalBase("https://scim.corp.test/in/"); err != nil || got != "https://scim.corp.test/in" {
		t.Errorf("externalBase = %q, %v", got, err)
	}
}
