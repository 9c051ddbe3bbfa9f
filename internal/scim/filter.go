// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"slices"
	"strings"
)

// Limits of a filter; beyond them it is 400 invalidFilter.
const (
	// MaxFilterLength is in bytes.
	MaxFilterLength = 8192
	// MaxFilterDepth counts nested parentheses and brackets.
	MaxFilterDepth = 32
)

// Filter is a parsed filter expression (RFC 7644 3.4.2.2), bound to one or more resource types. It may be used by many goroutines at once.
//
// Where the RFC leaves a choice: "eq null" is true where the attribute has no value, "ne null" where it has one; "ne" is true where the attribute has no value;
// on a multi-valued attribute every operator, ne included, asks for any one element for which it is true; a complex attribute without sub-attribute
// means its "value"; attributes of an extension are found without their URN too; `emails[type eq "work"].value eq "x"` asks for both of the same element.
type Filter struct{ roots typed[node] }

// node is one of *logical, *negation, *comparison, *presence, *valuePath.
type node any

// logical joins two or more nodes; none of them is a logical of the same kind.
type logical struct {
	or    bool
	nodes []node
}

type negation struct{ node node }

type comparison struct {
	ref attrRef
	op  compareOp
	// literal is a string, bool, json.Number, or nil for null.
	literal any
	// prepared is the literal in the form that the evaluation compares: folded, or as time.Time or decimal.
	prepared any
}

type presence struct{ ref attrRef }

// valuePath asks for one element of ref for which node is true.
type valuePath struct {
	ref  attrRef
	node node
}

type compareOp string

const (
	opEq compareOp = "eq"
	opNe compareOp = "ne"
	opCo compareOp = "co"
	opSw compareOp = "sw"
	opEw compareOp = "ew"
	opGt compareOp = "gt"
	opGe compareOp = "ge"
	opLt compareOp = "lt"
	opLe compareOp = "le"
)

var compareOps = []compareOp{opEq, opNe, opCo, opSw, opEw, opGt, opGe, opLt, opLe}

// String gives the filter in canonical spelling. Parsing it gives an equal filter.
func (f *Filter) String() string { return renderFilter(f.roots.first) }

func renderFilter(n node) string {
	var b strings.Builder
	writeNode(&b, n)
	return b.String()
}

func writeNode(b *strings.Builder, n node) {
	switch n := n.(type) {
	case *logical:
		for i, sub := range n.nodes {
			if i > 0 && n.or {
				b.WriteString(" or ")
			} else if i > 0 {
				b.WriteString(" and ")
			}
			if inner, ok := sub.(*logical); ok && inner.or {
				b.WriteByte('(')
				writeNode(b, sub)
				b.WriteByte(')')
			} else {
				writeNode(b, sub)
			}
		}
	case *negation:
		b.WriteString("not (")
		writeNode(b, n.node)
		b.WriteByte(')')
	case *comparison:
		b.WriteString(n.ref.String())
		b.WriteByte(' ')
		b.WriteString(string(n.op))
		b.WriteByte(' ')
		b.Write(appendJSON(nil, n.literal))
	case *presence:
		b.WriteString(n.ref.String())
		b.WriteString(" pr")
	case *valuePath:
		b.WriteString(n.ref.String())
		b.WriteByte('[')
		writeNode(b, n.node)
		b.WriteByte(']')
	}
}

// Equality is a comparison `attribute eq "value"`.
type Equality struct {
	// Attribute is the canonical name: "userName", "emails.value", "members.value", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value".
	Attribute string
	// Value is the literal as it was sent. Fold it for attributes that ignore case.
	Value string
}

// Equalities lists the string equalities that every match has to satisfy: those joined by "and" at the top of the filter or of a value path. Each can serve for
// an indexed look-up; what it finds still has to be put to Match. Empty means that no index helps.
func (f *Filter) Equalities() []Equality { return equalities(nil, "", f.roots.first) }

func equalities(list []Equality, prefix string, n node) []Equality {
	switch n := n.(type) {
	case *logical:
		if n.or {
			return list
		}
		for _, sub := range n.nodes {
			list = equalities(list, prefix, sub)
		}
	case *comparison:
		if s, ok := n.literal.(string); ok && n.op == opEq {
			list = append(list, Equality{prefix + n.ref.String(), s})
		}
	case *valuePath:
		list = equalities(list, n.ref.String()+".", n.node)
	}
	return list
}

// Attributes lists the canonical top-level names (or URN-qualified names) that the filter reads, each once, in alphabetical order. So the server knows whether
// it has to load members.
func (f *Filter) Attributes() []string {
	var names []string
	var walk func(n node)
	walk = func(n node) {
		switch n := n.(type) {
		case *logical:
			for _, sub := range n.nodes {
				walk(sub)
			}
		case *negation:
			walk(n.node)
		case *comparison:
			names = append(names, n.ref.top())
		case *presence:
			names = append(names, n.ref.top())
		case *valuePath:
			names = append(names, n.ref.top())
		}
	}
	walk(f.roots.first)
	slices.Sort(names)
	return slices.Compact(names)
}

// template gives the sub-attributes that an element must have to satisfy a filter that is made of eq and "and" alone; ok is false for any other filter.
func template(n node) (fields []field, ok bool) {
	switch n := n.(type) {
	case *logical:
		if n.or {
			return nil, false
		}
		for _, sub := range n.nodes {
			more, ok := template(sub)
			if !ok {
				return nil, false
			}
			fields = append(fields, more...)
		}
		return fields, true
	case *comparison:
		if n.op != opEq || n.literal == nil {
			return nil, false
		}
		return []field{{n.ref.name, n.literal}}, true
	}
	return nil, false
}

// anyOf gives the values v of a filter that is nothing but `value eq "v"`, or several of these joined by "or".
func anyOf(n node) (values []string, ok bool) {
	switch n := n.(type) {
	case *logical:
		if !n.or {
			return nil, false
		}
		for _, sub := range n.nodes {
			more, ok := anyOf(sub)
			if !ok {
				return nil, false
			}
			values = append(values, more...)
		}
		return values, true
	case *comparison:
		s, ok := n.literal.(string)
		return []string{s}, ok && n.op == opEq && n.ref.name == "value"
	}
	return nil, false
}
