// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// ParseResource decodes and validates the body of a POST or PUT.
//
// Read-only attributes (id, meta, groups, ...) are ignored, a password is dropped wherever it stands. Required attributes have to be present. Errors are
// *Error: 400 invalidSyntax for what is not JSON (with the position), for duplicate names, for unknown attributes where the dialect does not take them; 400
// invalidValue for wrong types and missing values. They name the attribute.
func ParseResource(body []byte, rt *ResourceType, o Options) (*Resource, error) {
	in, err := decodeObject(body)
	if err != nil {
		return nil, err
	}
	p := &resourceParser{normalizer: normalizer{rt, o}, r: NewResource(rt)}
	p.r.obj = &Object{make([]field, 0, len(in.fields))}
	for _, f := range in.fields {
		if err := p.field(f.name, f.value); err != nil {
			return nil, err
		}
	}
	for _, op := range p.flat {
		if err := p.expand(op); err != nil {
			return nil, err
		}
	}
	if err := checkRequired(p.r); err != nil {
		return nil, err
	}
	return p.r, p.checkSchemas()
}

type resourceParser struct {
	normalizer
	r *Resource
	// declared are the URNs of "schemas".
	declared []any
	// flat are the keys that are paths, to be applied at the end.
	flat []patchOp
}

func (p *resourceParser) field(name string, v any) error {
	if a := p.rt.core(name); a != nil {
		return p.coreField(a, v)
	}
	if s := p.rt.extension(name); s != nil {
		return p.extension(s, v)
	}
	v = compact(v)
	if v == nil {
		return nil
	}
	if s, a := p.rt.extensionAttribute(name); a != nil && p.opts.tolerates(UnqualifiedExtension) {
		return p.flatten(s.ID+":"+a.Name, v)
	}
	if isForeignExtension(p.rt, name, v) {
		if !p.opts.tolerates(UnknownSchemas) {
			return unknownSchema(name)
		}
		return p.put(name, v)
	}
	if isFlatKey(p.rt, name) {
		if !p.opts.tolerates(FlatKeys) {
			return flatKey(name)
		}
		return p.flatten(name, v)
	}
	if err := p.unknown(name); err != nil {
		return err
	}
	if isURN(name) {
		return p.flatten(name, v)
	}
	return p.put(name, v)
}

func flatKey(name string) *Error {
	return InvalidSyntax("%q is a path, not the name of an attribute; send nested objects", clip(name))
}

// isFlatKey reports whether a JSON name is the path of something that the schemas define, as "name.givenName" is.
func isFlatKey(rt *ResourceType, name string) bool {
	_, err := ParsePath(name, rt, Options{})
	return err == nil
}

func (p *resourceParser) flatten(path string, v any) error {
	ops, err := (&patchParser{normalizer: p.normalizer}).onPath(opAdd, path, v, fromResource)
	p.flat = append(p.flat, ops...)
	return err
}

// expand applies a flat key, if the body does not give the same attribute in another place.
func (p *resourceParser) expand(op patchOp) error {
	if op.path.get(p.r) != nil {
		return InvalidSyntax("attribute %q is given twice; send it once", op.path)
	}
	a := applier{r: p.r, opts: p.opts}
	return a.apply(op)
}

func (p *resourceParser) coreField(a *Attribute, v any) error {
	switch {
	case a.Name == "schemas":
		v, err := p.value(a, a.Name, v, false)
		p.declared, _ = v.([]any)
		return err
	case a.Mutability == ReadOnly, a.Mutability == WriteOnly:
		return nil
	case isMembers(p.rt, a):
		members, err := p.members(v, false)
		if err != nil {
			return err
		}
		return p.put(a.Name, membersValue(members))
	}
	v, err := p.value(a, a.Name, v, false)
	if err != nil {
		return err
	}
	if err := checkName(a, v); err != nil {
		return err
	}
	return p.put(a.Name, v)
}

func (p *resourceParser) extension(s *Schema, v any) error {
	if v == nil {
		return nil
	}
	in, ok := v.(*Object)
	if !ok {
		return InvalidValue("extension %q: expected an object, found %s", s.ID, describe(v))
	}
	out, err := p.complex(&Attribute{Type: TypeComplex, SubAttributes: s.Attributes}, s.ID, in)
	if err != nil {
		return err
	}
	return p.put(s.ID, out)
}

func (p *resourceParser) put(name string, v any) error {
	if v != nil {
		p.r.obj.fields = append(p.r.obj.fields, field{name, v})
	}
	return nil
}

// checkSchemas compares what "schemas" declares with what the body holds.
func (p *resourceParser) checkSchemas() error {
	declared := make([]string, 0, len(p.declared))
	for _, e := range p.declared {
		urn := e.(string)
		declared = append(declared, urn)
		if p.r.addForeign(urn) && !p.opts.tolerates(UnknownSchemas) {
			return unknownSchema(urn)
		}
	}
	for _, urn := range p.r.Schemas() {
		if !containsName(declared, urn) && !p.opts.tolerates(MissingSchemas) {
			return InvalidSyntax("\"schemas\" has to name %s, which the resource uses", urn)
		}
	}
	return nil
}

func unknownSchema(urn string) *Error {
	return InvalidValue("schema %q is not known to this service; see /Schemas", clip(urn))
}

// checkRequired looks for the required attributes of the core schema and of the extensions in use.
func checkRequired(r *Resource) error {
	if err := hasRequired(r.rt.Schema, r.obj); err != nil {
		return err
	}
	for _, e := range r.rt.Extensions {
		o, ok := r.obj.Get(e.Schema.ID).(*Object)
		if !ok {
			if e.Required {
				return InvalidValue("extension %q is required", e.Schema.ID)
			}
			continue
		}
		if err := hasRequired(e.Schema, o); err != nil {
			return err
		}
	}
	return nil
}

func hasRequired(s *Schema, o *Object) error {
	for _, a := range s.Attributes {
		if a.Required && o.index(a.Name) < 0 {
			return missing(a)
		}
	}
	return nil
}
