// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

const (
	mebibyte = 1 << 20
	// hostileBytes is just below what a listing may have.
	hostileBytes = 31 * mebibyte
	// resourcePeak and groupPeak are what the comment on connector.MaxResourceBytes states.
	resourcePeak = 24 * mebibyte
	groupPeak    = 64 * mebibyte
)

// transportFunc is a simulated network.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// repeated is a body of prefix, unit again and again until it has size bytes, and suffix. It is made while it is read.
func repeated(prefix, unit, suffix string, size int) io.Reader {
	return io.MultiReader(strings.NewReader(prefix), &repeater{unit: unit, left: size / len(unit) * len(unit)}, strings.NewReader(suffix))
}

type repeater struct {
	unit     string
	at, left int
}

func (r *repeater) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	total := 0
	for total < len(p) && r.left > 0 {
		n := copy(p[total:], r.unit[r.at:])
		n = min(n, r.left)
		r.at, r.left, total = (r.at+n)%len(r.unit), r.left-n, total+n
	}
	return total, nil
}

// simulated returns a connector whose app gives each request the answer.
func simulated(t *testing.T, profile profiles.Profile, status int, body func() io.Reader) *Connector {
	t.Helper()
	c, err := New(Options{Profile: profile, BaseURL: "https://app.example.com", Token: testToken, Limits: fast, Transport: transportFunc(
		func(request *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(body()), Request: request}, nil
		},
	)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// peak returns how far the heap grows while f runs.
func peak(f func()) int64 {
	heap := func() int64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	runtime.GC()
	before := heap()
	done, most := make(chan struct{}), make(chan int64)
	go func() {
		highest := before
		ticker := time.NewTicker(500 * time.Microsecond)
		defer ticker.Stop()
		for {
			highest = max(highest, heap())
			select {
			case <-done:
				most <- highest
				return
			case <-ticker.C:
			}
		}
	}()
	f()
	close(done)
	return <-most - before
}

// calls are those that read an answer. Each keeps what it returns until the peak is measured.
var calls = map[string]func(context.Context, *Connector) (any, error){
	"test":  func(ctx context.Context, c *Connector) (any, error) { return nil, c.Test(ctx) },
	"find":  func(ctx context.Context, c *Connector) (any, error) { return c.FindUsers(ctx, "userName", "jane") },
	"get":   func(ctx context.Context, c *Connector) (any, error) { return c.GetUser(ctx, "1") },
	"group": func(ctx context.Context, c *Connector) (any, error) { return c.GetGroup(ctx, "1") },
	"create": func(ctx context.Context, c *Connector) (any, error) {
		return c.CreateUser(ctx, connector.Attributes{"userName": "jane"})
	},
	"update": func(ctx context.Context, c *Connector) (any, error) {
		return c.UpdateUser(ctx, "1", connector.Change{Set: connector.Attributes{"title": "X"}})
	},
	"put": func(ctx context.Context, c *Connector) (any, error) {
		c.profile.SCIM.GroupPatch = profiles.GroupPut
		return c.UpdateGroup(ctx, "1", connector.GroupChange{DisplayName: "x"})
	},
	"list": func(ctx context.Context, c *Connector) (any, error) {
		return nil, c.ListUsers(ctx, func(connector.User) error { return nil })
	},
	"find-group": func(ctx context.Context, c *Connector) (any, error) { return c.FindGroups(ctx, "jane") },
}

func TestAHostileAnswerOf31MiBNeedsLittleMemory(t *testing.T) {
	row := `{"id":"1","userName":"jane","displayName":"jane","x":[` + strings.TrimSuffix(strings.Repeat("[],", 40_000), ",") + `]},`
	tests := map[string]struct{ calls, prefix, unit, suffix string }{
		"one string":            {"get find create group", `{"id":"1","userName":"`, "x", `"}`},
		"one attribute":         {"get update list put", `{"id":"1","totalResults":0,"x":[0`, ",[]", `]}`},
		"many attributes":       {"create put", `{"id":"1","totalResults":0`, `,"x":{}`, `}`},
		"one row":               {"find", `{"totalResults":1,"Resources":[{"id":"1","userName":"jane","x":[0`, ",{}", `]}]}`},
		"rows that fit":         {"find", `{"totalResults":9,"Resources":[`, row, `{"id":"1"}]}`},
		"small rows":            {"list", `{"totalResults":1,"Resources":[`, `{"id":"1","x":"` + strings.Repeat("x", 2000) + `"},`, `{"id":"1"}]}`},
		"rows that do not fit":  {"find", `{"totalResults":9,"Resources":[`, strings.ReplaceAll(row, "jane", "bob"), `{"id":"1"}]}`},
		"deep arrays":           {"get find create test group", `{"id":"1","totalResults":0,"x":`, "[", ``},
		"deep objects":          {"get find create group", `{"id":"1","totalResults":0,"x":`, `{"x":`, ``},
		"space":                 {"get find", `{"id":"1","totalResults":0`, " ", `}`},
		"no JSON":               {"get find create test", ``, "<html>", ``},
		"a number":              {"get find", `{"id":1,"totalResults":1`, "0", `}`},
		"members":               {"group get", `{"id":"1","displayName":"jane","members":[`, `{"value":"12345"},`, `{"value":"1"}]}`},
		"members with names":    {"group put", `{"id":"1","displayName":"jane","members":[`, `{"value":"12345","display":"` + strings.Repeat("x", 200) + `"},`, `{"value":"1"}]}`},
		"rows with members":     {"find-group", `{"totalResults":9,"Resources":[{"id":"1","displayName":"jane","members":[`, `{"value":"1"},`, `{"value":"1"}]}]}`},
		"members that are huge": {"group", `{"id":"1","members":[{"value":"`, "x", `"}]}`},
	}
	for name, test := range tests {
		for what := range strings.FieldsSeq(test.calls) {
			t.Run(name+" for "+what, func(t *testing.T) {
				bound := int64(resourcePeak)
				if strings.Contains(what, "group") || what == "put" {
					bound = groupPeak
				}
				c := simulated(t, profileOf(t, "generic"), http.StatusOK, func() io.Reader { return repeated(test.prefix, test.unit, test.suffix, hostileBytes) })
				var result any
				if got := peak(func() { result, _ = calls[what](t.Context(), c) }); got > bound {
					t.Errorf("the heap grows by %d KiB, want at most %d", got>>10, bound>>10)
				}
				runtime.KeepAlive(result)
			})
		}
	}
}

func TestALookupThroughHostilePagesNeedsLittleMemory(t *testing.T) {
	pages := 0
	c := simulated(t, profileOf(t, "generic"), http.StatusOK, func() io.Reader {
		pages++
		prefix := fmt.Sprintf(`{"totalResults":1000000000,"Resources":[{"id":"%d"},`, pages)
		return repeated(prefix, `{"id":"1","userName":"bob","displayName":"bob","x":"`+strings.Repeat("x", 150)+`"},`, `{"id":"1"}]}`, mebibyte)
	})
	for _, what := range []string{"find", "find-group"} {
		var err error
		pages = 0
		if got := peak(func() { _, err = calls[what](t.Context(), c) }); got > resourcePeak {
			t.Errorf("%s: the heap grows by %d KiB", what, got>>10)
		}
		if wantKind(t, err, connector.Unsupported); pages < 10 || pages > maxSearched {
			t.Errorf("%s: %d pages were read", what, pages)
		}
	}
}

func TestAHostileRefusalKeepsItsMeaning(t *testing.T) {
	c := simulated(t, profileOf(t, "generic"), http.StatusBadRequest, func() io.Reader { return repeated(`{"detail":"`, "x", `"}`, hostileBytes) })
	for _, what := range []string{"get", "find", "create", "group"} {
		var err error
		if got := peak(func() { _, err = calls[what](t.Context(), c) }); got > 4*mebibyte {
			t.Errorf("%s: the heap grows by %d KiB", what, got>>10)
		}
		wantKind(t, err, connector.Invalid)
	}
}

func TestAnAnswerThatGrowsByDecompressionIsBounded(t *testing.T) {
	var bomb bytes.Buffer
	writer := gzip.NewWriter(&bomb)
	if _, err := io.Copy(writer, repeated(`{"totalResults":1,"Resources":[`, `{"id":"1","x":"`+strings.Repeat("x", 2000)+`"},`, `{"id":"1"}]}`, 12*mebibyte)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("the connector does not ask for compression")
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	}))
	defer server.Close()
	limits := fast
	limits.MaxAnswerBytes, limits.Timeout = 8*mebibyte, connector.MaxTimeout
	c, err := New(Options{Profile: profileOf(t, "generic"), BaseURL: server.URL, Token: testToken, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, what := range []string{"find", "get", "create", "test"} {
		var err error
		if got := peak(func() { _, err = calls[what](t.Context(), c) }); got > resourcePeak {
			t.Errorf("%s: the heap grows by %d KiB", what, got>>10)
		}
		if e := failureOf(t, err, connector.UnexpectedAnswer); !strings.HasPrefix(e.Detail, "the answer is larger than ") {
			t.Errorf("%s: error = %v", what, e)
		}
	}
}

func TestAGroupOfAHundredThousandMembersIsRead(t *testing.T) {
	const n = 100_000
	body := func() io.Reader {
		var b bytes.Buffer
		b.WriteString(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"g1","members":[`)
		for i := range n {
			if i > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, `{"value":"00000000-0000-0000-0000-%012d","$ref":"https://app.example.com/scim/v2/Users/00000000-0000-0000-0000-%012d","type":"User","display":"User %d"}`, i, i, i)
		}
		b.WriteString(`],"displayName":"All"}`)
		return &b
	}
	c := simulated(t, profileOf(t, "generic"), http.StatusOK, body)
	group, err := c.GetGroup(t.Context(), "g1")
	if err != nil || group.DisplayName != "All" || !group.MembersKnown || len(group.Members) != n {
		t.Fatalf("group %q with %d members, %v", group.DisplayName, len(group.Members), err)
	}
	if got, want := group.Members[n-1], (connector.Member{ID: "00000000-0000-0000-0000-000000099999", Display: "User 99999"}); got != want {
		t.Errorf("last member = %v, want %v", got, want)
	}
}

func TestAGroupThatIsTooLargeFailsAlone(t *testing.T) {
	c := simulated(t, profileOf(t, "generic"), http.StatusOK, func() io.Reader {
		return repeated(`{"id":"1","members":[`, `{"value":"12345"},`, `{"value":"1"}]}`, hostileBytes)
	})
	_, err := c.GetGroup(t.Context(), "1")
	e := failureOf(t, err, connector.UnusableAnswer)
	if e.Scope() != connector.ScopeAccount || !strings.Contains(e.Detail, strconv.Itoa(connector.MaxMembers)) {
		t.Errorf("error = %v, scope %s", e, e.Scope())
	}
}

func TestALookupReturnsABoundedNumber(t *testing.T) {
	const row = `{"id":"1","userName":"jane","displayName":"jane"},`
	c := simulated(t, profileOf(t, "generic"), http.StatusOK, func() io.Reader {
		return repeated(`{"totalResults":1000,"Resources":[`, row, strings.TrimSuffix(row, ",")+`]}`, 200*len(row))
	})
	users, err := c.FindUsers(t.Context(), "userName", "jane")
	if len(users) != connector.MaxFound || err != nil {
		t.Errorf("found %d accounts, %v", len(users), err)
	}
	groups, err := c.FindGroups(t.Context(), "jane")
	if len(groups) != connector.MaxFound || err != nil {
		t.Errorf("found %d groups, %v", len(groups), err)
	}
}
