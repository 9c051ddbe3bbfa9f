// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"slices"
	"strings"
)

// Resource is a SCIM resource of one type: known attributes under their canonical names, unknown attributes and extensions as they were sent.
type Resource struct {
	rt *ResourceType
	// obj has the attributes and, under their URNs, the extensions; never "schemas", which is worked out from what is there.
	obj *Object
	// foreign are the URNs in "schemas" that the resource type does not have.
	foreign []string
}

// NewResource is an empty resource of the type.
func NewResource(rt *ResourceType) *Resource { return &Resource{rt: rt} }

// ResourceFromMap builds a resource from trusted data, such as a stored object: nothing is validated and read-only attributes are kept, but null, empty arrays
// and empty objects are left out, names get their canonical spelling, a password is dropped, and "schemas" is worked out. It takes the types that
// encoding/json produces, Go integers, *bool, []string, []map[string]any, *Object and []*Object.
func ResourceFromMap(rt *ResourceType, m map[string]any) *Resource {
	r := NewResource(rt)
	o, _ := fromGo(m).(*Object)
	// Nobody else has the new object yet: it is filled in place.
	obj := &Object{fields: make([]field, 0, o.Len())}
	for _, f := range o.all() {
		if equalName(f.name, "schemas") {
			r.setForeign(f.value)
			continue
		}
		name, subs := r.canonicalTop(f.name)
		obj.put(name, canonicalNames(subs, f.value))
	}
	if obj.Len() > 0 {
		r.obj = obj
	}
	return r
}

// ResourceOf is a resource of trusted data, with canonical names, without copying it: one that is only looked at, not shown.
func ResourceOf(rt *ResourceType, attributes *Object) *Resource {
	return &Resource{rt: rt, obj: attributes}
}

// Type gives the resource type.
func (r *Resource) Type() *ResourceType { return r.rt }

// Get gives the value at an attribute path ("userName", "name.givenName", "emails.value", `emails[type eq "work"].value`, URN-qualified names), or nil. A
// path through a multi-valued attribute gives []any with the value of each element that has one. What is no path gives nil.
func (r *Resource) Get(path string) any {
	if path == "schemas" {
		return listFromGo(r.Schemas())
	}
	if i := r.obj.index(path); i >= 0 {
		return r.obj.fields[i].value
	}
	p, err := ParsePath(path, r.rt, Options{Dialect: anyAttribute})
	if err != nil {
		return nil
	}
	return p.get(r)
}

// anyAttribute lets a path name what no schema defines: the server's own code may ask for anything.
var anyAttribute = NewDialect("", UnknownAttributes, UnqualifiedExtension)

// String gives the string at the path, the first one of a multi-valued attribute, or "".
func (r *Resource) String(path string) string {
	v := r.Get(path)
	if list, ok := v.([]any); ok {
		v = list[0]
	}
	s, _ := v.(string)
	return s
}

// Bool gives the boolean at the path, and whether there is one.
func (r *Resource) Bool(path string) (value, ok bool) {
	value, ok = r.Get(path).(bool)
	return value, ok
}

// ID gives the resource's id, or "".
func (r *Resource) ID() string {
	id, _ := r.obj.Get("id").(string)
	return id
}

// Schemas gives the resource's schema URNs: the core schema, then the extensions in use, then unknown ones as they were sent.
func (r *Resource) Schemas() []string {
	urns := []string{r.rt.Schema.ID}
	for _, e := range r.rt.Extensions {
		if r.obj.index(e.Schema.ID) >= 0 {
			urns = append(urns, e.Schema.ID)
		}
	}
	urns = append(urns, r.foreign...)
	r.obj.Range(func(name string, value any) bool {
		if isForeignExtension(r.rt, name, value) && !containsName(urns, name) {
			urns = append(urns, name)
		}
		return true
	})
	return urns
}

// isForeignExtension reports whether a field is the data of an extension that the resource type does not have.
func isForeignExtension(rt *ResourceType, name string, value any) bool {
	_, isObject := value.(*Object)
	return isObject && isURN(name) && rt.extension(name) == nil
}

