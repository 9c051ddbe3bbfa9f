// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/directory"
)

func TestMedianIsTheMiddle(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{5, 1, 9, 3, 100}, 5},
		{[]float64{4, 1, 2, 3}, 2.5},
	} {
		if got := median(c.values, func(v float64) float64 { return v }); got != c.want {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
}

func TestAComparisonIsMetOrNot(t *testing.T) {
	at := func(rate float64) []measured { return []measured{{rate: rate}, {rate: rate}, {rate: rate}} }
	for name, c := range map[string]struct {
		comparison
		value string
		met   bool
	}{
		"rate that suffices":       {comparison{least: 0.85}, "0.90", true},
		"rate that does not":       {comparison{least: 0.95}, "0.90", false},
		"latency that is too long": {comparison{most: 1.1}, "1.11", false},
		"latency that is not":      {comparison{most: 1.3}, "1.11", true},
	} {
		if r := c.result(at(100), at(90)); r.value != c.value || *r.met != c.met {
			t.Errorf("%s: %s, met %t", name, r.value, *r.met)
		}
	}
}

func TestConcurrentlyDoesEachOnceAndStopsAtAnError(t *testing.T) {
	var done [100]atomic.Int32
	if err := concurrently(t.Context(), len(done), 7, func(_ context.Context, i int) error { done[i].Add(1); return nil }); err != nil {
		t.Fatal(err)
	}
	for i := range done {
		if n := done[i].Load(); n != 1 {
			t.Errorf("%d was done %d times", i, n)
		}
	}
	trouble := errors.New("trouble")
	var calls atomic.Int32
	err := concurrently(t.Context(), 1000, 4, func(context.Context, int) error { calls.Add(1); return trouble })
	if !errors.Is(err, trouble) || calls.Load() > 8 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}

// stored is a user as the API server sends it.
func stored(t *testing.T, n int, change func(*v1alpha1.ScimUser)) []byte {
	t.Helper()
	p := personOf(n)
	u := &v1alpha1.ScimUser{Spec: v1alpha1.ScimUserSpec{ID: randomText(8), UserName: p.userName, DisplayName: "Kim"}}
	u.Name, u.UID, u.ResourceVersion = directory.NameHolder(u), types.UID("0a1b2c3d-0000-4000-8000-00000000000"+string(rune('0'+n))), strings.Repeat("1", n)
	if change != nil {
		change(u)
	}
	raw, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSameBytesAllowsOwnValuesAlone(t *testing.T) {
	if err := sameBytes(stored(t, 1, nil), stored(t, 2, nil)); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*v1alpha1.ScimUser){
		"another value":        func(u *v1alpha1.ScimUser) { u.Spec.DisplayName = "Kit" },
		"one value more":       func(u *v1alpha1.ScimUser) { u.Spec.Title = "Engineer" },
		"a name that is short": func(u *v1alpha1.ScimUser) { u.Name = "u-short" },
	} {
		if err := sameBytes(stored(t, 1, nil), stored(t, 2, change)); !errors.Is(err, errOtherBytes) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBenchmarkLinesAreRead(t *testing.T) {
	for line, want := range map[string]string{
		"BenchmarkPatchUser/entra-2   \t   50000\t     21034 ns/op\t    9384 B/op\t     120 allocs/op": "PatchUser/entra",
		"BenchmarkParseUser  \t1\t73.9 ns/op\t10240 B/op\t226 allocs/op":                               "ParseUser",
		"ok  \tgithub.com/scim-operator/scim-operator/internal/scim\t8.1s":                             "",
	} {
		var got string
		if m := benchmarkLine.FindStringSubmatch(line); m != nil {
			got = m[1]
		}
		if got != want {
			t.Errorf("%q: %q", line, got)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{7: "7", 999: "999", 1000: "1,000", 100_000: "100,000", 1_002_003: "1,002,003"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
