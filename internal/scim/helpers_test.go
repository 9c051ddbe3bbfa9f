// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// options gives a preset's options, and the tolerances that were used with them.
func options(t testing.TB, dialect string) (Options, func() []Tolerance) {
	t.Helper()
	d, ok := DialectByName(dialect)
	if !ok {
		t.Fatalf("no dialect %q", dialect)
	}
	var used []Tolerance
	return Options{Dialect: d, Used: func(x Tolerance) {
			if !slices.Contains(used, x) {
				used = append(used, x)
			}
		}}, func() []Tolerance {
			slices.Sort(used)
			return used
		}
}

func strictly(t testing.TB) Options {
	o, _ := options(t, "strict")
	return o
}

// leniently tolerates everything.
func leniently(t testing.TB) Options {
	t.Helper()
	return Options{Dialect: NewDialect("lenient", Tolerances()...)}
}

// stored is a resource as the server has it: with its id.
func stored(t testing.TB, rt *ResourceType, body string) *Resource {
	t.Helper()
	return ResourceFromMap(rt, decoded(t, body))
}

func parsed(t testing.TB, rt *ResourceType, o Options, body string) *Resource {
	t.Helper()
	r, err := ParseResource([]byte(body), rt, o)
	if err != nil {
		t.Fatalf("ParseResource: %v\n%s", err, body)
	}
	return r
}

func decoded(t testing.TB, body string) map[string]any {
	t.Helper()
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return m
}

// sameJSON compares a resource with JSON text. "schemas" is compared if the text has it.
func sameJSON(t testing.TB, r *Resource, want string) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := decoded(t, string(b)), decoded(t, want)
	if _, ok := wanted["schemas"]; !ok {
		delete(got, "schemas")
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("resource (-want +got):\n%s", diff)
	}
}

// patched applies a PATCH body that has to succeed, and checks the promises that hold for each: the input is untouched, the result is its own fixed point for
// "changed", and no password is in it.
func patched(t testing.TB, r *Resource, o Options, body string) (*Resource, bool) {
	t.Helper()
	before := string(mustJSON(t, r))
	p, err := ParsePatch([]byte(body), r.Type(), o)
	if err != nil {
		t.Fatalf("ParsePatch: %v\n%s", err, body)
	}
	result, changed, err := ApplyPatch(r, p, o)
	if err != nil {
		t.Fatalf("ApplyPatch: %v\n%s", err, body)
	}
	if after := string(mustJSON(t, r)); after != before {
		t.Errorf("ApplyPatch changed its argument:\n%s\n%s", before, after)
	}
	if changed == result.Equal(r) {
		t.Errorf("changed is %v, but Equal says %v", changed, result.Equal(r))
	}
	return result, changed
}

// refusedPatch gives the error of a PATCH that has to fail, in parsing or in applying.
func refusedPatch(t testing.TB, r *Resource, o Options, body string) *Error {
	t.Helper()
	before := string(mustJSON(t, r))
	p, err := ParsePatch([]byte(body), r.Type(), o)
	if err == nil {
		var result *Resource
		result, _, err = ApplyPatch(r, p, o)
		if err == nil {
			t.Fatalf("accepted:\n%s\nresult %s", body, mustJSON(t, result))
		}
	}
	if after := string(mustJSON(t, r)); after != before {
		t.Errorf("a refused PATCH changed its argument:\n%s\n%s", before, after)
	}
	return asError(t, err)
}

func asError(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *Error: %v", err, err)
	}
	return e
}

// isError checks status, keyword, and words that the detail has to have.
func isError(t testing.TB, e *Error, status int, scimType ScimType, words ...string) {
	t.Helper()
	if e.Status != status || e.ScimType != scimType {
		t.Errorf("got %v, want %d %s", e, status, scimType)
	}
	for _, w := range words {
		if !strings.Contains(e.Detail, w) {
			t.Errorf("detail %q does not say %q", e.Detail, w)
		}
	}
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func patchBody(operations ...string) string {
	return `{"schemas":["` + PatchSchema + `"],"Operations":[` + strings.Join(operations, ",") + `]}`
}
