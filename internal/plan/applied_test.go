// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"fmt"
	"math"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/plan"
)

func TestHashValuesDependsOnTheJSONOnly(t *testing.T) {
	hash := func(v any) string { return plan.HashValues(map[string]any{"a": v})["a"] }
	same := [][2]any{
		{map[string]any{"x": 1, "y": "z"}, map[string]any{"y": "z", "x": 1}},
		{int64(5), float64(5)},
		{[]any{"a"}, []string{"a"}},
	}
	for _, pair := range same {
		if hash(pair[0]) != hash(pair[1]) {
			t.Errorf("%v and %v have different hashes", pair[0], pair[1])
		}
	}
	different := []any{"", nil, "5", 5, true, "true", []any{"a", "b"}, []any{"b", "a"}, map[string]any{}, []any{}, math.Inf(1), math.Inf(-1)}
	seen := map[string]any{}
	for _, v := range different {
		h := hash(v)
		if other, twice := seen[h]; twice {
			t.Errorf("%#v and %#v have the same hash", v, other)
		}
		seen[h] = v
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{8}$`).MatchString(h) {
			t.Errorf("hash %q", h)
		}
	}
}

// The hashes stand in objects: another way of hashing needs another version.
func TestAppliedIsPinned(t *testing.T) {
	got := plan.HashValues(map[string]any{
		"userName": "ada@corp.test", "a b=%": 1, "urn:example:1.0:User:badge": map[string]any{"y": []any{1.5, nil, true}, "x": "ü<"},
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": 1, "@department": 1,
	}).String()
	const want = "v3 %40department=a4ayc_80 a+b%3D%25=a4ayc_80 @department=a4ayc_80 userName=l9rOOZd2 +urn:example:1.0:User badge=PUmG-TAB"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestParseApplied(t *testing.T) {
	for in, want := range map[string]plan.Applied{
		"":                nil,
		"v4 a=b":          nil,
		"v3 +a":           {},
		"v3 b":            nil,
		"a=b":             nil,
		"v1 a":            nil,
		"v1 a=":           nil,
		"v1 %zz=b":        nil,
		"v1":              {},
		"v1  a=b\n":       {"a": "b"},
		"v1 a%20b=c d==e": {"a b": "c", "d": "=e"},
		"v2":              {},
		"v2 a=b":          {"a": "b"},
		"v2 @title=a %40title=b": {
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:title": "a", "@title": "b",
		},
		"v3 a=b +c=d +urn:x title=e %40title=f + g=h": {
			"a": "b", " c": "d", "urn:x:title": "e", "urn:x:@title": "f", ":g": "h",
		},
		"v2 urn:x:a=b": {"urn:x:a": "b"},
		"v1 urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:title=a": {
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:title": "a",
		},
	} {
		if diff := cmp.Diff(want, plan.ParseApplied(in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

func FuzzAppliedSurvives(f *testing.F) {
	f.Add("name.givenName", "emails[type eq \"work\"].value")
	f.Add("", "a b")
	f.Add("@department", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department")
	f.Add("@", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:@")
	f.Add("urn:example:1.0:User:badge", "urn:example:1.0:User:")
	f.Add(":", "+:+")
	f.Add("a=b", "%3A:é\x00\xff\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		want := plan.HashValues(map[string]any{a: 1, b: 2})
		if want.String() == "" {
			t.Skip("names that are longer than any that can be mapped")
		}
		if diff := cmp.Diff(want, plan.ParseApplied(want.String())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestAppliedWithKeepsWhatWasNotWritten(t *testing.T) {
	before := plan.HashValues(map[string]any{"userName": "ada@corp.test", "title": "Engineer", "nickName": "ada", "locale": "en"})
	wanted := map[string]any{"userName": "lovelace@corp.test", "title": "Manager", "locale": "en", "timezone": "Europe/Zurich"}
	after := before.With(wanted, []string{"title", "timezone"}, []string{"nickName"})
	want := plan.HashValues(map[string]any{"userName": "ada@corp.test", "title": "Manager", "locale": "en", "timezone": "Europe/Zurich"})
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	if before["nickName"] == "" {
		t.Error("what was there before is changed")
	}
	if diff := cmp.Diff(plan.HashValues(wanted), plan.Applied(nil).With(wanted, []string{"userName", "title", "locale", "timezone"}, nil)); diff != "" {
		t.Errorf("applied to nothing (-want +got):\n%s", diff)
	}
}

// A status that is too large would be refused. What is not known to be written is written again.
func TestAppliedIsEmptyWhereItDoesNotFit(t *testing.T) {
	applied := plan.Applied{}
	for i := range 100 {
		applied[fmt.Sprintf("urn:example:1.0:User:attribute%03d", i)] = "12345678"
	}
	text := applied.String()
	if text == "" || len(text) > plan.MaxApplied {
		t.Fatalf("100 names of one extension take %d bytes", len(text))
	}
	if diff := cmp.Diff(applied, plan.ParseApplied(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range 100 {
		applied[fmt.Sprintf("urn:example:%d:User:attribute", i)] = "12345678"
	}
	if text := applied.String(); text != "" {
		t.Errorf("200 names take %d bytes", len(text))
	}
}
