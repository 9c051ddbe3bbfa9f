// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestClassifyGivesAnswersTheirMeaning(t *testing.T) {
	commonRoom := []Signal{
		{Status: 403, Text: "Token not valid", Kind: Credentials},
		{Status: 400, Text: "failed to create user", Kind: Conflict},
	}
	tests := map[string]struct {
		op      string
		status  int
		body    string
		signals []Signal
		want    Error
		policy  policy
	}{
		"400 is the account's": {
			op: OpCreateUser, status: 400, body: `{"detail":"title is too long"}`,
			want: Error{Kind: Invalid, AppText: "title is too long"}, policy: policy{scope: ScopeAccount},
		},
		"400 on a listing is the app's": {
			op: OpListUsers, status: 400, want: Error{Kind: Invalid}, policy: policy{scope: ScopeApp},
		},
		"400 uniqueness": {
			op: OpCreateUser, status: 400, body: `{"scimType":"uniqueness","detail":"taken"}`,
			want: Error{Kind: Conflict, ScimType: "uniqueness", AppText: "taken"}, policy: policy{scope: ScopeAccount},
		},
		"400 with the app's text for a conflict": {
			op: OpCreateUser, status: 400, body: `{"detail":"Failed to create user"}`, signals: commonRoom,
			want: Error{Kind: Conflict, AppText: "Failed to create user"}, policy: policy{scope: ScopeAccount},
		},
		"401": {op: OpTest, status: 401, want: Error{Kind: Credentials}, policy: policy{scope: ScopeApp}},
		"402": {op: OpCreateUser, status: 402, want: Error{Kind: Forbidden}, policy: policy{scope: ScopeApp}},
		"403": {
			op: OpCreateUser, status: 403, body: `{"message":"your plan has no SCIM"}`, signals: commonRoom,
			want: Error{Kind: Forbidden, AppText: "your plan has no SCIM"}, policy: policy{scope: ScopeApp},
		},
		"403 that means a rate limit": {
			op: OpCreateUser, status: 403, body: `{"retry_after":3}`, signals: commonRoom,
			want: Error{Kind: RateLimited, RetryAfter: 3 * time.Second}, policy: policy{scope: ScopeApp, retriable: true},
		},
		"403 that means a bad token": {
			op: OpTest, status: 403, body: `{"reason":"Token not valid"}`, signals: commonRoom,
			want: Error{Kind: Credentials, AppText: "Token not valid"}, policy: policy{scope: ScopeApp},
		},
		"404 of an account":       {op: OpUpdateUser, status: 404, want: Error{Kind: NotFound}, policy: policy{scope: ScopeAccount}},
		"404 of the endpoint":     {op: OpTest, status: 404, want: Error{Kind: NotFound}, policy: policy{scope: ScopeApp}},
		"405":                     {op: OpDeleteUser, status: 405, want: Error{Kind: Unsupported}, policy: policy{scope: ScopeApp}},
		"409":                     {op: OpCreateUser, status: 409, want: Error{Kind: Conflict}, policy: policy{scope: ScopeAccount}},
		"413 is the group's size": {op: OpUpdateGroup, status: 413, want: Error{Kind: Invalid}, policy: policy{scope: ScopeAccount}},
		"415":                     {op: OpUpdateUser, status: 415, want: Error{Kind: Unsupported}, policy: policy{scope: ScopeApp}},
		"422 in the manner of 4me": {
			op: OpUpdateUser, status: 422, body: `{"message":"Validation Failed","errors":[["time_zone","is not in the list"],["name","is too short"]]}`,
			want:   Error{Kind: Invalid, AppText: "Validation Failed: time_zone is not in the list, name is too short"},
			policy: policy{scope: ScopeAccount},
		},
		"429": {
			op: OpUpdateUser, status: 429, body: `{"rateLimit":{"waitMs":1500}}`,
			want: Error{Kind: RateLimited, RetryAfter: 1500 * time.Millisecond}, policy: policy{scope: ScopeApp, retriable: true},
		},
		"500 of a write": {op: OpUpdateUser, status: 500, want: Error{Kind: ServerError}, policy: policy{scope: ScopeApp, retriable: true, unknown: true}},
		"500 of a read":  {op: OpFindUsers, status: 500, want: Error{Kind: ServerError}, policy: policy{scope: ScopeApp, retriable: true}},
		"501":            {op: OpUpdateGroup, status: 501, want: Error{Kind: Unsupported}, policy: policy{scope: ScopeApp}},
		"503 of a write": {op: OpUpdateUser, status: 503, want: Error{Kind: ServerError}, policy: policy{scope: ScopeApp, retriable: true}},
		"504 of a write": {op: OpCreateUser, status: 504, want: Error{Kind: ServerError}, policy: policy{scope: ScopeApp, retriable: true, unknown: true}},
		"302 of a write": {op: OpCreateUser, status: 302, want: Error{Kind: UnexpectedAnswer}, policy: policy{scope: ScopeApp, retriable: true, unknown: true}},
		"a page of HTML is not shown": {
			op: OpTest, status: 401, body: `<html><body>Jane Doe</body></html>`, want: Error{Kind: Credentials}, policy: policy{scope: ScopeApp},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := classify(test.op, test.status, http.Header{}, []byte(test.body), test.signals, noon)
			got.AppText = appText([]byte(test.body), "")
			test.want.Op, test.want.Status, test.want.Sent = test.op, test.status, true
			if diff := cmp.Diff(test.want, *got, cmpopts.IgnoreUnexported(Error{})); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if got := policyOf(got); got != test.policy {
				t.Errorf("policy = %+v, want %+v", got, test.policy)
			}
		})
	}
}

