// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"sync"

	"github.com/google/cel-go/cel"
)

// maxRemembered bounds the compiled expressions that are kept. A profile has about twenty.
const maxRemembered = 256

// remembered keeps compiled expressions: apps of one profile use the same ones, in all namespaces and generations.
var remembered = memo{programs: map[memoKey]cel.Program{}}

type memo struct {
	mu       sync.Mutex
	programs map[memoKey]cel.Program
}

type memoKey struct {
	expression string
	condition  bool
}

// of returns the program of an expression, and makes it with compile if it is not kept. Errors are not kept.
func (m *memo) of(key memoKey, compile func() (cel.Program, error)) (cel.Program, error) {
	m.mu.Lock()
	program, ok := m.programs[key]
	m.mu.Unlock()
	if ok {
		return program, nil
	}
	program, err := compile()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.programs) >= maxRemembered {
		clear(m.programs)
	}
	m.programs[key] = program
	return program, nil
}
