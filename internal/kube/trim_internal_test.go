// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestManagedFieldsAreTakenOut(t *testing.T) {
	for name, c := range map[string]struct{ object, want string }{
		"first": {`{"metadata":{"managedFields":[{"a":"]"}],"name":"n"}}`, `{"metadata":{"name":"n"}}`},
		"in the middle": {
			`{"metadata":{"annotations":{"managedFields":"}"},"managedFields":[{"fieldsV1":{"f:metadata":{"f:managedFields":{}}}}],"name":"n"},"spec":{"managedFields":1}}`,
			`{"metadata":{"annotations":{"managedFields":"}"},"name":"n"},"spec":{"managedFields":1}}`,
		},
		"last":      {`{"metadata":{"generation":1,"managedFields":[]},"spec":{}}`, `{"metadata":{"generation":1},"spec":{}}`},
		"alone":     {`{"metadata":{"managedFields":[]}}`, `{"metadata":{}}`},
		"none":      {`{"metadata":{"name":"n"}}`, `{"metadata":{"name":"n"}}`},
		"no object": {`{"status":"Failure","message":"managedFields"}`, `{"status":"Failure","message":"managedFields"}`},
	} {
		if got := string(withoutManagedFields([]byte(c.object), "metadata")); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestTextThatIsNoObjectStays(t *testing.T) {
	whole := `{"type":"ADDED","object":{"metadata":{"annotations":{"a":"\\\""},"managedFields":[{"a":["}"]}],"name":"n"},"spec":{}}}`
	for i := range whole[:len(whole)-1] {
		if part := whole[:i]; string(withoutManagedFields([]byte(part), "object", "metadata")) != part {
			t.Errorf("%s is changed", part)
		}
		// Nothing but the JSON of the API server is expected; other text must do no harm.
		withoutManagedFields([]byte(whole[:i]), "object")
		withoutManagedFields([]byte(whole[:i]))
		withoutManagedFields([]byte(whole[:i]+"}"+whole[i+1:]), "object", "metadata")
	}
}

func TestEventsComeTrimmedHoweverTheyAreRead(t *testing.T) {
	event := func(rest string) string {
		return `{"type":"MODIFIED","object":{"kind":"ScimUser","metadata":{` + rest + `}}}` + "\n"
	}
	sent := event(`"managedFields":[{"manager":"m"}],"name":"kim"`) + event(`"name":"robin"`) + event(`"managedFields":[],"name":"`+strings.Repeat("x", 1<<16)+`"`)
	trimmed := event(`"name":"kim"`) + event(`"name":"robin"`) + event(`"name":"`+strings.Repeat("x", 1<<16)+`"`)
	broken := errors.New("the connection broke")
	for name, read := range map[string]func(io.Reader) io.Reader{
		"whole":        func(r io.Reader) io.Reader { return r },
		"byte by byte": iotest.OneByteReader,
		"halves":       iotest.HalfReader,
	} {
		for end, want := range map[error]error{io.EOF: nil, broken: broken} {
			body := read(io.MultiReader(strings.NewReader(sent+`{"type":"ADD`), iotest.ErrReader(end)))
			got, err := io.ReadAll(answered(t, "watch=true&resourceVersion=7", "application/json;stream=watch", body))
			if string(got) != trimmed+`{"type":"ADD` || !errors.Is(err, want) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
}

func TestOnlyWatchesInJSONAreTrimmed(t *testing.T) {
	list := `{"object":{"metadata":{"managedFields":[]}}}` + "\n"
	for name, c := range map[string]struct{ query, contentType string }{
		"a list":         {"limit=500", "application/json"},
		"watch is false": {"watch=false", "application/json"},
		"protobuf":       {"watch=true", "application/vnd.kubernetes.protobuf;stream=watch"},
	} {
		if got, err := io.ReadAll(answered(t, c.query, c.contentType, strings.NewReader(list))); err != nil || string(got) != list {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// answered is the body that a client gets of what the API server answers.
func answered(t *testing.T, query, contentType string, body io.Reader) io.Reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://kubernetes/apis/g/v1/namespaces/n/kinds?"+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	server := roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(body)}, nil
	})
	resp, err := TrimWatches(server).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp.Body
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
