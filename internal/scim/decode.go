// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of what a body may hold, so that no request costs more than its size is worth. Members of a group have no limit here.
const (
	// MaxJSONDepth limits the nesting of objects and arrays. A SCIM resource needs four levels.
	MaxJSONDepth = 32
	// MaxNames limits the names in one JSON object and the attributes of a resource.
	MaxNames = 512
	// MaxValues limits the values of a multi-valued attribute.
	MaxValues = 1024
	// MaxNameLength limits userName and the displayName of a group, in characters.
	MaxNameLength = 1024
)

// decoder reads JSON more strictly than encoding/json: duplicate names (in any letter case: RFC 7643 2.1), invalid UTF-8 and lone surrogates are errors, since
// each would let two readers of one body see different things. Null, empty arrays and empty objects are still there after it. A password is not: the value
// of such a field is skipped, wherever it stands.
type decoder struct {
	data  []byte
	pos   int
	depth int
}

// decodeJSON decodes one JSON value and nothing after it.
func decodeJSON(data []byte) (any, error) {
	d := &decoder{data: data}
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	d.space()
	if d.pos < len(d.data) {
		return nil, d.fail("expected the end of the body after the JSON value")
	}
	return v, nil
}

// decodeObject decodes a body that has to be a JSON object.
func decodeObject(data []byte) (*Object, error) {
	v, err := decodeJSON(data)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*Object)
	if !ok {
		return nil, InvalidSyntax("the body has to be a JSON object, found %s", describe(v))
	}
	return o, nil
}

func (d *decoder) fail(format string, args ...any) *Error { return d.failAt(d.pos, format, args...) }

func (d *decoder) failAt(offset int, format string, args ...any) *Error {
	return located(ScimTypeInvalidSyntax, "JSON", offset+1, format, args)
}

func (d *decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// peek gives the next byte that is not white space, or 0 at the end.
func (d *decoder) peek() byte {
	d.space()
	if d.pos == len(d.data) {
		return 0
	}
	return d.data[d.pos]
}

func (d *decoder) value() (any, error) {
	switch c := d.peek(); {
	case c == '{':
		return d.nested(d.object)
	case c == '[':
		return d.nested(d.array)
	case c == '"':
		return d.string()
	case c == '-' || '0' <= c && c <= '9':
		return d.number()
	case c == 't':
		return true, d.literal("true")
	case c == 'f':
		return false, d.literal("false")
	case c == 'n':
		return nil, d.literal("null")
	case d.pos == len(d.data):
		return nil, d.fail("expected a value, found the end of the body")
	}
	return nil, d.fail("expected a JSON value")
}

func (d *decoder) nested(read func() (any, error)) (any, error) {
	d.depth++
	defer func() { d.depth-- }()
	if d.depth > MaxJSONDepth {
		return nil, d.fail("nested deeper than %d levels", MaxJSONDepth)
	}
	return read()
}

func (d *decoder) literal(word string) error {
	if len(d.data)-d.pos < len(word) || string(d.data[d.pos:d.pos+len(word)]) != word {
		return d.fail("expected a JSON value")
	}
	d.pos += len(word)
	return nil
}

func (d *decoder) object() (any, error) {
	d.pos++ // {
	o := &Object{}
	var names nameSet
	if d.peek() == '}' {
		d.pos++
		return o, nil
	}
	for {
		if d.peek() != '"' {
			return nil, d.fail("expected a name in double quotes")
		}
		start := d.pos
		name, err := d.name()
		if err != nil {
			return nil, err
		}
		if names.n == MaxNames {
			return nil, d.failAt(start, "an object has more than %d names", MaxNames)
		}
		if !names.add(name) {
			return nil, d.failAt(start, "the name %q appears twice in one object (names ignore letter case); send it once", clip(name))
		}
		if d.peek() != ':' {
			return nil, d.fail("expected ':' after the name %q", clip(name))
		}
		d.pos++
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		if !isPassword(name) {
			if o.fields == nil {
				o.fields = make([]field, 0, 4)
			}
			o.fields = append(o.fields, field{name, v})
		}
		switch d.peek() {
		case ',':
			d.pos++
		case '}':
			d.pos++
			return o, nil
		default:
			return nil, d.fail("expected ',' or '}' after the value of %q", clip(name))
		}
	}
}

func (d *decoder) array() (any, error) {
	d.pos++ // [
	list := []any{}
	if d.peek() == ']' {
		d.pos++
		return list, nil
	}
	for {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		switch d.peek() {
		case ',':
			d.pos++
		case ']':
			d.pos++
			return list, nil
		default:
			return nil, d.fail("expected ',' or ']' after an element of an array")
		}
	}
}

// knownNames saves an allocation for each name that a schema defines.
var knownNames = func() map[string]string {
	m := map[string]string{}
	var add func(list []*Attribute)
	add = func(list []*Attribute) {
		for _, a := range list {
			m[a.Name] = a.Name
			add(a.SubAttributes)
		}
	}
	add(commonAttributes)
	for _, s := range CoreSchemas() {
		m[s.ID] = s.ID
		add(s.Attributes)
	}
	for _, name := range []string{"Operations", "op", "path"} {
		m[name] = name
	}
	return m
}()

func (d *decoder) name() (string, error) {
	for i := d.pos + 1; i < len(d.data); i++ {
		if d.data[i] == '"' {
			if known, ok := knownNames[string(d.data[d.pos+1:i])]; ok {
				d.pos = i + 1
				return known, nil
			}
			break
		}
	}
	return d.string()
}

func (d *decoder) string() (string, error) {
	start := d.pos
	d.pos++ // "
	begin := d.pos
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; {
		case c == '"':
			s := string(d.data[begin:d.pos])
			d.pos++
			return s, nil
		case c == '\\':
			return d.escaped(start, append([]byte(nil), d.data[begin:d.pos]...))
		case c < 0x20:
			return "", d.fail("control character in a string; write it as \\u%04x", c)
		case c < utf8.RuneSelf:
			d.pos++
		default:
			r, n := utf8.DecodeRune(d.data[d.pos:])
			if r == utf8.RuneError && n == 1 {
				return "", d.fail("a string is not valid UTF-8")
			}
			d.pos += n
		}
	}
	return "", d.failAt(start, "a string is not closed")
}