type policy struct {
	scope     Scope
	retriable bool
	unknown   bool
}

func policyOf(e *Error) policy { return policy{e.Scope(), e.Retriable(), e.UnknownOutcome()} }

func TestTransportErrorsSayWhetherAWriteMayHaveHappened(t *testing.T) {
	wrap := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://app.example.com/Users?filter=jane@corp.test", Err: err}
	}
	read := func(err error) error {
		return wrap(&net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: 40123}, Err: os.NewSyscallError("read", err)})
	}
	tests := map[string]struct {
		err    error
		op     string
		sent   bool
		kind   Kind
		detail string
		policy policy
	}{
		"refused":            {wrap(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), OpCreateUser, false, Unreachable, "connection refused", policy{ScopeApp, true, false}},
		"no such host":       {wrap(&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}), OpCreateUser, false, Unreachable, "the host name does not resolve", policy{ScopeApp, true, false}},
		"reset after a POST": {read(syscall.ECONNRESET), OpCreateUser, true, Unreachable, "the connection was closed without an answer", policy{ScopeApp, true, true}},
		"closed after a GET": {wrap(io.EOF), OpFindUsers, true, Unreachable, "the connection was closed without an answer", policy{ScopeApp, true, false}},
		"timeout of a write": {wrap(context.DeadlineExceeded), OpSetActive, true, Timeout, "no answer in time", policy{ScopeApp, true, true}},
		"timeout to connect": {wrap(context.DeadlineExceeded), OpSetActive, false, Timeout, "no answer in time", policy{ScopeApp, true, false}},
		"cancelled":          {wrap(context.Canceled), OpDeleteUser, true, Timeout, "the call was cancelled", policy{ScopeApp, true, true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := transportError(test.op, test.err, test.sent)
			if got.Kind != test.kind || got.Detail != test.detail {
				t.Errorf("error = %s %q, want %s %q", got.Kind, got.Detail, test.kind, test.detail)
			}
			if got := policyOf(got); got != test.policy {
				t.Errorf("policy = %+v, want %+v", got, test.policy)
			}
			if strings.Contains(got.Error(), "jane") {
				t.Errorf("error text shows the URL: %s", got)
			}
			if !errors.Is(got, test.err) {
				t.Error("the cause is lost")
			}
		})
	}
}

func TestErrorsAreFoundThroughWrapping(t *testing.T) {
	err := fmt.Errorf("account: %w", &Error{Kind: NotFound, Op: OpGetUser, Status: 404, Detail: "gone"})
	if !Is(err, NotFound) || Is(err, Conflict) || Is(nil, NotFound) || KindOf(errors.New("other")) != "" {
		t.Error("Is or KindOf is wrong")
	}
	if got, want := AsError(err).Error(), "GetUser: NotFound (status 404): gone"; got != want {
		t.Errorf("text = %q, want %q", got, want)
	}
}

func TestNormalizeBaseURL(t *testing.T) {
	tests := map[string]struct{ raw, basePath, want, wantErr string }{
		"as it is":                  {raw: "https://app.example.com/scim/v2", want: "https://app.example.com/scim/v2"},
		"trailing slashes":          {raw: " https://app.example.com/scim/v2// ", want: "https://app.example.com/scim/v2"},
		"host in capitals":          {raw: "https://APP.example.com/SCIM", want: "https://app.example.com/SCIM"},
		"no scheme":                 {raw: "app.example.com", want: "https://app.example.com"},
		"bare host is completed":    {raw: "https://api.example.com", basePath: "/scim/v2", want: "https://api.example.com/scim/v2"},
		"half a path is completed":  {raw: "https://api.example.com/scim/", basePath: "/scim/v2", want: "https://api.example.com/scim/v2"},
		"a whole path stays":        {raw: "https://api.example.com/scim/v2/", basePath: "/scim/v2", want: "https://api.example.com/scim/v2"},
		"below another path":        {raw: "https://api.example.com/tenant/scim", basePath: "/scim/v2", want: "https://api.example.com/tenant/scim/v2"},
		"another path stays":        {raw: "https://api.example.com/other", basePath: "/scim/v2", want: "https://api.example.com/other"},
		"http to loopback":          {raw: "http://127.0.0.1:8080/scim", want: "http://127.0.0.1:8080/scim"},
		"http to elsewhere":         {raw: "http://app.example.com", wantErr: "want https"},
		"another scheme":            {raw: "ftp://app.example.com", wantErr: "want https"},
		"empty":                     {raw: " ", wantErr: "missing"},
		"no host":                   {raw: "https:///scim", wantErr: "no host"},
		"credentials":               {raw: "https://me:secret@app.example.com", wantErr: "credentials"},
		"a query":                   {raw: "https://app.example.com/?tenant=1", wantErr: "query"},
		"not a URL, and not echoed": {raw: "https://me:secret@[app", wantErr: "does not parse"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := NormalizeBaseURL(test.raw, test.basePath)
			switch {
			case test.wantErr == "" && (err != nil || got != test.want):
				t.Errorf("NormalizeBaseURL = %q, %v, want %q", got, err, test.want)
			case test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr) || strings.Contains(err.Error(), "secret")):
				t.Errorf("error = %v, want one about %q", err, test.wantErr)
			}
		})
	}
}
