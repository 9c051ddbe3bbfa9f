// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// transportFunc is a simulated network.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// answering answers each request alike.
func answering(status int, body string, header ...string) transportFunc {
	return func(request *http.Request) (*http.Response, error) {
		answer := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: request}
		for i := 0; i+1 < len(header); i += 2 {
			answer.Header.Set(header[i], header[i+1])
		}
		return answer, nil
	}
}

func TestATransportThatIsGivenIsTheNetwork(t *testing.T) {
	var asked []string
	var deadline bool
	client, err := NewHTTP(HTTPOptions{
		BaseURL: "https://app.example.com/scim", CABundle: []byte("not used"), ProxyURL: "not used", Limits: Limits{Timeout: time.Nanosecond},
		Transport: transportFunc(func(request *http.Request) (*http.Response, error) {
			asked = append(asked, request.Method+" "+request.URL.String())
			_, deadline = request.Context().Deadline()
			return answering(http.StatusOK, "{}")(request)
		}),
		Clock: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	answer, err := client.Do(t.Context(), HTTPRequest{Op: OpTest, Method: http.MethodGet, Path: "/Users"})
	if err != nil || string(answer.Body) != "{}" {
		t.Errorf("answer = %q, %v", answer.Body, err)
	}
	if got, want := strings.Join(asked, ", "), "GET https://app.example.com/scim/Users"; got != want || deadline {
		t.Errorf("asked %s (deadline %t), want %s without a deadline", got, deadline, want)
	}
}

func TestAFailureOfATransportThatIsGivenCountsAsSent(t *testing.T) {
	tests := map[string]struct {
		err     error
		kind    Kind
		unknown bool
	}{
		"refused":        {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, Unreachable, false},
		"no such host":   {&net.DNSError{Err: "no such host", IsNotFound: true}, Unreachable, false},
		"an answer lost": {io.ErrUnexpectedEOF, Unreachable, true},
		"a timeout":      {context.DeadlineExceeded, Timeout, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client := clientOf(t, func(*http.Request) (*http.Response, error) { return nil, test.err }, nil)
			_, err := client.Do(t.Context(), HTTPRequest{Op: OpCreateUser, Method: http.MethodPost, Path: "/Users", Body: map[string]any{}})
			if e := AsError(err); e == nil || e.Kind != test.kind || e.UnknownOutcome() != test.unknown {
				t.Errorf("error = %v, want %s with an unknown outcome: %t", err, test.kind, test.unknown)
			}
		})
	}
}

func TestAnAnswerOfExactlyTheBoundIsRead(t *testing.T) {
	read := func(body io.Reader) *Error {
		_, _ = io.Copy(io.Discard, body) // the error is the client's
		return nil
	}
	tests := map[string]struct {
		size  int
		read  func(io.Reader) *Error
		wants string
	}{
		"a resource":                {size: MaxResourceBytes},
		"a resource and a byte":     {size: MaxResourceBytes + 1, wants: "the answer is larger than 2097152 bytes"},
		"a listing":                 {size: 3 * MaxResourceBytes, read: read},
		"a listing and a byte more": {size: 3*MaxResourceBytes + 1, read: read, wants: "the answer is larger than 6291456 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client := clientOf(t, answering(http.StatusOK, strings.Repeat("x", test.size)), nil)
			client.options.Limits.MaxAnswerBytes = 3 * MaxResourceBytes
			answer, err := client.Do(t.Context(), HTTPRequest{Op: OpGetUser, Method: http.MethodGet, Path: "/Users/1", Read: test.read})
			e := AsError(err)
			switch {
			case test.wants == "" && (err != nil || test.read == nil && len(answer.Body) != test.size):
				t.Errorf("%d bytes, %v", len(answer.Body), err)
			case test.wants != "" && (e == nil || e.Detail != test.wants || e.Kind != UnexpectedAnswer || e.Status != http.StatusOK):
				t.Errorf("error = %v, want %q", err, test.wants)
			}
		})
	}
}

func TestWordsOfAPeerAreNotPartOfAnError(t *testing.T) {
	for _, err := range []error{
		errors.New(`malformed HTTP status code "jane"`),
		&net.OpError{Op: "proxyconnect", Net: "tcp", Err: errors.New("jane is forbidden")},
		&net.OpError{Op: "read", Err: errors.New("jane")},
		tls.RecordHeaderError{Msg: "jane"},
		&tls.CertificateVerificationError{Err: errors.New("jane")},
	} {
		if got := transportError(OpTest, err, false).Error(); strings.Contains(got, "jane") || strings.HasSuffix(got, ": ") {
			t.Errorf("%T: %s", err, got)
		}
	}
}
