// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// Projection is the choice of attributes in an answer (RFC 7644 3.4.2.5, 3.9). The nil Projection is the default choice.
type Projection struct{ skeleton int }

// ParseProjection reads the parameters "attributes" and "excludedAttributes", each a list of names, split at commas or as an array. Both at once is 400
// invalidValue. Names that the type does not have are ignored, as are requests for attributes that are never returned.
func ParseProjection(attributes, excluded []string, rt *ResourceType) (*Projection, error) {
	panic("skeleton")
}

// Requested reports whether the client named "attributes", in which case a PATCH has to answer 200 with a body (RFC 7644 3.5.2).
func (p *Projection) Requested() bool { panic("skeleton") }

// Includes reports whether any part of the top-level attribute is in the answer, so that the server need not load what it will not show.
func (p *Projection) Includes(name string) bool { panic("skeleton") }

// Project gives a copy of the resource with the chosen attributes.
func Project(r *Resource, p *Projection) *Resource { panic("skeleton") }
