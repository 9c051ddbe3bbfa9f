// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"io"
	"net/http"
	"strings"
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
