// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "encoding/json"

// Object is a JSON object that keeps the order of its fields. Names are compared without regard to (ASCII) letter case (RFC 7643 2.1).
//
// A value inside an object is one of: string, bool, [json.Number] (the literal as it was sent, so no digit is lost), *Object, or []any of these. There is no
// null, no empty array and no empty object: they are the same as an absent attribute (RFC 7643 2.5).
type Object struct{ fields []field }

type field struct {
	name  string
	value any
}

// Get gives the value of the field of that name, or nil.
func (o *Object) Get(name string) any { panic("skeleton") }

// Len counts the fields.
func (o *Object) Len() int { panic("skeleton") }

// Range calls f for each field in order, until f returns false.
func (o *Object) Range(f func(name string, value any) bool) { panic("skeleton") }

// Resource is a SCIM resource of one type: known attributes under their canonical names, unknown attributes and extensions as they were sent.
type Resource struct {
	rt  *ResourceType
	obj *Object
}

// NewResource is an empty resource of the type.
func NewResource(rt *ResourceType) *Resource { panic("skeleton") }

// ResourceFromMap builds a resource from trusted data, such as a stored object: nothing is validated and read-only attributes are kept, but null, empty arrays
// and empty objects are left out, names get their canonical spelling, a password is dropped, and "schemas" is worked out. It takes the types that
// encoding/json produces, Go integers, []string, []map[string]any and *Object.
func ResourceFromMap(rt *ResourceType, m map[string]any) *Resource { panic("skeleton") }

// ParseResource decodes and validates the body of a POST or PUT.
//
// Read-only attributes (id, meta, groups, ...) are ignored, a password is dropped wherever it stands. Required attributes have to be present. Errors are
// *Error: 400 invalidSyntax for what is not JSON (with the position), for duplicate names, for unknown attributes where the dialect does not take them; 400
// invalidValue for wrong types and missing values. They name the attribute.
func ParseResource(body []byte, rt *ResourceType, o Options) (*Resource, error) { panic("skeleton") }

// Type gives the resource type.
func (r *Resource) Type() *ResourceType { return r.rt }

// Get gives the value at an attribute path ("userName", "name.givenName", "emails.value", `emails[type eq "work"].value`, URN-qualified names), or nil. A
// path through a multi-valued attribute gives []any with the value of each element that has one.
func (r *Resource) Get(path string) any { panic("skeleton") }

// String gives the string at the path, the first one of a multi-valued attribute, or "".
func (r *Resource) String(path string) string { panic("skeleton") }

// Bool gives the boolean at the path, and whether there is one.
func (r *Resource) Bool(path string) (value, ok bool) { panic("skeleton") }

// ID gives the resource's id, or "".
func (r *Resource) ID() string { panic("skeleton") }

// Schemas gives the resource's schema URNs: the core schema, then the extensions in use, then unknown ones as they were sent.
func (r *Resource) Schemas() []string { panic("skeleton") }

// Set puts a value (of the types that ResourceFromMap takes) under a top-level name or an extension's URN, without validation. It is for the server's own
// attributes: id, meta, groups. A nil or empty value deletes.
func (r *Resource) Set(name string, value any) { panic("skeleton") }

// Delete removes a top-level attribute or an extension.
func (r *Resource) Delete(name string) { panic("skeleton") }

// Clone gives a copy that shares nothing that Set or Delete could change.
func (r *Resource) Clone() *Resource { panic("skeleton") }

// Equal reports whether both hold the same client-writable content: ignoring id, meta and other read-only attributes, the order of names and of the elements
// of multi-valued attributes, the spelling of numbers, and everything of a group's members but their ids.
func (r *Resource) Equal(other *Resource) bool { panic("skeleton") }

// Map gives the resource as encoding/json would decode it into a map (with json.Number). The map shares nothing with the resource.
func (r *Resource) Map() map[string]any { panic("skeleton") }

// MarshalJSON gives schemas and id first, meta last, and the rest in the order in which it came. Attributes that are returned never are left out.
func (r *Resource) MarshalJSON() ([]byte, error) { panic("skeleton") }

var _ json.Marshaler = (*Resource)(nil)
