// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/connector"
)

func TestListUsersYieldsWhileTheAnswerArrives(t *testing.T) {
	reader, writer := io.Pipe()
	c := simulated(t, profileOf(t, "generic"), http.StatusOK, func() io.Reader { return reader })
	yielded, done := make(chan string), make(chan error)
	go func() {
		done <- c.ListUsers(t.Context(), func(user connector.User) error {
			yielded <- user.ID
			return nil
		})
	}()
	for _, part := range []struct{ text, id string }{{`{"Resources":[{"id":"1"}`, "1"}, {`,{"id":"2"}`, "2"}, {`],"totalResults":2}`, ""}} {
		if _, err := io.WriteString(writer, part.text); err != nil {
			t.Fatal(err)
		}
		if part.id == "" {
			break
		}
		select {
		case got := <-yielded:
			if got != part.id {
				t.Errorf("yielded %s, want %s", got, part.id)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("nothing is yielded before the answer ends")
		}
	}
	_ = writer.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAnErrorOfTheCallerIsNoErrorOfTheApp(t *testing.T) {
	var observed []error
	c, err := New(Options{
		Profile: profileOf(t, "generic"), BaseURL: "https://app.example.com", Token: testToken, Limits: fast,
		Observe: func(_ string, _ int, _ time.Duration, err error) { observed = append(observed, err) },
		Transport: transportFunc(func(request *http.Request) (*http.Response, error) {
			body := strings.NewReader(`{"totalResults":2,"Resources":[{"id":"1"},{"id":"2"}]}`)
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body), Request: request}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, enough := range []error{errors.New("enough"), io.EOF, &connector.Error{Kind: connector.Conflict}} {
		if err := c.ListUsers(t.Context(), func(connector.User) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("error = %v, want %v", err, enough)
		}
	}
	if diff := cmp.Diff([]error{nil, nil, nil}, observed); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

func TestAnAnswerThatBreaksOffIsALostAnswer(t *testing.T) {
	cut := func(text string) func() io.Reader {
		return func() io.Reader { return io.MultiReader(strings.NewReader(text), failing{}) }
	}
	for what, unknown := range map[string]bool{"list": false, "find": false, "group": false, "get": false, "create": true, "update": true} {
		_, err := calls[what](t.Context(), simulated(t, profileOf(t, "generic"), http.StatusOK, cut(`{"totalResults":1,"id":"1","Resources":[{"id":"1"`)))
		if e := failureOf(t, err, connector.Unreachable); e.UnknownOutcome() != unknown || e.Status != http.StatusOK {
			t.Errorf("%s: error = %v, unknown %t", what, e, e.UnknownOutcome())
		}
	}
}

// failing is a connection that breaks.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// FuzzAnswers: whatever an app answers, a call ends with a result or an Error, and no id that is given is unusable.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		"", "{}", "[]", `{"id":"1"}`, `{"totalResults":1,"Resources":[{"id":1,"userName":"jane","displayName":"jane","members":[{"value":2}]}]}`,
		`{"totalResults":1e99,"Resources":{"x":[]}}`, `{"id":"1","members":[[],{},"x",{"value":{}}]}`, `{"Resources":[`, `{"id":"\u0000"}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c := answered(t, http.StatusOK, body)
		for what, call := range calls {
			if what == "list" {
				continue // an app may have a new row for ever, up to maxListed
			}
			result, err := call(t.Context(), c)
			if err != nil && connector.AsError(err) == nil {
				t.Errorf("%s: %v is no Error", what, err)
			}
			if user, isUser := result.(connector.User); isUser && err == nil && (user.ID == "" || checkID("", user.ID) != nil) {
				t.Errorf("%s: unusable id %q", what, user.ID)
			}
		}
	})
}
