// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"maps"
	"slices"
)

// Dialect is the set of tolerances for one kind of client. The zero Dialect tolerates nothing.
type Dialect struct {
	name string
	set  map[Tolerance]bool
}

// NewDialect makes a dialect of its own. Use [DialectByName] for a preset.
func NewDialect(name string, tolerances ...Tolerance) Dialect {
	set := make(map[Tolerance]bool, len(tolerances))
	for _, t := range tolerances {
		set[t] = true
	}
	return Dialect{name: name, set: set}
}

// DialectByName gives the preset of that name, one of [DialectNames].
func DialectByName(name string) (Dialect, bool) {
	d, ok := presets[name]
	return d, ok
}

// DialectNames lists the presets in alphabetical order.
func DialectNames() []string { return slices.Sorted(maps.Keys(presets)) }

// Name gives the dialect's name.
func (d Dialect) Name() string { return d.name }

// Allows reports whether the dialect has the tolerance.
func (d Dialect) Allows(t Tolerance) bool { return d.set[t] }

// Tolerances lists the dialect's tolerances in alphabetical order.
func (d Dialect) Tolerances() []Tolerance { return slices.Sorted(maps.Keys(d.set)) }

// Options go with everything that reads a client's data.
type Options struct {
	Dialect Dialect
	// Used, if set, is called each time that a tolerance was really needed.
	Used func(Tolerance)
}

// tolerates asks for a tolerance that is needed now, and reports its use.
func (o Options) tolerates(t Tolerance) bool {
	if !o.Dialect.Allows(t) {
		return false
	}
	if o.Used != nil {
		o.Used(t)
	}
	return true
}
