// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"strings"
)

// AttributeType is the data type of an attribute (RFC 7643 2.3).
type AttributeType string

// The data types of RFC 7643 2.3.
const (
	TypeString    AttributeType = "string"
	TypeBoolean   AttributeType = "boolean"
	TypeDecimal   AttributeType = "decimal"
	TypeInteger   AttributeType = "integer"
	TypeDateTime  AttributeType = "dateTime"
	TypeReference AttributeType = "reference"
	TypeBinary    AttributeType = "binary"
	TypeComplex   AttributeType = "complex"
)

// AttributeMutability says who may write an attribute, and when (RFC 7643 2.2 and 7).
type AttributeMutability string

// The values of RFC 7643 7.
const (
	ReadWrite AttributeMutability = "readWrite"
	ReadOnly  AttributeMutability = "readOnly"
	Immutable AttributeMutability = "immutable"
	WriteOnly AttributeMutability = "writeOnly"
)

// Returned says when an attribute is part of an answer (RFC 7643 7).
type Returned string

// The values of RFC 7643 7.
const (
	ReturnedAlways  Returned = "always"
	ReturnedNever   Returned = "never"
	ReturnedDefault Returned = "default"
	ReturnedRequest Returned = "request"
)

// AttributeUniqueness says in which scope a value is unique (RFC 7643 7).
type AttributeUniqueness string

// The values of RFC 7643 7.
const (
	UniqueNone   AttributeUniqueness = "none"
	UniqueServer AttributeUniqueness = "server"
	UniqueGlobal AttributeUniqueness = "global"
)

// Attribute describes one attribute or sub-attribute (RFC 7643 7). Its JSON form is the one that /Schemas publishes.
type Attribute struct {
	Name            string
	Type            AttributeType
	MultiValued     bool
	Description     string
	Required        bool
	CanonicalValues []string
	// CaseExact is false where comparison ignores case (RFC 7643 2.2).
	CaseExact      bool
	Mutability     AttributeMutability
	Returned       Returned
	Uniqueness     AttributeUniqueness
	ReferenceTypes []string
	SubAttributes  []*Attribute

	// keptByPut: a PUT that does not mention the attribute leaves it as it is. See Replace.
	keptByPut bool
}

// Sub gives the sub-attribute of that name, in any letter case, or nil.
func (a *Attribute) Sub(name string) *Attribute {
	return findAttribute(a.SubAttributes, name)
}

// defaultSub is the sub-attribute that is meant where a complex attribute is compared as if it were simple: "value" (RFC 7644 3.4.2.2 has `emails co "x"`).
func (a *Attribute) defaultSub() *Attribute {
	if a.Type != TypeComplex {
		return nil
	}
	return a.Sub("value")
}

// MarshalJSON gives the form of RFC 7643 7. caseExact is given for the types that have a letter case.
func (a *Attribute) MarshalJSON() ([]byte, error) {
	var caseExact *bool
	switch a.Type {
	case TypeString, TypeReference, TypeBinary:
		caseExact = &a.CaseExact
	}
	return json.Marshal(struct {
		Name            string              `json:"name"`
		Type            AttributeType       `json:"type"`
		MultiValued     bool                `json:"multiValued"`
		Description     string              `json:"description"`
		Required        bool                `json:"required"`
		CanonicalValues []string            `json:"canonicalValues,omitempty"`
		CaseExact       *bool               `json:"caseExact,omitempty"`
		Mutability      AttributeMutability `json:"mutability"`
		Returned        Returned            `json:"returned"`
		Uniqueness      AttributeUniqueness `json:"uniqueness"`
		ReferenceTypes  []string            `json:"referenceTypes,omitempty"`
		SubAttributes   []*Attribute        `json:"subAttributes,omitempty"`
	}{
		a.Name, a.Type, a.MultiValued, a.Description, a.Required, a.CanonicalValues, caseExact, a.Mutability, a.Returned, a.Uniqueness,
		a.ReferenceTypes, a.SubAttributes,
	})
}

// Schema is a named set of attributes (RFC 7643 7).
type Schema struct {
	// ID is the schema's URN.
	ID          string
	Name        string
	Description string
	Attributes  []*Attribute
}

// Attribute gives the attribute of that name, in any letter case, or nil. The common attributes of RFC 7643 3.1 belong to no schema.
func (s *Schema) Attribute(name string) *Attribute {
	return findAttribute(s.Attributes, name)
}

// MarshalJSON gives the form of RFC 7643 7, without meta (which needs a base URL: see Document).
func (s *Schema) MarshalJSON() ([]byte, error) { return json.Marshal(s.document(nil)) }

// Document gives the schema as /Schemas publishes it, with its meta. baseURL has no slash at its end.
func (s *Schema) Document(baseURL string) json.Marshaler {
	return document{s.document(&documentMeta{"Schema", baseURL + "/Schemas/" + s.ID})}
}

