// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "strings"

// Path is a parsed attribute path (RFC 7644 3.5.2): attr, attr.sub, attr[filter], attr[filter].sub, each with or without a schema URN; or an extension's URN
// alone.
type Path struct {
	ref attrRef
	// filter selects elements of a multi-valued attribute.
	filter node
}

// attrRef is an attribute, or a sub-attribute, of a resource type; inside the brackets of a value path, of an element.
type attrRef struct {
	// urn is that of the extension: the schema's own spelling if it is known, else as it was written. Empty for the core schema.
	urn string
	// name is canonical for known attributes, and empty for an extension as a whole.
	name string
	attr *Attribute
	// subName is canonical for known sub-attributes, and empty without one.
	subName string
	sub     *Attribute
	// inElement is true inside brackets, where name is that of a sub-attribute.
	inElement bool
}

// leaf is the definition of what the reference ends in; nil if there is none.
func (a attrRef) leaf() *Attribute {
	if a.subName != "" {
		return a.sub
	}
	return a.attr
}

// top is the canonical name of the attribute without sub-attribute.
func (a attrRef) top() string {
	switch {
	case a.urn == "":
		return a.name
	case a.name == "":
		return a.urn
	}
	return a.urn + ":" + a.name
}

func (a attrRef) String() string {
	if a.subName == "" {
		return a.top()
	}
	return a.top() + "." + a.subName
}

// ParsePath parses a path against the schemas of a resource type. Errors are 400 invalidPath with the position. What no schema defines needs the tolerance
// UnknownAttributes, an extension's attribute without its URN needs UnqualifiedExtension.
func ParsePath(s string, rt *ResourceType, o Options) (*Path, error) {
	if len(s) > MaxFilterLength {
		return nil, InvalidPath(0, "the path is longer than %d bytes", MaxFilterLength)
	}
	head, rest := s, ""
	if i := strings.IndexByte(s, '['); i >= 0 {
		head, rest = s[:i], s[i:]
	}
	ref, err := resolve(head, rt, o)
	if err != nil {
		return nil, err
	}
	p := &Path{ref: ref}
	if rest == "" {
		return p, nil
	}
	switch {
	case ref.subName != "":
		return nil, InvalidPath(len(head)+1, "a filter in brackets belongs to the attribute, before the sub-attribute: %s[...].%s", ref.top(), ref.subName)
	case ref.attr == nil || !ref.attr.MultiValued:
		return nil, InvalidPath(len(head)+1, "%q is not a multi-valued attribute, so it takes no filter in brackets", clip(head))
	}
	return p, p.parseBrackets(s, len(head), o)
}

// parseBrackets reads "[filter]" and "[filter].sub"; open is the index of the bracket.
func (p *Path) parseBrackets(s string, open int, o Options) error {
	fp := &filterParser{s: s, pos: open + 1, element: p.ref.attr, depth: 1, opts: o}
	var err error
	if p.filter, err = fp.bracketed(); err != nil {
		return relocate(err, ScimTypeInvalidPath, "path", 0)
	}
	rest := s[fp.pos:]
	if rest == "" {
		return nil
	}
	if rest[0] != '.' {
		return InvalidPath(fp.pos+1, "expected '.' and a sub-attribute, or the end, after ']'")
	}
	p.ref.sub = p.ref.attr.Sub(rest[1:])
	if p.ref.sub == nil {
		return InvalidPath(fp.pos+2, "expected a sub-attribute of %q", p.ref.attr.Name)
	}
	p.ref.subName = p.ref.sub.Name
	return nil
}

// String gives the path in canonical spelling. Parsing it gives an equal path.
func (p *Path) String() string {
	if p.filter == nil {
		return p.ref.String()
	}
	s := p.ref.top() + "[" + renderFilter(p.filter) + "]"
	if p.ref.subName != "" {
		s += "." + p.ref.subName
	}
	return s
}

// resolve finds what a name without brackets means.
func resolve(s string, rt *ResourceType, o Options) (attrRef, error) {
	if s == "" {
		return attrRef{}, InvalidPath(1, "the path is empty; name an attribute")
	}
	schema, rest := rt.splitURN(s)
	switch {
	case schema == nil && isURN(s):
		return resolveForeign(s, rt, o)
	case schema == nil:
		return resolveName(s, 0, rt, rt.Schema, "", o)
	case rest != "" && schema == rt.Schema:
		return resolveName(rest, len(s)-len(rest), rt, schema, "", o)
	case rest != "":
		return resolveName(rest, len(s)-len(rest), nil, schema, schema.ID, o)
	case schema == rt.Schema || len(s) > len(schema.ID):
		return attrRef{}, InvalidPath(len(s)+1, "expected an attribute after the schema URN")
	}
	return attrRef{urn: schema.ID}, nil
}

