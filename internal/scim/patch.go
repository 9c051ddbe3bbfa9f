// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// PatchSchema is the schema URN of a PATCH body (RFC 7644 3.5.2).
const PatchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// MaxPatchOperations limits the operations of one PATCH; beyond it the answer is 413. An identity provider that sends 1,000 members in a batch may use one
// operation for each.
const MaxPatchOperations = 5000

// Patch is a parsed and type-checked PATCH body: a sequence of operations, each on one path.
type Patch struct{ skeleton int }

// ParsePatch decodes and validates the body of a PATCH. Values are checked against the schema here, so what can be refused without the resource is refused
// first. A path-less operation becomes one operation for each attribute of its value; operations on a password are dropped.
func ParsePatch(body []byte, rt *ResourceType, o Options) (*Patch, error) { panic("skeleton") }

// Empty reports whether there is nothing to do, as after dropping a password.
func (p *Patch) Empty() bool { panic("skeleton") }

// ApplyPatch applies the operations in sequence to a copy (RFC 7644 3.5.2): all of them, or an *Error and none. changed is false if the result is Equal to the
// resource. The resource has to carry its id, for clients that send it along.
func ApplyPatch(r *Resource, p *Patch, o Options) (result *Resource, changed bool, err error) {
	panic("skeleton")
}

// Replace is the semantics of PUT (RFC 7644 3.5.1): the client-writable attributes become those of incoming (as ParseResource gives it), what it does not mention
// is cleared, read-only attributes stay as they are, immutable ones have to match. changed is false if the result is Equal to current.
func Replace(current, incoming *Resource) (result *Resource, changed bool, err error) {
	panic("skeleton")
}
