// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
)

// Equal reports whether both hold the same client-writable content: ignoring id, meta and other read-only attributes, the order of names and of the elements
// of multi-valued attributes, the spelling of numbers, and everything of a group's members but their ids. Letter case in values counts.
func (r *Resource) Equal(other *Resource) bool {
	return r.rt == other.rt && equalButMembers(r, other) && DigestMembers(r.Members()) == DigestMembers(other.Members())
}

// equalButMembers is Equal for what a group is besides its members, which may be many.
func equalButMembers(x, y *Resource) bool {
	if x.obj != y.obj && !equalObjects(x.rt.definition(), x.obj, y.obj) {
		return false
	}
	if slices.Equal(x.foreign, y.foreign) {
		return true
	}
	a, b := x.Schemas(), y.Schemas()
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// CanonicalJSON gives the resource's client-writable content (without id, meta, and the derived groups of a user) in one form for all Equal resources. The members of a
// group appear as their digest.
func CanonicalJSON(r *Resource) []byte {
	return canonicalWithMembers(r, DigestMembers(r.Members()))
}

func canonicalWithMembers(r *Resource, d MemberDigest) []byte {
	schemas := r.Schemas()
	slices.Sort(schemas)
	fields := make([]canonicalField, 0, 1+r.obj.Len())
	fields = append(fields, canonicalField{"schemas", nil, listFromGo(schemas)})
	if d != (MemberDigest{}) {
		fields = append(fields, canonicalField{membersAttribute.Name, nil, d.text()})
	}
	define := r.rt.definition()
	r.obj.Range(func(name string, value any) bool {
		if a, ok := define(name); ok {
			fields = append(fields, canonicalField{name, a, value})
		}
		return true
	})
	return appendFields(make([]byte, 0, 1024), fields)
}

// canonicalField is a field with its definition, if there is one.
type canonicalField struct {
	name  string
	attr  *Attribute
	value any
}

func appendFields(b []byte, fields []canonicalField) []byte {
	slices.SortFunc(fields, func(x, y canonicalField) int { return cmp.Compare(x.name, y.name) })
	b = append(b, '{')
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, f.name), ':')
		b = appendCanonical(b, f.attr, f.value)
	}
	return append(b, '}')
}

// appendCanonical appends a value: fields sorted, read-only ones left out, numbers in one spelling, the elements of a multi-valued attribute sorted (they have no order:
// RFC 7643 2.4). Arrays of which no schema is known keep their order.
func appendCanonical(b []byte, a *Attribute, v any) []byte {
	switch v := v.(type) {
	case json.Number:
		return append(b, parseDecimal(string(v)).String()...)
	case *Object:
		define := a.definition()
		var room [8]canonicalField
		fields := room[:0]
		for _, f := range v.fields {
			if sub, ok := define(f.name); ok {
				fields = append(fields, canonicalField{f.name, sub, f.value})
			}
		}
		return appendFields(b, fields)
	case []any:
		elements := make([][]byte, len(v))
		for i, e := range v {
			elements[i] = appendCanonical(nil, a, e)
		}
		if a != nil {
			slices.SortFunc(elements, bytes.Compare)
		}
		return append(append(append(b, '['), bytes.Join(elements, []byte{','})...), ']')
	}
	return appendJSON(b, v)
}

// equalValues compares two values of an attribute as their canonical forms would; attr is nil where no schema is known.
func equalValues(attr *Attribute, x, y any) bool {
	switch x := x.(type) {
	case nil, string, bool:
		return x == y
	case *Object:
		o, ok := y.(*Object)
		return ok && (x == o || equalObjects(attr.definition(), x, o))
	case []any:
		// Resources share the values that an operation does not touch.
		if list, ok := y.([]any); ok && len(x) > 0 && len(list) == len(x) && &list[0] == &x[0] {
			return true
		}
	}
	if y == nil {
		return false
	}
	return bytes.Equal(appendCanonical(nil, attr, x), appendCanonical(nil, attr, y))
}

func equalObjects(define definition, x, y *Object) bool {
	n := 0
	for _, f := range x.all() {
		sub, counts := define(f.name)
		if !counts {
			continue
		}
		n++
		if i := y.index(f.name); i < 0 || y.fields[i].name != f.name || !equalValues(sub, f.value, y.fields[i].value) {
			return false
		}
	}
	for _, f := range y.all() {
		if _, counts := define(f.name); counts {
			n--
		}
	}
	return n == 0
}

// definition gives the attribute that a name stands for, nil if no schema knows it, and whether it counts as content: what only the server writes does not.
type definition func(name string) (a *Attribute, counts bool)

// definition is that of the sub-attributes. a may be nil.
func (a *Attribute) definition() definition {
	return func(name string) (*Attribute, bool) {
		if a == nil {
			return nil, true
		}
		sub := a.Sub(name)
		return sub, sub == nil || sub.Mutability != ReadOnly
	}
}

// definition is that of a resource's attributes and extensions, but for the members of a group, which are compared by their digest.
func (rt *ResourceType) definition() definition {
	return func(name string) (*Attribute, bool) {
		if a := rt.core(name); a != nil {
			return a, a.Mutability != ReadOnly && !isMembers(rt, a)
		}
		if s := rt.extension(name); s != nil {
			return &Attribute{Type: TypeComplex, SubAttributes: s.Attributes}, true
		}
		return nil, true
	}
}

// ETag gives the weak entity tag W/"..." of the resource's content: the same for Equal resources, and untouched by meta.
func ETag(r *Resource) string { return ETagWithMembers(r, DigestMembers(r.Members())) }

// ETagWithMembers is the ETag of a group whose members are not loaded: the same as ETag of the group with the members that the digest was made from.
func ETagWithMembers(r *Resource, d MemberDigest) string {
	sum := sha256.Sum256(canonicalWithMembers(r, d))
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

func (d MemberDigest) text() string {
	b := make([]byte, 0, 8*len(d))
	for _, word := range d {
		b = binary.BigEndian.AppendUint64(b, word)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