// resolveName resolves attr or attr.sub within a schema. rt is given for names in the core schema, which may be common attributes, or, without URN, those of
// an extension. offset is where the name begins in the path.
func resolveName(s string, offset int, rt *ResourceType, schema *Schema, urn string, o Options) (attrRef, error) {
	name, subName, dotted := strings.Cut(s, ".")
	if bad := badName(name); bad >= 0 {
		return attrRef{}, InvalidPath(offset+bad+1, "expected an attribute name")
	}
	ref := attrRef{urn: urn, name: name, attr: schema.Attribute(name)}
	if ref.attr == nil && rt != nil {
		ref.attr = findAttribute(commonAttributes, name)
	}
	if ref.attr == nil && rt != nil && offset == 0 {
		if s, a := rt.extensionAttribute(name); a != nil && o.tolerates(UnqualifiedExtension) {
			ref.urn, ref.attr = s.ID, a
		}
	}
	if ref.attr == nil {
		// Who writes the core URN says that the attribute is defined there.
		if rt != nil && offset > 0 || !o.tolerates(UnknownAttributes) {
			return attrRef{}, unknownAttribute(offset, schema, name)
		}
	} else {
		ref.name = ref.attr.Name
	}
	if !dotted {
		return ref, nil
	}
	return ref, ref.resolveSub(subName, offset+len(name)+1, o)
}

func unknownAttribute(offset int, schema *Schema, name string) *Error {
	return InvalidPath(offset+1, "attribute %q is not defined by %s; see /Schemas", clip(name), schema.ID)
}

func (a *attrRef) resolveSub(subName string, offset int, o Options) error {
	if bad := badName(subName); bad >= 0 {
		return InvalidPath(offset+bad+1, "expected a sub-attribute name after the dot")
	}
	a.subName = subName
	if a.attr == nil {
		return nil
	}
	if a.sub = a.attr.Sub(subName); a.sub != nil {
		a.subName = a.sub.Name
		return nil
	}
	if a.attr.Type == TypeComplex && !a.attr.MultiValued && o.tolerates(UnknownAttributes) {
		return nil
	}
	return InvalidPath(offset+1, "%q has no sub-attribute %q", a.attr.Name, clip(subName))
}

// resolveForeign resolves a name with an unknown URN: an extension as a whole cannot be told from an attribute in it by its spelling (a URN may end in
// anything), so it is the attribute after the last colon, unless that is no name, as in "...:2.0". A sub-attribute is told by a dot after that.
func resolveForeign(s string, rt *ResourceType, o Options) (attrRef, error) {
	if !o.tolerates(UnknownAttributes) {
		return attrRef{}, InvalidPath(1, "%q names none of the schemas of %s; see /Schemas", clip(s), rt.Name)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r >= 0x7f }) {
		return attrRef{}, InvalidPath(1, "a URN holds printable ASCII characters only")
	}
	i := strings.LastIndexByte(s, ':')
	name, subName, dotted := strings.Cut(s[i+1:], ".")
	if badName(name) >= 0 || dotted && badName(subName) >= 0 {
		return attrRef{urn: s}, nil
	}
	return attrRef{urn: s[:i], name: name, subName: subName}, nil
}

// badName gives the index of the first byte that ATTRNAME (RFC 7643 2.1; "$ref" besides) does not allow, or -1.
func badName(s string) int {
	for i := 0; i < len(s); i++ {
		c := lowerASCII(s[i])
		letter := 'a' <= c && c <= 'z' || c == '$' && i == 0
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '-' || c == '_')) {
			return i
		}
	}
	if s == "" {
		return 0
	}
	return -1
}

// get reads the path in a resource.
func (p *Path) get(r *Resource) any {
	v := p.ref.value(r)
	if p.filter != nil {
		list, _ := v.([]any)
		var selected []any
		for _, e := range list {
			if matches(p.filter, scope{element: e}) {
				selected = append(selected, e)
			}
		}
		v = listOrNil(selected)
	}
	if p.ref.subName == "" {
		return v
	}
	switch v := v.(type) {
	case *Object:
		return v.Get(p.ref.subName)
	case []any:
		var list []any
		for _, e := range v {
			if o, ok := e.(*Object); ok {
				if x := o.Get(p.ref.subName); x != nil {
					list = append(list, x)
				}
			}
		}
		return listOrNil(list)
	}
	return nil
}

// value reads the attribute without its sub-attribute.
func (a attrRef) value(r *Resource) any {
	switch {
	case a.name == "":
		return r.obj.Get(a.urn)
	case a.urn != "":
		o, _ := r.obj.Get(a.urn).(*Object)
		return o.Get(a.name)
	case a.name == "schemas" && a.attr != nil:
		return listFromGo(r.Schemas())
	}
	return r.obj.Get(a.name)
}
