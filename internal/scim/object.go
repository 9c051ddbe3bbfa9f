// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// Object is a JSON object that keeps the order of its fields. Names are compared without regard to (ASCII) letter case (RFC 7643 2.1).
//
// A value inside an object is one of: string, bool, [json.Number] (the literal as it was sent, so no digit is lost), *Object, or []any of these. There is no
// null, no empty array and no empty object: they are the same as an absent attribute (RFC 7643 2.5).
//
// An object that is part of a resource is never changed in place; resources share them.
type Object struct{ fields []field }

type field struct {
	name  string
	value any
}

// NewObject is an empty object with room for n fields.
func NewObject(n int) *Object { return &Object{make([]field, 0, n)} }

// Append adds a field to an object that is not part of anything yet. It is for trusted data: the name is canonical and not there yet, the value is of the types that an
// Object holds. Nil is left out.
func (o *Object) Append(name string, value any) {
	if value != nil {
		o.fields = append(o.fields, field{name, value})
	}
}

// Value is the object, or nil where it is empty, as the value of a field has to be.
func (o *Object) Value() any { return objectOrNil(o) }

// Get gives the value of the field of that name, or nil.
func (o *Object) Get(name string) any {
	if i := o.index(name); i >= 0 {
		return o.fields[i].value
	}
	return nil
}

// Len counts the fields.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.fields)
}

// Range calls f for each field in order, until f returns false.
func (o *Object) Range(f func(name string, value any) bool) {
	if o == nil {
		return
	}
	for _, x := range o.fields {
		if !f(x.name, x.value) {
			return
		}
	}
}

// all gives the fields, of nil too.
func (o *Object) all() []field {
	if o == nil {
		return nil
	}
	return o.fields
}

func (o *Object) index(name string) int {
	if o == nil {
		return -1
	}
	for i := range o.fields {
		if o.fields[i].name == name {
			return i
		}
	}
	for i := range o.fields {
		if equalName(o.fields[i].name, name) {
			return i
		}
	}
	return -1
}

// with gives an object with the field set, or without it if the value is nil. The object itself is not changed. The result is nil if no field is left.
func (o *Object) with(name string, value any) *Object {
	i := o.index(name)
	switch {
	case i < 0 && value == nil:
		return o
	case i < 0:
		var fields []field
		if o != nil {
			fields = o.fields
		}
		return &Object{append(slices.Clip(fields), field{name, value})}
	case value == nil:
		if len(o.fields) == 1 {
			return nil
		}
		return &Object{slices.Concat(o.fields[:i], o.fields[i+1:])}
	}
	fields := slices.Clone(o.fields)
	fields[i].value = value
	return &Object{fields}
}

// put sets a field in place: only for an object that nobody else has.
func (o *Object) put(name string, value any) {
	if i := o.index(name); i >= 0 {
		o.fields[i].value = value
		return
	}
	o.fields = append(o.fields, field{name, value})
}

// objectOrNil avoids an interface that holds a nil *Object.
func objectOrNil(o *Object) any {
	if o.Len() == 0 {
		return nil
	}
	return o
}

func listOrNil(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

// fromGo converts trusted Go data to the types that an Object holds. Null and empty values become nil; a password is left out.
func fromGo(v any) any {
	switch v := v.(type) {
	case string, bool, json.Number:
		return v
	case *Object:
		return objectOrNil(v)
	case int:
		return json.Number(strconv.Itoa(v))
	case int32:
		return json.Number(strconv.FormatInt(int64(v), 10))
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case float64:
		return json.Number(strconv.FormatFloat(v, 'g', -1, 64))
	case *bool:
		if v == nil {
			return nil
		}
		return *v
	case []any:
		return listFromGo(v)
	case []string:
		return listFromGo(v)
	case []map[string]any:
		return listFromGo(v)
	case []*Object:
		return listFromGo(v)
	case map[string]any:
		o := &Object{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if x := fromGo(v[name]); x != nil && !isPassword(name) {
				o.fields = append(o.fields, field{name, x})
			}
		}
		return objectOrNil(o)
	}
	return nil
}

func listFromGo[T any](in []T) any {
	list := make([]any, 0, len(in))
	for _, e := range in {
		if x := fromGo(e); x != nil {
			list = append(list, x)
		}
	}
	return listOrNil(list)
}

// toGo is the reverse of fromGo, to what encoding/json decodes into.
func toGo(v any) any {
	switch v := v.(type) {
	case *Object:
		m := make(map[string]any, v.Len())
		for _, f := range v.fields {
			m[f.name] = toGo(f.value)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = toGo(e)
		}
		return list
	}
	return v
}