func (s *Schema) document(meta *documentMeta) any {
	return struct {
		Schemas     []string      `json:"schemas"`
		ID          string        `json:"id"`
		Name        string        `json:"name"`
		Description string        `json:"description"`
		Attributes  []*Attribute  `json:"attributes"`
		Meta        *documentMeta `json:"meta,omitempty"`
	}{[]string{SchemaSchemaID}, s.ID, s.Name, s.Description, s.Attributes, meta}
}

// documentMeta is the meta of a discovery document (RFC 7643 3.1).
type documentMeta struct {
	ResourceType string `json:"resourceType"`
	Location     string `json:"location"`
}

type document struct{ value any }

func (d document) MarshalJSON() ([]byte, error) { return json.Marshal(d.value) }

// SchemaExtension ties an extension schema to a resource type (RFC 7643 6).
type SchemaExtension struct {
	Schema   *Schema
	Required bool
}

// ResourceType is a kind of resource with its schemas (RFC 7643 6). Its id is its name.
type ResourceType struct {
	Name string
	// Endpoint is relative to the base URL and begins with a slash: "/Users".
	Endpoint    string
	Description string
	Schema      *Schema
	Extensions  []SchemaExtension
}

// MarshalJSON gives the form of RFC 7643 6, without meta (which needs a base URL: see Document).
func (rt *ResourceType) MarshalJSON() ([]byte, error) { return json.Marshal(rt.document(nil)) }

// Document gives the resource type as /ResourceTypes publishes it, with its meta. baseURL has no slash at its end.
func (rt *ResourceType) Document(baseURL string) json.Marshaler {
	return document{rt.document(&documentMeta{"ResourceType", baseURL + "/ResourceTypes/" + rt.Name})}
}

func (rt *ResourceType) document(meta *documentMeta) any {
	type extension struct {
		Schema   string `json:"schema"`
		Required bool   `json:"required"`
	}
	extensions := make([]extension, 0, len(rt.Extensions))
	for _, e := range rt.Extensions {
		extensions = append(extensions, extension{e.Schema.ID, e.Required})
	}
	return struct {
		Schemas          []string      `json:"schemas"`
		ID               string        `json:"id"`
		Name             string        `json:"name"`
		Endpoint         string        `json:"endpoint"`
		Description      string        `json:"description"`
		Schema           string        `json:"schema"`
		SchemaExtensions []extension   `json:"schemaExtensions"`
		Meta             *documentMeta `json:"meta,omitempty"`
	}{[]string{ResourceTypeSchemaID}, rt.Name, rt.Name, rt.Endpoint, rt.Description, rt.Schema.ID, extensions, meta}
}

// core gives the attribute of the core schema or the common attribute (RFC 7643 3.1) of that name, or nil.
func (rt *ResourceType) core(name string) *Attribute {
	if a := rt.Schema.Attribute(name); a != nil {
		return a
	}
	return findAttribute(commonAttributes, name)
}

// extension gives the extension schema with that URN, in any letter case, or nil.
func (rt *ResourceType) extension(urn string) *Schema {
	for _, e := range rt.Extensions {
		if equalName(e.Schema.ID, urn) {
			return e.Schema
		}
	}
	return nil
}

// extensionAttribute finds an attribute that stands without its URN in the extensions.
func (rt *ResourceType) extensionAttribute(name string) (*Schema, *Attribute) {
	for _, e := range rt.Extensions {
		if a := e.Schema.Attribute(name); a != nil {
			return e.Schema, a
		}
	}
	return nil, nil
}

// splitURN separates a known schema URN from the rest of a qualified name by matching the known ids, because URNs hold dots and colons themselves (RFC 7644
// 3.10). rest is empty if the name is the URN alone. schema is nil if no known URN fits.
func (rt *ResourceType) splitURN(name string) (schema *Schema, rest string) {
	if rest, ok := cutURN(name, rt.Schema.ID); ok {
		return rt.Schema, rest
	}
	for _, e := range rt.Extensions {
		if rest, ok := cutURN(name, e.Schema.ID); ok {
			return e.Schema, rest
		}
	}
	return nil, ""
}

func cutURN(name, urn string) (rest string, ok bool) {
	if len(name) < len(urn) || !equalName(name[:len(urn)], urn) {
		return "", false
	}
	if len(name) == len(urn) {
		return "", true
	}
	if name[len(urn)] != ':' {
		return "", false
	}
	return name[len(urn)+1:], true
}

// findAttribute looks the canonical spelling up first: nearly all names come in it.
func findAttribute(list []*Attribute, name string) *Attribute {
	for _, a := range list {
		if a.Name == name {
			return a
		}
	}
	for _, a := range list {
		if equalName(a.Name, name) {
			return a
		}
	}
	return nil
}

// equalName compares attribute names and URNs, which ignore letter case (RFC 7643 2.1, RFC 7644 3.10). Both are ASCII by their grammar, so no other folding
// applies: a name with U+017F is not the name with "s".
func equalName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lowerASCII(a[i]) != lowerASCII(b[i]) {
			return false
		}
	}
	return true
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// nameKey is a map key under which equal names meet.
func nameKey(name string) string {
	for i := 0; i < len(name); i++ {
		if name[i] >= 0x80 {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, name)
		}
	}
	return strings.ToLower(name)
}
