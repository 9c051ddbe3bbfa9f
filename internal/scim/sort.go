// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Sort is an order of resources by one attribute (RFC 7644 3.4.2.3), bound to the resource types of the query. It may be used by many goroutines at once.
//
// A resource without a value comes last in ascending order, and first in descending order. A multi-valued attribute counts by its primary element, else by its
// first. Text is compared by Fold unless the attribute is caseExact, dates by time, false comes before true.
type Sort struct {
	refs       typed[attrRef]
	descending bool
}

// SortKey is what Sort makes of a resource. It is comparable by Sort.Compare alone, and survives encoding.
type SortKey struct {
	// Present is false where the resource has no value.
	Present bool
	// Text is folded, and dates in UTC.
	Text string
}

// sortableTime makes times compare as text, from year 0 to 9999.
const sortableTime = "2006-01-02T15:04:05.000000000"

// ParseSort reads the parameters sortBy and sortOrder; "" means absent. It gives nil where sortBy is absent. An attribute that none of the types has, or that has no
// order, is 400 invalidPath, another order than "ascending" and "descending" 400 invalidValue.
func ParseSort(sortBy, sortOrder string, rt *ResourceType, others ...*ResourceType) (*Sort, error) {
	s := &Sort{}
	switch {
	case sortOrder == "", strings.EqualFold(sortOrder, "ascending"):
	case strings.EqualFold(sortOrder, "descending"):
		s.descending = true
	default:
		return nil, InvalidValue("sortOrder has to be ascending or descending")
	}
	if sortBy == "" {
		return nil, nil
	}
	if len(sortBy) > MaxFilterLength {
		return nil, InvalidPath(0, "sortBy is longer than %d bytes", MaxFilterLength)
	}
	var err error
	s.refs, err = forTypes(rt, others, func(rt *ResourceType, others []*ResourceType) (attrRef, error) { return sortRef(sortBy, rt, others) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

func sortRef(sortBy string, rt *ResourceType, others []*ResourceType) (attrRef, error) {
	ref, err := resolveAmong(sortBy, rt, others, Options{Dialect: inFilter})
	if err != nil {
		return ref, relocateSort(err)
	}
	leaf := ref.leaf()
	if leaf != nil && leaf.Type == TypeComplex {
		if sub := leaf.defaultSub(); sub != nil {
			ref.subName, ref.sub, leaf = sub.Name, sub, sub
		}
	}
	switch {
	case leaf == nil:
		return ref, InvalidPath(0, "sortBy: expected an attribute after the schema URN")
	case leaf.Type == TypeComplex:
		return ref, InvalidPath(0, "sortBy: %q is complex; name one of its sub-attributes, as in %s.%s", ref, ref, leaf.SubAttributes[0].Name)
	case leaf.Returned == ReturnedNever, leaf.Type == TypeBinary:
		return ref, InvalidPath(0, "sortBy: %q has no order", ref)
	}
	return ref, nil
}

// relocateSort says that the trouble is in sortBy, not in a PATCH path.
func relocateSort(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return InvalidPath(0, "sortBy: %s", e.reason)
}

// String gives the order in canonical spelling.
func (s *Sort) String() string {
	if s.descending {
		return s.refs.first.String() + " descending"
	}
	return s.refs.first.String() + " ascending"
}

// Path is the canonical name of the attribute, with its sub-attribute.
func (s *Sort) Path() string { return s.refs.first.String() }

// Attribute is the canonical name of the attribute without sub-attribute.
func (s *Sort) Attribute() string { return s.refs.first.top() }

// Key reads the attribute in a resource.
func (s *Sort) Key(r *Resource) SortKey {
	ref := s.refs.of(r.rt)
	v := ref.value(r)
	if list, ok := v.([]any); ok {
		v = preferred(list)
	}
	if o, ok := v.(*Object); ok {
		v = o.Get(ref.subName)
	}
	return sortKey(ref.leaf(), v)
}

// preferred is the primary element, else the first.
func preferred(list []any) any {
	for _, e := range list {
		if o, ok := e.(*Object); ok && o.Get("primary") == true {
			return o
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func sortKey(a *Attribute, v any) SortKey {
	switch v := v.(type) {
	case bool:
		if v {
			return SortKey{true, "1"}
		}
		return SortKey{true, "0"}
	case json.Number:
		return SortKey{true, string(v)}
	case string:
		return SortKey{v != "", sortText(a, v)}
	}
	return SortKey{}
}

func sortText(a *Attribute, s string) string {
	if a.Type == TypeDateTime {
		if t, ok := parseDateTime(s); ok {
			return t.In(time.UTC).Format(sortableTime)
		}
	}
	if a.CaseExact || a.Type == TypeDateTime {
		return s
	}
	return Fold(s)
}

// Compare is negative where the resource of a comes before that of b. Ties are for the caller to break.
func (s *Sort) Compare(a, b SortKey) int {
	c := s.ascending(a, b)
	if s.descending {
		return -c
	}
	return c
}

func (s *Sort) ascending(a, b SortKey) int {
	switch {
	case !a.Present && !b.Present:
		return 0
	case !a.Present:
		return 1
	case !b.Present:
		return -1
	}
	switch s.refs.first.leaf().Type {
	case TypeInteger, TypeDecimal:
		return parseDecimal(a.Text).compare(parseDecimal(b.Text))
	}
	return cmp.Compare(a.Text, b.Text)
}