// isURN tells a URN from an attribute name, which can hold no colon.
func isURN(name string) bool { return strings.IndexByte(name, ':') > 0 }

func containsName(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return equalName(s, name) })
}

// Set puts a value (of the types that ResourceFromMap takes) under a top-level name or an extension's URN, without validation. It is for the server's own
// attributes (id, meta, groups) and for rendering stored data. A nil or empty value deletes. A password is ignored.
func (r *Resource) Set(name string, value any) {
	v := fromGo(value)
	if equalName(name, "schemas") {
		r.setForeign(v)
		return
	}
	if isPassword(name) {
		return
	}
	name, subs := r.canonicalTop(name)
	r.obj = r.obj.with(name, canonicalNames(subs, v))
}

// Delete removes a top-level attribute or an extension.
func (r *Resource) Delete(name string) { r.obj = r.obj.with(name, nil) }

// setForeign takes what is unknown out of a list of schema URNs. The known ones are worked out.
func (r *Resource) setForeign(v any) {
	r.foreign = nil
	list, _ := v.([]any)
	for _, e := range list {
		r.addForeign(e)
	}
}

// addForeign adds a URN to the unknown ones, and reports whether it is unknown to the resource type.
func (r *Resource) addForeign(v any) bool {
	urn, ok := v.(string)
	if !ok || equalName(urn, r.rt.Schema.ID) || r.rt.extension(urn) != nil {
		return false
	}
	if !containsName(r.foreign, urn) {
		r.foreign = append(slices.Clip(r.foreign), urn)
	}
	return true
}

// canonicalTop gives the canonical spelling of a top-level name, and the attributes of its value if there is a definition.
func (r *Resource) canonicalTop(name string) (string, []*Attribute) {
	if a := r.rt.core(name); a != nil {
		return a.Name, a.SubAttributes
	}
	if s := r.rt.extension(name); s != nil {
		return s.ID, s.Attributes
	}
	return name, nil
}

// canonicalNames spells the names inside a value as the schema does.
func canonicalNames(attributes []*Attribute, v any) any {
	if attributes == nil {
		return v
	}
	switch v := v.(type) {
	case *Object:
		fields := make([]field, len(v.fields))
		for i, f := range v.fields {
			if a := findAttribute(attributes, f.name); a != nil {
				f = field{a.Name, canonicalNames(a.SubAttributes, f.value)}
			}
			fields[i] = f
		}
		return &Object{fields}
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = canonicalNames(attributes, e)
		}
		return list
	}
	return v
}

// Clone gives a copy that Set and Delete on the original do not change, and the other way round.
func (r *Resource) Clone() *Resource {
	c := *r
	return &c
}

// Map gives the resource as encoding/json would decode it into a map (with json.Number), "schemas" included. The map shares nothing with the resource.
func (r *Resource) Map() map[string]any {
	m := map[string]any{}
	if r.obj != nil {
		m, _ = toGo(r.obj).(map[string]any)
	}
	m["schemas"] = toGo(listFromGo(r.Schemas()))
	return m
}

// Range calls f for each top-level attribute and extension in order, "schemas" left out, until f returns false.
func (r *Resource) Range(f func(name string, value any) bool) { r.obj.Range(f) }

// MarshalJSON gives schemas and id first, meta last, and the rest in the order in which it came. Attributes that are returned never are left out.
func (r *Resource) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 1024), `{"schemas":`...)
	b = appendJSON(b, listFromGo(r.Schemas()))
	put := func(name string, value any) {
		b = append(appendString(append(b, ','), name), ':')
		b = appendJSON(b, value)
	}
	for _, name := range []string{"id", "externalId"} {
		if v := r.obj.Get(name); v != nil {
			put(name, v)
		}
	}
	r.obj.Range(func(name string, value any) bool {
		if a := r.rt.core(name); a != nil {
			switch {
			case a.Returned == ReturnedNever, a.Name == "id", a.Name == "externalId", a.Name == "meta":
				return true
			}
		}
		put(name, value)
		return true
	})
	if v := r.obj.Get("meta"); v != nil {
		put("meta", v)
	}
	return append(b, '}'), nil
}

var _ json.Marshaler = (*Resource)(nil)
