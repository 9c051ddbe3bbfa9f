// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

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
}

// Sub gives the sub-attribute of that name, in any letter case, or nil.
func (a *Attribute) Sub(name string) *Attribute { panic("skeleton") }

// MarshalJSON gives the form of RFC 7643 7.
func (a *Attribute) MarshalJSON() ([]byte, error) { panic("skeleton") }

// Schema is a named set of attributes (RFC 7643 7).
type Schema struct {
	// ID is the schema's URN.
	ID          string
	Name        string
	Description string
	Attributes  []*Attribute
}

// Attribute gives the attribute of that name, in any letter case, or nil. The common attributes of RFC 7643 3.1 belong to no schema.
func (s *Schema) Attribute(name string) *Attribute { panic("skeleton") }

// MarshalJSON gives the form of RFC 7643 7, without meta (which needs a base URL).
func (s *Schema) MarshalJSON() ([]byte, error) { panic("skeleton") }

// The schema URNs of RFC 7643.
const (
	UserSchemaID           = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupSchemaID          = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseUserSchemaID = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	SchemaSchemaID         = "urn:ietf:params:scim:schemas:core:2.0:Schema"
	ResourceTypeSchemaID   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
)

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

// MarshalJSON gives the form of RFC 7643 6, without meta (which needs a base URL).
func (rt *ResourceType) MarshalJSON() ([]byte, error) { panic("skeleton") }

// The core schemas and resource types. They are shared and must not be changed.
var (
	UserSchema           *Schema
	GroupSchema          *Schema
	EnterpriseUserSchema *Schema

	// UserType is the User of RFC 7643 4.1 with the enterprise extension of 4.3.
	UserType *ResourceType
	// GroupType is the Group of RFC 7643 4.2.
	GroupType *ResourceType
)

// CoreSchemas lists the schemas that /Schemas publishes, in a fixed order.
func CoreSchemas() []*Schema { panic("skeleton") }

// CoreResourceTypes lists the resource types that /ResourceTypes publishes, in a fixed order.
func CoreResourceTypes() []*ResourceType { panic("skeleton") }
