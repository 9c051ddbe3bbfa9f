// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/cel-go/cel"
)

func TestAnExpressionIsCompiledOnce(t *testing.T) {
	m := memo{programs: map[memoKey]cel.Program{}}
	compiles := 0
	get := func(key memoKey, err error) error {
		_, got := m.of(key, func() (cel.Program, error) { compiles++; return nil, err })
		return got
	}
	wrong := errors.New("wrong")
	for _, tc := range []struct {
		name     string
		key      memoKey
		err      error
		compiles int
	}{
		{name: "the first time", key: memoKey{expression: "a"}, compiles: 1},
		{name: "again", key: memoKey{expression: "a"}, compiles: 1},
		{name: "as a condition", key: memoKey{expression: "a", condition: true}, compiles: 2},
		{name: "a wrong one", key: memoKey{expression: "b"}, err: wrong, compiles: 3},
		{name: "a wrong one again", key: memoKey{expression: "b"}, err: wrong, compiles: 4},
	} {
		if err := get(tc.key, tc.err); !errors.Is(err, tc.err) || compiles != tc.compiles {
			t.Errorf("%s: %v after %d compiles, want %v after %d", tc.name, err, compiles, tc.err, tc.compiles)
		}
	}
}

func TestTheCompiledExpressionsAreBounded(t *testing.T) {
	m := memo{programs: map[memoKey]cel.Program{}}
	for i := range 3 * maxRemembered {
		if _, err := m.of(memoKey{expression: fmt.Sprint(i)}, func() (cel.Program, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		}
		if len(m.programs) > maxRemembered {
			t.Fatalf("%d programs are kept, want at most %d", len(m.programs), maxRemembered)
		}
	}
}
