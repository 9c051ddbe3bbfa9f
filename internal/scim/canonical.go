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
	return r.rt == other.rt && (r.obj == other.obj && slices.Equal(r.foreign, other.foreign) || bytes.Equal(CanonicalJSON(r), CanonicalJSON(other)))
}

// equalButMembers is Equal for what a group is besides its members, which may be many.
func equalButMembers(x, y *Resource) bool {
	return bytes.Equal(canonicalWithMembers(x, MemberDigest{}), canonicalWithMembers(y, MemberDigest{}))
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
	r.obj.Range(func(name string, value any) bool {
		if s := r.rt.extension(name); s != nil {
			fields = append(fields, canonicalField{name, &Attribute{Type: TypeComplex, SubAttributes: s.Attributes}, value})
			return true
		}
		if a := r.rt.core(name); a == nil || a.Mutability != ReadOnly && !isMembers(r.rt, a) {
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
		var room [8]canonicalField
		fields := room[:0]
		for _, f := range v.fields {
			if sub, ok := writable(a, f.name); ok {
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
		return ok && (x == o || equalObjects(attr, x, o))
	}
	if y == nil {
		return false
	}
	return bytes.Equal(appendCanonical(nil, attr, x), appendCanonical(nil, attr, y))
}

func equalObjects(attr *Attribute, x, y *Object) bool {
	n := 0
	for _, f := range x.fields {
		sub, counts := writable(attr, f.name)
		if !counts {
			continue
		}
		n++
		if i := y.index(f.name); i < 0 || y.fields[i].name != f.name || !equalValues(sub, f.value, y.fields[i].value) {
			return false
		}
	}
	for _, f := range y.fields {
		if _, counts := writable(attr, f.name); counts {
			n--
		}
	}
	return n == 0
}

// writable gives the definition of a sub-attribute, if there is one, and whether a client can write it.
func writable(attr *Attribute, name string) (sub *Attribute, ok bool) {
	if attr != nil {
		sub = attr.Sub(name)
	}
	return sub, sub == nil || sub.Mutability != ReadOnly
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
