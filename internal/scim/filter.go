// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// Limits of a filter; beyond them it is 400 invalidFilter.
const (
	// MaxFilterLength is in bytes.
	MaxFilterLength = 8192
	// MaxFilterDepth counts nested parentheses and brackets.
	MaxFilterDepth = 32
)

// Filter is a parsed filter expression (RFC 7644 3.4.2.2), bound to a resource type. It may be used by many goroutines at once.
//
// Where the RFC leaves a choice: "eq null" is true where the attribute has no value, "ne null" where it has one; "ne" is true where the attribute has no value;
// on a multi-valued attribute every operator, ne included, asks for any one element for which it is true; a complex attribute without sub-attribute
// means its "value"; attributes of an extension are found without their URN too.
type Filter struct{ skeleton int }

// ParseFilter parses a filter on resources of the type. Errors are 400 invalidFilter with the position and what was expected there; an unknown attribute or
// operator is an error, never an empty result.
func ParseFilter(s string, rt *ResourceType) (*Filter, error) { panic("skeleton") }

// String gives the filter in canonical spelling. Parsing it gives an equal filter.
func (f *Filter) String() string { panic("skeleton") }

// Match reports whether the filter is true for the resource.
func (f *Filter) Match(r *Resource) bool { panic("skeleton") }

// Equality is a comparison `attribute eq "value"`.
type Equality struct {
	// Attribute is the canonical name: "userName", "emails.value", "members.value", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value".
	Attribute string
	// Value is the literal as it was sent. Fold it for attributes that ignore case.
	Value string
}

// Equalities lists the string equalities that every match has to satisfy: those joined by "and" at the top of the filter or of a value path. Each can serve for
// an indexed look-up; what it finds still has to be put to Match. Empty means that no index helps.
func (f *Filter) Equalities() []Equality { panic("skeleton") }

// Attributes lists the canonical top-level names (or URN-qualified names) that the filter reads, each once, in alphabetical order. So the server knows whether
// it has to load members.
func (f *Filter) Attributes() []string { panic("skeleton") }
