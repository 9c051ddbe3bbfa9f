// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// typed is what a query means for each of the resource types that it is about.
type typed[T any] struct {
	first  T
	others map[*ResourceType]T
}

// of gives the value for a type; that of the first one for a type that is not among them.
func (t typed[T]) of(rt *ResourceType) T {
	if v, ok := t.others[rt]; ok {
		return v
	}
	return t.first
}

// forTypes works the value out for each type. The types that parse gets besides are those of which an attribute may be, too.
func forTypes[T any](rt *ResourceType, others []*ResourceType, parse func(rt *ResourceType, others []*ResourceType) (T, error)) (typed[T], error) {
	first, err := parse(rt, others)
	if err != nil || len(others) == 0 {
		return typed[T]{first: first}, err
	}
	t := typed[T]{first: first, others: map[*ResourceType]T{}}
	for _, other := range others {
		if t.others[other], err = parse(other, append([]*ResourceType{rt}, others...)); err != nil {
			return t, err
		}
	}
	return t, nil
}

// resolveAmong finds what a name means to a type. What the type does not know means what it means to one of the others: an attribute that resources of this type have
// no value of (RFC 7644 3.4.2.1). The error is that of the type itself, where none knows it.
func resolveAmong(name string, rt *ResourceType, others []*ResourceType, o Options) (attrRef, error) {
	ref, err := resolve(name, rt, o)
	if err == nil {
		return ref, nil
	}
	for _, other := range others {
		if ref, otherErr := resolve(name, other, o); otherErr == nil {
			return ref, nil
		}
	}
	return ref, err
}

// Has reports whether resources of the type can have the attribute, given by its canonical name.
func (rt *ResourceType) Has(name string) bool {
	_, err := resolve(name, rt, Options{})
	return err == nil
}
