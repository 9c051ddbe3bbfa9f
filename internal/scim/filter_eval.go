// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"
)

// Match reports whether the filter is true for the resource.
func (f *Filter) Match(r *Resource) bool { return matches(f.roots.of(r.rt), scope{resource: r}) }

// scope is what names refer to: a resource, or inside brackets an element of a multi-valued attribute.
type scope struct {
	resource *Resource
	element  any
}

func matches(n node, s scope) bool {
	switch n := n.(type) {
	case *logical:
		for _, sub := range n.nodes {
			if matches(sub, s) == n.or {
				return n.or
			}
		}
		return !n.or
	case *negation:
		return !matches(n.node, s)
	case *presence:
		return hasValue(s.value(n.ref))
	case *comparison:
		return n.matches(s.value(n.ref))
	case *valuePath:
		return n.matches(s.value(n.ref))
	}
	return false
}

// value reads what the reference names. For a sub-attribute of a multi-valued attribute that is a list with an entry for each element, nil where it has none, so
// that "ne" sees elements without it.
func (s scope) value(ref attrRef) any {
	var v any
	if ref.inElement {
		v = s.element
		if o, ok := s.element.(*Object); ok {
			v = o.Get(ref.name)
		}
	} else {
		v = ref.value(s.resource)
	}
	if ref.subName == "" {
		return v
	}
	switch v := v.(type) {
	case *Object:
		return v.Get(ref.subName)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			if o, ok := e.(*Object); ok {
				list[i] = o.Get(ref.subName)
			}
		}
		return list
	}
	return nil
}

func (n *valuePath) matches(v any) bool {
	list, ok := v.([]any)
	if !ok {
		return v != nil && matches(n.node, scope{element: v})
	}
	for _, e := range list {
		if matches(n.node, scope{element: e}) {
			return true
		}
	}
	return false
}

// hasValue is the operator pr: an empty string, and an object or list of nothing else, count as no value.
func hasValue(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case *Object:
		for _, f := range v.fields {
			if hasValue(f.value) {
				return true
			}
		}
		return false
	case []any:
		for _, e := range v {
			if hasValue(e) {
				return true
			}
		}
		return false
	}
	return true
}

func (c *comparison) matches(v any) bool {
	if c.literal == nil {
		return hasValue(v) == (c.op == opNe)
	}
	if list, ok := v.([]any); ok {
		for _, e := range list {
			if c.matchesOne(e) {
				return true
			}
		}
		return len(list) == 0 && c.op == opNe
	}
	return c.matchesOne(v)
}

func (c *comparison) matchesOne(v any) bool {
	if v == nil {
		return c.op == opNe
	}
	switch want := c.prepared.(type) {
	case bool:
		return (v == want) == (c.op == opEq)
	case decimal:
		n, ok := v.(json.Number)
		return ok && c.op.holds(parseDecimal(string(n)).compare(want))
	case time.Time:
		s, _ := v.(string)
		t, ok := parseDateTime(s)
		return ok && c.op.holds(t.Compare(want))
	case string:
		s, ok := v.(string)
		return ok && c.matchesText(s, want)
	}
	return false
}

func (c *comparison) matchesText(s, want string) bool {
	a := c.ref.leaf()
	if !a.CaseExact && a.Type != TypeDateTime {
		s = Fold(s)
	}
	switch c.op {
	case opEq:
		return s == want
	case opNe:
		return s != want
	case opCo:
		return strings.Contains(s, want)
	case opSw:
		return strings.HasPrefix(s, want)
	case opEw:
		return strings.HasSuffix(s, want)
	}
	return c.op.holds(cmp.Compare(s, want))
}

// holds says whether an order operator is true for the outcome of a three-way comparison.
func (op compareOp) holds(order int) bool {
	switch op {
	case opEq:
		return order == 0
	case opNe:
		return order != 0
	case opGt:
		return order > 0
	case opGe:
		return order >= 0
	case opLt:
		return order < 0
	}
	return order <= 0
}
