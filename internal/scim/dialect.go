// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"maps"
	"slices"
)

// Tolerance names one deviation from RFC 7643 and 7644 that a dialect accepts. The name appears in metrics and in status.
type Tolerance string

// The tolerances. Each says what is accepted, and what happens without it.
const (
	// UnknownSchemas: "schemas" names URNs that the server does not know, or the body has an extension of such a URN; they are kept. Without it: 400
	// invalidValue. Entra names its own schema on groups.
	UnknownSchemas Tolerance = "UnknownSchemas"
	// MissingSchemas: "schemas" is absent or does not name all that the body uses; it is worked out. Without it: 400 invalidSyntax.
	MissingSchemas Tolerance = "MissingSchemas"
	// UnknownAttributes: attributes and sub-attributes that no schema defines; they are kept as sent. Without it: 400 invalidSyntax, in the path of a PATCH
	// 400 invalidPath.
	UnknownAttributes Tolerance = "UnknownAttributes"
	// UnqualifiedExtension: an attribute of an extension stands without its URN ("manager", "department"). Without it: an unknown attribute.
	UnqualifiedExtension Tolerance = "UnqualifiedExtension"
	// FlatKeys: "name.givenName" or "urn:...:User:employeeNumber" as a key of a JSON object; it is expanded. Without it: an unknown attribute. Entra with the
	// flag aadOptscim062020 sends them.
	FlatKeys Tolerance = "FlatKeys"
	// StringBooleans: "True" or "False", in any letter case, for a boolean attribute. Without it: 400 invalidValue.
	StringBooleans Tolerance = "StringBooleans"
	// EmptyStringClears: "" for an attribute that is not required means that it has no value. Without it: "" is stored for strings, and 400 invalidValue for
	// other types.
	EmptyStringClears Tolerance = "EmptyStringClears"
	// ComplexAsString: a bare string for a complex value is its sub-attribute "value" (manager, members). Without it: 400 invalidValue.
	ComplexAsString Tolerance = "ComplexAsString"
	// ComplexAsJSONText: a complex value, or an array of them, written as JSON inside a string. Without it: 400 invalidValue.
	ComplexAsJSONText Tolerance = "ComplexAsJSONText"
	// ArrayForSingle: an array of one for a single-valued attribute. Without it: 400 invalidValue.
	ArrayForSingle Tolerance = "ArrayForSingle"
	// SingleForArray: one value instead of an array for a multi-valued attribute, but for "add" in a PATCH, where it is the standard. Without it: 400
	// invalidValue.
	SingleForArray Tolerance = "SingleForArray"
	// MultiplePrimaries: more than one element of a multi-valued attribute with primary true; the first stays primary. Without it: 400 invalidValue.
	MultiplePrimaries Tolerance = "MultiplePrimaries"
	// OperationCase: "Add", "Replace", "Remove". Without it: 400 invalidSyntax.
	OperationCase Tolerance = "OperationCase"
	// ReadOnlyInPatch: a path-less PATCH carries read-only attributes; they are ignored. An id that differs is refused in any case. Without it: 400
	// mutability. Okta sends the group's id with each rename.
	ReadOnlyInPatch Tolerance = "ReadOnlyInPatch"
	// ReplaceCreatesTarget: add or replace on a value path that selects nothing creates the element, if its filter is made of eq and "and" alone. Without it:
	// 400 noTarget.
	ReplaceCreatesTarget Tolerance = "ReplaceCreatesTarget"
	// RemoveByValue: remove of a multi-valued attribute with a value removes the values listed. Without it: 400 invalidSyntax. Never: everything.
	RemoveByValue Tolerance = "RemoveByValue"
)

// Neither Okta nor Entra checks values before sending them, and Okta takes 400 for a final answer; so what has only one meaning is taken.
var (
	oktaPut = []Tolerance{
		UnknownSchemas, MissingSchemas, UnknownAttributes, UnqualifiedExtension, StringBooleans, EmptyStringClears, ComplexAsString, ArrayForSingle,
		SingleForArray, MultiplePrimaries, FlatKeys,
	}
	oktaPatch  = []Tolerance{ReadOnlyInPatch}
	entraForms = []Tolerance{ComplexAsJSONText, OperationCase, ReplaceCreatesTarget, RemoveByValue}
)

// presets are the dialects by name.
var presets = map[string]Dialect{
	"okta":            NewDialect("okta", slices.Concat(oktaPut, oktaPatch)...),
	"okta-aiw":        NewDialect("okta-aiw", oktaPut...),
	"entra":           NewDialect("entra", slices.Concat(oktaPut, oktaPatch, entraForms)...),
	"entra-compliant": NewDialect("entra-compliant", slices.Concat(oktaPut, oktaPatch, entraForms)...),
	"onelogin":        NewDialect("onelogin", slices.Concat(oktaPut, oktaPatch)...),
	"jumpcloud":       NewDialect("jumpcloud", slices.Concat(oktaPut, oktaPatch, entraForms)...),
	"ping":            NewDialect("ping", slices.Concat(oktaPut, oktaPatch)...),
	"sailpoint":       NewDialect("sailpoint", slices.Concat(oktaPut, oktaPatch)...),
	"strict":          NewDialect("strict"),
}

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

// DialectByName gives the preset: "okta", "okta-aiw", "entra", "strict".
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
