// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// normalizer turns decoded JSON into the values that a resource holds: types checked against the schema, names spelled as there, null and empty values gone,
// read-only sub-attributes left out.
type normalizer struct {
	rt   *ResourceType
	opts Options
}

// unknown decides about a name inside a complex value that the schema does not define.
func (n *normalizer) unknown(name string) error {
	if n.opts.tolerates(UnknownAttributes) {
		return nil
	}
	return InvalidSyntax("attribute %q is not defined by the schemas of %s; leave it out", clip(name), n.rt.Name)
}

// value normalizes the value of an attribute; the result is nil for no value. label names the attribute in errors. single allows one value without the array
// for a multi-valued attribute.
func (n *normalizer) value(a *Attribute, label string, v any, single bool) (any, error) {
	if v == nil {
		return nil, nil
	}
	if !a.MultiValued {
		return n.single(a, label, v)
	}
	list, ok := v.([]any)
	if !ok {
		var err error
		if list, err = n.asList(a, label, v, single); err != nil {
			return nil, err
		}
	}
	out := make([]any, 0, len(list))
	for _, e := range list {
		x, err := n.element(a, label, e)
		if err != nil {
			return nil, err
		}
		if x != nil {
			out = append(out, x)
		}
	}
	if err := checkCount(label, out); err != nil {
		return nil, err
	}
	if err := n.onePrimary(a, label, out); err != nil {
		return nil, err
	}
	return listOrNil(out), nil
}

func checkCount(label string, list []any) error {
	if len(list) > MaxValues {
		return InvalidValue("attribute %q: more than %d values", label, MaxValues)
	}
	return nil
}

// asList makes a list of what is no array.
func (n *normalizer) asList(a *Attribute, label string, v any, single bool) ([]any, error) {
	if x, ok := n.fromJSONText(a, v); ok {
		if list, ok := x.([]any); ok {
			return list, nil
		}
		v = x
	}
	if s, ok := v.(string); ok && s == "" && n.opts.tolerates(EmptyStringClears) {
		return nil, nil
	}
	if o, ok := v.(*Object); ok && o.Len() == 0 {
		return nil, nil
	}
	if single {
		return []any{v}, nil
	}
	return nil, InvalidValue("attribute %q: expected an array, found %s", label, describe(v))
}

// single normalizes the value of a single-valued attribute.
func (n *normalizer) single(a *Attribute, label string, v any) (any, error) {
	if x, ok := n.fromJSONText(a, v); ok {
		v = x
	}
	if list, ok := v.([]any); ok {
		switch {
		case len(list) == 0:
			return nil, nil
		case len(list) == 1 && n.opts.tolerates(ArrayForSingle):
			v = list[0]
		default:
			return nil, InvalidValue("attribute %q takes one value: expected %s, found an array", label, expectedType(a))
		}
	}
	return n.element(a, label, v)
}

// fromJSONText reads a complex value that was sent as text.
func (n *normalizer) fromJSONText(a *Attribute, v any) (any, bool) {
	s, ok := v.(string)
	if !ok || a.Type != TypeComplex {
		return nil, false
	}
	s = strings.TrimSpace(s)
	if s == "" || s[0] != '{' && s[0] != '[' {
		return nil, false
	}
	x, err := decodeJSON([]byte(s))
	if err != nil || !n.opts.tolerates(ComplexAsJSONText) {
		return nil, false
	}
	return x, true
}

// element normalizes one value: that of a single-valued attribute, or one of a multi-valued attribute.
func (n *normalizer) element(a *Attribute, label string, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	if s, ok := v.(string); ok && s == "" && !a.Required && n.opts.tolerates(EmptyStringClears) {
		return nil, nil
	}
	switch a.Type {
	case TypeComplex:
		return n.complex(a, label, v)
	case TypeBoolean:
		return n.boolean(label, v)
	case TypeInteger, TypeDecimal:
		number, ok := v.(json.Number)
		if !ok || a.Type == TypeInteger && !parseDecimal(string(number)).isInteger() {
			return nil, wrongType(a, label, v)
		}
		return number, nil
	}
	s, ok := v.(string)
	if !ok {
		return nil, wrongType(a, label, v)
	}
	switch a.Type {
	case TypeDateTime:
		if _, ok := parseDateTime(s); !ok {
			return nil, InvalidValue("attribute %q: expected a date and time such as 2026-01-31T08:00:00Z", label)
		}
	case TypeBinary:
		if !isBase64(s) {
			return nil, InvalidValue("attribute %q: expected base64 text (RFC 4648)", label)
		}
	}
	return s, nil
}

func (n *normalizer) boolean(label string, v any) (any, error) {
	b, ok := asBoolean(v, n.opts)
	if !ok {
		return nil, InvalidValue("attribute %q: expected true or false, found %s", label, describe(v))
	}
	return b, nil
}