// escaped goes on with a string from its first backslash; buf has what came before.
func (d *decoder) escaped(start int, buf []byte) (string, error) {
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; {
		case c == '"':
			d.pos++
			return string(buf), nil
		case c == '\\':
			r, err := d.escape()
			if err != nil {
				return "", err
			}
			buf = utf8.AppendRune(buf, r)
		case c < 0x20:
			return "", d.fail("control character in a string; write it as \\u%04x", c)
		case c < utf8.RuneSelf:
			buf = append(buf, c)
			d.pos++
		default:
			r, n := utf8.DecodeRune(d.data[d.pos:])
			if r == utf8.RuneError && n == 1 {
				return "", d.fail("a string is not valid UTF-8")
			}
			buf = append(buf, d.data[d.pos:d.pos+n]...)
			d.pos += n
		}
	}
	return "", d.failAt(start, "a string is not closed")
}

var simpleEscapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (d *decoder) escape() (rune, error) {
	start := d.pos
	if d.pos+1 >= len(d.data) {
		return 0, d.fail("a string is not closed")
	}
	c := d.data[d.pos+1]
	if r, ok := simpleEscapes[c]; ok {
		d.pos += 2
		return r, nil
	}
	if c != 'u' {
		return 0, d.fail("unknown escape sequence in a string")
	}
	r, ok := d.hex()
	if !ok {
		return 0, d.failAt(start, "\\u has to be followed by four hexadecimal digits")
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if d.pos+1 < len(d.data) && d.data[d.pos] == '\\' && d.data[d.pos+1] == 'u' {
		if low, ok := d.hex(); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, nil
			}
		}
	}
	return 0, d.failAt(start, "half of a surrogate pair in a string")
}

// hex reads \uXXXX at the position.
func (d *decoder) hex() (rune, bool) {
	if d.pos+6 > len(d.data) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(d.data[d.pos+2:d.pos+6]), 16, 32)
	if err != nil {
		return 0, false
	}
	d.pos += 6
	return rune(n), true
}

// number reads a number and keeps its literal.
func (d *decoder) number() (json.Number, error) {
	start := d.pos
	if d.data[d.pos] == '-' {
		d.pos++
	}
	leadingZero := d.pos < len(d.data) && d.data[d.pos] == '0'
	if n := d.digits(); n == 0 || leadingZero && n > 1 {
		return "", d.failAt(start, "not a JSON number")
	}
	if d.pos < len(d.data) && d.data[d.pos] == '.' {
		d.pos++
		if d.digits() == 0 {
			return "", d.failAt(start, "not a JSON number: no digit after the point")
		}
	}
	if d.pos < len(d.data) && (d.data[d.pos] == 'e' || d.data[d.pos] == 'E') {
		d.pos++
		if d.pos < len(d.data) && (d.data[d.pos] == '+' || d.data[d.pos] == '-') {
			d.pos++
		}
		switch n := d.digits(); {
		case n == 0:
			return "", d.failAt(start, "not a JSON number: no digit in the exponent")
		case n > maxExponentDigits:
			return "", d.failAt(start, "a number is out of range")
		}
	}
	return json.Number(d.data[start:d.pos]), nil
}

func (d *decoder) digits() int {
	start := d.pos
	for d.pos < len(d.data) && '0' <= d.data[d.pos] && d.data[d.pos] <= '9' {
		d.pos++
	}
	return d.pos - start
}

// nameSet finds names that differ in letter case only. Small sets are searched, large ones hashed.
type nameSet struct {
	n    int
	few  [12]string
	many map[string]bool
}

// add reports whether the name is new.
func (s *nameSet) add(name string) bool {
	if s.many == nil && s.n == len(s.few) {
		s.many = make(map[string]bool, 2*len(s.few))
		for _, other := range s.few {
			s.many[nameKey(other)] = true
		}
	}
	if s.many != nil {
		key := nameKey(name)
		if s.many[key] {
			return false
		}
		s.many[key] = true
		s.n++
		return true
	}
	for _, other := range s.few[:s.n] {
		if equalName(other, name) {
			return false
		}
	}
	s.few[s.n] = name
	s.n++
	return true
}

// isPassword reports whether a name, which may be dotted or qualified by a URN, is that of a password.
func isPassword(name string) bool {
	const password = "password"
	n := len(name) - len(password)
	return n >= 0 && equalName(name[n:], password) && (n == 0 || name[n-1] == ':' || name[n-1] == '.')
}

// clip shortens a name from a body for an error text.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	// Not in the middle of a character; but a filter need not be UTF-8 at all.
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

// describe names the JSON type of a value, for error texts.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case *Object:
		return "an object"
	case []any:
		return "an array"
	default:
		panic(fmt.Sprintf("scim: no JSON value: %T", v))
	}
}
