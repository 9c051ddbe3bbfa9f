// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// typed is a value for each of the resource types that a query is about.
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

// forTypes parses something for each type. What one type does not know is read as another one knows it, and so as an attribute that resources of the first have no
// value of (RFC 7644 3.4.2.1). The error is that of the first type, where none knows it.
func forTypes[T any](rt *ResourceType, others []*ResourceType, parse func(*ResourceType) (T, error)) (typed[T], error) {
	all := append([]*ResourceType{rt}, others...)
	values := make([]*T, len(all))
	var known *T
	var firstErr error
	for i, rt := range all {
		v, err := parse(rt)
		if err == nil {
			values[i] = &v
			if known == nil {
				known = &v
			}
		} else if firstErr == nil {
			firstErr = err
		}
	}
	if known == nil {
		return typed[T]{}, firstErr
	}
	t := typed[T]{first: *known}
	for i, rt := range all {
		if values[i] != nil && len(others) > 0 {
			if t.others == nil {
				t.others = map[*ResourceType]T{}
			}
			t.others[rt] = *values[i]
		}
	}
	return t, nil
}