// asBoolean reads a boolean, which some clients send as text.
func asBoolean(v any, o Options) (value, ok bool) {
	if s, isText := v.(string); isText {
		value = strings.EqualFold(s, "true")
		return value, (value || strings.EqualFold(s, "false")) && o.tolerates(StringBooleans)
	}
	value, ok = v.(bool)
	return value, ok
}

// complex normalizes an object with sub-attributes.
func (n *normalizer) complex(a *Attribute, label string, v any) (any, error) {
	if _, isString := v.(string); isString {
		if sub := a.defaultSub(); sub != nil && n.opts.tolerates(ComplexAsString) {
			v = &Object{[]field{{sub.Name, v}}}
		}
	}
	in, ok := v.(*Object)
	if !ok {
		return nil, wrongType(a, label, v)
	}
	in = n.unwrapped(a, in)
	out := &Object{make([]field, 0, len(in.fields))}
	for _, f := range in.fields {
		sub := a.Sub(f.name)
		if sub == nil {
			if f.value = compact(f.value); f.value == nil {
				continue
			}
			if err := n.unknown(label + "." + f.name); err != nil {
				return nil, err
			}
			out.fields = append(out.fields, f)
			continue
		}
		if sub.Mutability == ReadOnly {
			continue
		}
		x, err := n.value(sub, label+"."+sub.Name, f.value, false)
		if err != nil {
			return nil, err
		}
		if x != nil {
			out.fields = append(out.fields, field{sub.Name, x})
		}
	}
	return objectOrNil(out), nil
}

// unwrapped gives the object that stands as JSON text in the one field "value" of an object, as in [{"value": "{\"value\":\"x\",\"displayName\":\"X\"}"}].
// An object without a value of its own is taken for the text that it is.
func (n *normalizer) unwrapped(a *Attribute, o *Object) *Object {
	if o.Len() != 1 {
		return o
	}
	x, ok := o.Get("value").(string)
	if !ok || !strings.HasPrefix(strings.TrimSpace(x), "{") {
		return o
	}
	v, err := decodeJSON([]byte(x))
	inner, ok := v.(*Object)
	if err != nil || !ok || inner.Get("value") == nil || a.defaultSub() == nil || !n.opts.tolerates(ComplexAsJSONText) {
		return o
	}
	return inner
}

// onePrimary leaves primary true on the first element that has it (RFC 7643 2.4). list is changed, its elements are not.
func (n *normalizer) onePrimary(a *Attribute, label string, list []any) error {
	if a.Sub("primary") == nil {
		return nil
	}
	found := false
	for i, e := range list {
		if !isPrimary(e) {
			continue
		}
		if found {
			if !n.opts.tolerates(MultiplePrimaries) {
				return InvalidValue("attribute %q: primary may be true on one value only", label)
			}
			list[i] = e.(*Object).with("primary", false)
		}
		found = true
	}
	return nil
}

func isPrimary(element any) bool {
	o, ok := element.(*Object)
	return ok && o.Get("primary") == true
}

// compact removes null, empty arrays and empty objects from a value of which no schema is known (RFC 7643 2.5).
func compact(v any) any {
	switch v := v.(type) {
	case *Object:
		out := &Object{make([]field, 0, len(v.fields))}
		for _, f := range v.fields {
			if f.value = compact(f.value); f.value != nil {
				out.fields = append(out.fields, f)
			}
		}
		return objectOrNil(out)
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if e = compact(e); e != nil {
				out = append(out, e)
			}
		}
		return listOrNil(out)
	}
	return v
}

func wrongType(a *Attribute, label string, v any) *Error {
	return InvalidValue("attribute %q: expected %s, found %s", label, expectedType(a), describe(v))
}

func expectedType(a *Attribute) string {
	switch a.Type {
	case TypeComplex:
		return "an object"
	case TypeBoolean:
		return "true or false"
	case TypeInteger:
		return "an integer"
	case TypeDecimal:
		return "a number"
	}
	return "a string"
}

func isBase64(s string) bool {
	s = strings.TrimRight(s, "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if _, err := enc.DecodeString(s); err == nil {
			return true
		}
	}
	return false
}

// checkName refuses names that a person could not tell from others, or that would differ from what they look like: the attributes that identify a resource
// (userName, a group's displayName) are the required ones.
func checkName(a *Attribute, v any) error {
	s, ok := v.(string)
	if !a.Required || !ok {
		return nil
	}
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	switch {
	case s == "":
		return missing(a)
	case unicode.IsSpace(first) || unicode.IsSpace(last):
		return InvalidValue("attribute %q begins or ends with white space; remove it", a.Name)
	case strings.ContainsFunc(s, unicode.IsControl):
		return InvalidValue("attribute %q contains a control character; remove it", a.Name)
	case utf8.RuneCountInString(s) > MaxNameLength:
		return InvalidValue("attribute %q is longer than %d characters; shorten it", a.Name, MaxNameLength)
	}
	return nil
}

func missing(a *Attribute) *Error {
	return InvalidValue("attribute %q is required and has no value; check that it is mapped and not empty", a.Name)
}
