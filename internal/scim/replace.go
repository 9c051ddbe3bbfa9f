// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "slices"

// Replace is the semantics of PUT (RFC 7644 3.5.1): the client-writable attributes become those of incoming (as ParseResource gives it), what it does not mention
// is cleared, read-only attributes stay as they are, immutable ones have to match. changed is false if the result is Equal to current.
//
// One attribute is not cleared: a PUT that does not mention "active" leaves it as it is. Absent means active, so to clear it would give a leaver the access back
// without anybody having asked for that.
func Replace(current, incoming *Resource) (result *Resource, changed bool, err error) {
	result = &Resource{rt: current.rt, obj: incoming.obj, foreign: incoming.foreign}
	if result.obj, err = carriedOver(append(slices.Clone(commonAttributes), current.rt.Schema.Attributes...), current.obj, result.obj); err != nil {
		return nil, false, err
	}
	for _, e := range current.rt.Extensions {
		before, _ := current.obj.Get(e.Schema.ID).(*Object)
		after, _ := result.obj.Get(e.Schema.ID).(*Object)
		if after, err = carriedOver(e.Schema.Attributes, before, after); err != nil {
			return nil, false, err
		}
		result.obj = result.obj.with(e.Schema.ID, objectOrNil(after))
	}
	if err := checkRequired(result); err != nil {
		return nil, false, err
	}
	if result.Equal(current) {
		return current.Clone(), false, nil
	}
	return result, true, nil
}

// carriedOver gives the new attributes with those of the old that a PUT does not touch, and refuses a change of immutable ones.
func carriedOver(attributes []*Attribute, before, after *Object) (*Object, error) {
	for _, a := range attributes {
		value := before.Get(a.Name)
		if value == nil {
			continue
		}
		mentioned := after.Get(a.Name)
		switch {
		case a.Mutability == ReadOnly, mentioned == nil && (a.keptByPut || a.Mutability == Immutable):
			after = after.with(a.Name, value)
		case mentioned != nil && !a.MultiValued:
			if err := checkImmutable(a, value, mentioned); err != nil {
				return nil, err
			}
		}
	}
	return after, nil
}
