// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"net/url"
	"strings"
)

// bulkIDPrefix marks a reference to what another operation makes (RFC 7644 3.7.2).
const bulkIDPrefix = "bulkId:"

// findNeeds collects the references of an operation: in its path, as a whole string anywhere in its data, and as a quoted text within a string there, as in the path
// members[value eq "bulkId:x"] of a PATCH.
func (op *bulkOp) findNeeds() {
	known := map[string]bool{}
	note := func(id string) {
		if !known[id] {
			known[id] = true
			op.needs = append(op.needs, id)
		}
	}
	if _, id, ok := cutPathRef(op.path); ok {
		note(id)
	}
	eachRef(op.data, note)
}

// cutPathRef finds the reference in "/Users/bulkId:x".
func cutPathRef(path string) (endpoint, id string, ok bool) {
	endpoint, id, ok = strings.Cut(path, "/"+bulkIDPrefix)
	if plain, err := url.PathUnescape(id); err == nil {
		id = plain
	}
	return endpoint, id, ok
}

// resolvedPath is the path with the id in the place of a reference.
func (op *bulkOp) resolvedPath(ids map[string]string) string {
	endpoint, id, ok := cutPathRef(op.path)
	if !ok {
		return op.path
	}
	return endpoint + "/" + ids[id]
}

func eachRef(v any, f func(id string)) {
	switch v := v.(type) {
	case string:
		refsOfText(v, f)
	case []any:
		for _, e := range v {
			eachRef(e, f)
		}
	case *Object:
		for _, field := range v.fields {
			refsOfText(field.name, f)
			eachRef(field.value, f)
		}
	}
}

func refsOfText(s string, f func(id string)) {
	if id, ok := strings.CutPrefix(s, bulkIDPrefix); ok {
		f(id)
		return
	}
	rewriteQuoted(s, func(id string) (string, bool) {
		f(id)
		return "", false
	})
}

// rewriteQuoted replaces the references among the texts in double quotes within a string. resolve gives the new text, and false to leave it as it is.
func rewriteQuoted(s string, resolve func(id string) (string, bool)) string {
	if !strings.Contains(s, `"`+bulkIDPrefix) {
		return s
	}
	var out []byte
	for pos := 0; pos < len(s); {
		if s[pos] != '"' {
			out = append(out, s[pos])
			pos++
			continue
		}
		d := &decoder{data: []byte(s[pos:])}
		text, err := d.string()
		if err != nil {
			return string(append(out, s[pos:]...))
		}
		literal := s[pos : pos+d.pos]
		if id, ok := strings.CutPrefix(text, bulkIDPrefix); ok {
			if to, ok := resolve(id); ok {
				literal = string(appendString(nil, to))
			}
		}
		out = append(out, literal...)
		pos += d.pos
	}
	return string(out)
}

// resolver puts ids in the place of references. What refers to a bulkId that has no id yet is left out of the result: the element of an array or the attribute of the
// resource that it stands in.
type resolver struct {
	ids map[string]string
	// leftOut are the names of the attributes that were left out or shortened.
	leftOut []string
}

// resource resolves the body of a request.
func (r *resolver) resource(v any) any {
	in, ok := v.(*Object)
	if !ok {
		out, _ := r.value(v)
		return out
	}
	return r.fields(in, true)
}

// fields resolves the attributes of a resource or, at the top, of its extensions, which do not go as a whole.
func (r *resolver) fields(in *Object, top bool) *Object {
	out := &Object{make([]field, 0, len(in.fields))}
	for _, f := range in.fields {
		before := len(r.leftOut)
		var whole bool
		name, nameWhole := r.text(f.name)
		if extension, ok := f.value.(*Object); ok && top && isURN(f.name) {
			f.value, whole = r.fields(extension, false), true
		} else {
			f.value, whole = r.value(f.value)
		}
		if !whole || !nameWhole || len(r.leftOut) > before {
			r.leftOut = append(r.leftOut[:before], f.name)
		}
		if whole && nameWhole {
			out.fields = append(out.fields, field{name, f.value})
		}
	}
	return out
}

// value is false where the value as a whole has to be left out.
func (r *resolver) value(v any) (any, bool) {
	switch v := v.(type) {
	case string:
		return r.text(v)
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if x, whole := r.value(e); whole {
				out = append(out, x)
			} else {
				r.leftOut = append(r.leftOut, "")
			}
		}
		return out, true
	case *Object:
		out := &Object{make([]field, 0, len(v.fields))}
		for _, f := range v.fields {
			name, ok := r.text(f.name)
			x, whole := r.value(f.value)
			if !ok || !whole {
				return nil, false
			}
			out.fields = append(out.fields, field{name, x})
		}
		return out, true
	}
	return v, true
}

func (r *resolver) text(s string) (string, bool) {
	if id, ok := strings.CutPrefix(s, bulkIDPrefix); ok {
		to, ok := r.ids[id]
		return to, ok
	}
	whole := true
	s = rewriteQuoted(s, func(id string) (string, bool) {
		to, ok := r.ids[id]
		whole = whole && ok
		return to, ok
	})
	return s, whole
}

// required gives the name of an attribute that was left out and that a resource of the endpoint cannot be made without, or "".
func (r *resolver) required(endpoint string) string {
	for _, rt := range CoreResourceTypes() {
		if rt.Endpoint != endpoint {
			continue
		}
		for _, name := range r.leftOut {
			if a := rt.core(name); a != nil && a.Required {
				return a.Name
			}
		}
	}
	return ""
}
