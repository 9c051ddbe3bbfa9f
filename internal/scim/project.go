// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "strings"

// Projection is the choice of attributes in an answer (RFC 7644 3.4.2.5, 3.9). The nil Projection is the default choice.
type Projection struct {
	requested bool
	// names are the attributes: a path without filter each.
	names []attrRef
}

// ParseProjection reads the parameters "attributes" and "excludedAttributes", each a list of names, split at commas or as an array. Both at once is 400
// invalidValue. Names that the type does not have are ignored, as are requests for attributes that are never returned. Where others are given, the choice is one for
// resources of any of the types.
func ParseProjection(attributes, excluded []string, rt *ResourceType, others ...*ResourceType) (*Projection, error) {
	wanted, unwanted := splitNames(attributes), splitNames(excluded)
	if len(wanted) > 0 && len(unwanted) > 0 {
		return nil, InvalidValue("\"attributes\" and \"excludedAttributes\" exclude each other (RFC 7644 3.9); send one of them")
	}
	if len(wanted) == 0 && len(unwanted) == 0 {
		return nil, nil
	}
	p := &Projection{requested: len(wanted) > 0}
	for _, name := range append(wanted, unwanted...) {
		for _, rt := range append([]*ResourceType{rt}, others...) {
			if ref, err := resolve(name, rt, Options{Dialect: anyAttribute}); err == nil {
				p.names = append(p.names, ref)
			}
		}
	}
	return p, nil
}

func splitNames(list []string) []string {
	var names []string
	for _, s := range list {
		for name := range strings.SplitSeq(s, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// Requested reports whether the client named "attributes", in which case a PATCH has to answer 200 with a body (RFC 7644 3.5.2).
func (p *Projection) Requested() bool { return p != nil && p.requested }

// Includes reports whether any part of the top-level attribute of the core schema is in the answer, so that the server need not load what it will not show.
func (p *Projection) Includes(name string) bool {
	if p == nil {
		return true
	}
	whole, part := p.mentions("", name)
	if p.requested {
		return whole || part
	}
	return !whole
}

// mentions reports whether an attribute is named, as a whole or by a sub-attribute.
func (p *Projection) mentions(urn, name string) (whole, part bool) {
	for _, ref := range p.names {
		if !equalName(ref.urn, urn) || !equalName(ref.name, name) {
			continue
		}
		if ref.subName == "" {
			whole = true
		} else {
			part = true
		}
	}
	return whole, part
}

// Project gives a copy of the resource with the chosen attributes. "schemas" is always there.
func Project(r *Resource, p *Projection) *Resource {
	out := &Resource{rt: r.rt, foreign: r.foreign, obj: &Object{make([]field, 0, r.obj.Len())}}
	r.obj.Range(func(name string, value any) bool {
		if v := p.project(r.rt, name, value); v != nil {
			out.obj.fields = append(out.obj.fields, field{name, v})
		}
		return true
	})
	return out
}

func (p *Projection) project(rt *ResourceType, name string, value any) any {
	s := rt.extension(name)
	if s == nil && !isForeignExtension(rt, name, value) {
		return p.attribute("", name, rt.core(name), value)
	}
	if p != nil {
		if whole, _ := p.mentions(name, ""); whole {
			return chosen(p.requested, value)
		}
	}
	o, ok := value.(*Object)
	if !ok {
		return nil
	}
	out := &Object{make([]field, 0, len(o.fields))}
	for _, f := range o.fields {
		var a *Attribute
		if s != nil {
			a = s.Attribute(f.name)
		}
		if v := p.attribute(name, f.name, a, f.value); v != nil {
			out.fields = append(out.fields, field{f.name, v})
		}
	}
	return objectOrNil(out)
}

// attribute gives what is left of an attribute; a is nil if no schema defines it.
func (p *Projection) attribute(urn, name string, a *Attribute, value any) any {
	returned := ReturnedDefault
	if a != nil {
		returned = a.Returned
	}
	switch {
	case returned == ReturnedNever:
		return nil
	case returned == ReturnedAlways:
		return value
	case p == nil:
		return chosen(returned == ReturnedDefault, value)
	}
	whole, part := p.mentions(urn, name)
	switch {
	case whole:
		return chosen(p.requested, value)
	case part:
		return p.parts(urn, name, a, value)
	}
	return chosen(!p.requested && returned == ReturnedDefault, value)
}

func chosen(yes bool, value any) any {
	if yes {
		return value
	}
	return nil
}

// parts keeps the sub-attributes that are named, or the others if the names are excluded; those that are always returned stay.
func (p *Projection) parts(urn, name string, a *Attribute, value any) any {
	switch v := value.(type) {
	case *Object:
		out := &Object{make([]field, 0, len(v.fields))}
		for _, f := range v.fields {
			always := a != nil && a.Sub(f.name) != nil && a.Sub(f.name).Returned == ReturnedAlways
			if always || p.namesSub(urn, name, f.name) == p.requested {
				out.fields = append(out.fields, f)
			}
		}
		return objectOrNil(out)
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if x := p.parts(urn, name, a, e); x != nil {
				out = append(out, x)
			}
		}
		return listOrNil(out)
	}
	return chosen(!p.requested, value)
}

func (p *Projection) namesSub(urn, name, sub string) bool {
	for _, ref := range p.names {
		if equalName(ref.urn, urn) && equalName(ref.name, name) && equalName(ref.subName, sub) {
			return true
		}
	}
	return false
}
