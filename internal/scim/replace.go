// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// Replace is the semantics of PUT (RFC 7644 3.5.1): the client-writable attributes become those of incoming (as ParseResource gives it), what it does not mention
// is cleared, read-only attributes stay as they are, immutable ones have to match. changed is false if the result is Equal to current.
//
// One attribute is not cleared: a PUT that does not mention "active" leaves it as it is. Absent means active, so to clear it would give a leaver the access back
// without anybody having asked for that.
func Replace(current, incoming *Resource) (result *Resource, changed bool, err error) {
	result = &Resource{rt: current.rt, obj: incoming.obj, foreign: incoming.foreign}
	current.obj.Range(func(name string, value any) bool {
		a := current.rt.core(name)
		if a == nil {
			return true
		}
		mentioned := incoming.obj.Get(a.Name)
		switch {
		case a.Mutability == ReadOnly,
			mentioned == nil && (a.keptByPut || a.Mutability == Immutable):
			result.obj = result.obj.with(a.Name, value)
		case mentioned != nil && !a.MultiValued:
			err = checkImmutable(a, value, mentioned)
		}
		return err == nil
	})
	if err != nil {
		return nil, false, err
	}
	if err := checkRequired(result); err != nil {
		return nil, false, err
	}
	if result.Equal(current) {
		return current.Clone(), false, nil
	}
	return result, true, nil
}
