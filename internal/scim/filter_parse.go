// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ParseFilter parses a filter on resources of the type. Errors are 400 invalidFilter with the position and what was expected there; an unknown attribute or
// operator is an error, never an empty result.
func ParseFilter(s string, rt *ResourceType) (*Filter, error) { return ParseFilterOf(s, rt, Options{}) }

// ParseFilterOf parses a filter as a client of a dialect sends it. Where others are given, it is a query over resources of several types (RFC 7644 3.4.2.1): a
// resource has no value of an attribute that only another type has.
func ParseFilterOf(s string, rt *ResourceType, o Options, others ...*ResourceType) (*Filter, error) {
	if len(s) > MaxFilterLength {
		return nil, InvalidFilter(0, "the filter is longer than %d bytes", MaxFilterLength)
	}
	roots, err := forTypes(rt, others, func(rt *ResourceType, others []*ResourceType) (node, error) {
		return (&filterParser{s: s, rt: rt, others: others, opts: o, query: true}).whole()
	})
	if err != nil {
		return nil, err
	}
	return &Filter{roots}, nil
}

func (p *filterParser) whole() (node, error) {
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(p.s) {
		return nil, p.fail("expected \"and\", \"or\" or the end of the filter, found %s", p.found())
	}
	return root, nil
}

// filterParser is a recursive descent over RFC 7644 figure 1. Precedence: not, and, or.
type filterParser struct {
	s   string
	pos int
	rt  *ResourceType
	// others are the further types that the query is about.
	others []*ResourceType
	// opts are what is tolerated of the client.
	opts Options
	// query says that this is the filter of a query, not that of a path.
	query bool
	// element is set inside the brackets of a value path: names are those of its sub-attributes.
	element *Attribute
	depth   int
}

func (p *filterParser) fail(format string, args ...any) *Error {
	return p.failAt(p.pos, format, args...)
}

func (p *filterParser) failAt(offset int, format string, args ...any) *Error {
	return InvalidFilter(offset+1, format, args...)
}

func (p *filterParser) space() {
	for p.pos < len(p.s) && p.s[p.pos] == ' ' {
		p.pos++
	}
}

// word gives the run of bytes up to a delimiter, without consuming it.
func (p *filterParser) word() string {
	p.space()
	end := p.pos
	for end < len(p.s) && !strings.ContainsRune(" ()[]\"", rune(p.s[end])) {
		end++
	}
	return p.s[p.pos:end]
}

// found names what stands at the position. It does not repeat it: it may be a value without its quotes, and values may be personal.
func (p *filterParser) found() string {
	p.space()
	if p.pos == len(p.s) {
		return "the end"
	}
	switch c := p.s[p.pos]; c {
	case '"':
		return "a text in quotes"
	case '(', ')', '[', ']':
		return "'" + string(c) + "'"
	}
	return "a word"
}

// keyword consumes a word in any letter case.
func (p *filterParser) keyword(word string) bool {
	if !equalName(p.word(), word) {
		return false
	}
	p.pos += len(word)
	return true
}

func (p *filterParser) or() (node, error)  { return p.joined("or", true, p.and) }
func (p *filterParser) and() (node, error) { return p.joined("and", false, p.term) }

func (p *filterParser) joined(word string, or bool, operand func() (node, error)) (node, error) {
	first, err := operand()
	if err != nil {
		return nil, err
	}
	nodes := flatten(nil, or, first)
	for p.keyword(word) {
		n, err := operand()
		if err != nil {
			return nil, err
		}
		nodes = flatten(nodes, or, n)
	}
	if len(nodes) == 1 {
		return nodes[0], nil
	}
	return &logical{or, nodes}, nil
}

// flatten appends a node, or the nodes that it joins in the same way.
func flatten(nodes []node, or bool, n node) []node {
	if l, ok := n.(*logical); ok && l.or == or {
		return append(nodes, l.nodes...)
	}
	return append(nodes, n)
}

func (p *filterParser) term() (node, error) {
	p.space()
	if p.pos < len(p.s) && p.s[p.pos] == '(' {
		return p.group()
	}
	if p.keyword("not") {
		if p.space(); p.pos < len(p.s) && p.s[p.pos] == '(' {
			n, err := p.group()
			return &negation{n}, err
		}
		return nil, p.fail("expected '(' after \"not\"")
	}
	return p.attributeExpression()
}

func (p *filterParser) group() (node, error) {
	open := p.pos
	p.pos++
	if p.depth++; p.depth > MaxFilterDepth {
		return nil, p.fail("nested deeper than %d levels", MaxFilterDepth)
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos == len(p.s) || p.s[p.pos] != ')' {
		return nil, p.fail("expected ')' to the '(' at position %d, found %s", open+1, p.found())
	}
	p.pos++
	p.depth--
	return n, nil
}

func (p *filterParser) attributeExpression() (node, error) {
	start := p.pos
	name := p.word()
	if name == "" {
		return nil, p.fail("expected an attribute name, \"not\" or '(', found %s", p.found())
	}
	p.pos += len(name)
	ref, err := p.reference(name, start)
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.s) && p.s[p.pos] == '[' {
		return p.valuePath(ref)
	}
	return p.operation(ref, start)
}

// reference resolves a name; inside brackets it is a sub-attribute.
func (p *filterParser) reference(name string, start int) (attrRef, error) {
	if p.element != nil {
		if sub := p.element.Sub(name); sub != nil {
			ref := attrRef{name: sub.Name, attr: sub, inElement: true}
			return ref, p.searchable(sub, p.element.Name+"."+sub.Name, start)
		}
		if p.element.Type != TypeComplex && equalName(name, "value") {
			simple := *p.element
			simple.MultiValued = false
			return attrRef{name: "value", attr: &simple, inElement: true}, nil
		}
		if badName(name) >= 0 {
			return attrRef{}, p.failAt(start, "expected a sub-attribute of %q", p.element.Name)
		}
		return attrRef{}, p.failAt(start, "%q has no sub-attribute %q", p.element.Name, clip(name))
	}
	ref, err := resolveAmong(name, p.rt, p.others, Options{Dialect: inFilter})
	if err != nil {
		return attrRef{}, relocate(err, ScimTypeInvalidFilter, "filter", start)
	}
	if ref.name == "" {
		return attrRef{}, p.failAt(start+len(name), "expected an attribute after the schema URN")
	}
	return ref, p.searchable(ref.leaf(), ref.String(), start)
}

// searchable refuses what no resource has while it is searched: secrets, and URLs, which depend on how the client reaches the endpoint. An empty result would be a
// lie.
func (p *filterParser) searchable(a *Attribute, label string, start int) error {
	switch {
	case a.Returned == ReturnedNever:
		return p.failAt(start, "%q cannot be used in a filter", label)
	case a.Type == TypeReference && a.Mutability == ReadOnly:
		return p.failAt(start, "%q is worked out for each answer and cannot be used in a filter: use the id instead", label)
	}
	return nil
}

// inFilter: a filter only reads, and Entra asks for "manager" without its URN whatever else it sends.
var inFilter = NewDialect("", UnqualifiedExtension)

func (p *filterParser) valuePath(ref attrRef) (node, error) {
	switch {
	case p.element != nil:
		return nil, p.fail("brackets inside brackets are not allowed")
	case ref.subName != "":
		return nil, p.fail("a filter in brackets belongs to the attribute, before the sub-attribute: %s[...].%s", ref.top(), ref.subName)
	case ref.attr.Type != TypeComplex && !ref.attr.MultiValued:
		return nil, p.fail("%q has no sub-attributes, so it takes no filter in brackets", ref.attr.Name)
	}
	inner := &filterParser{s: p.s, pos: p.pos + 1, element: ref.attr, depth: p.depth + 1, opts: p.opts, query: p.query}
	n, err := inner.bracketed()
	if err != nil {
		return nil, err
	}
	p.pos = inner.pos
	if p.pos == len(p.s) || p.s[p.pos] != '.' {
		return &valuePath{ref, n}, nil
	}
	// attr[filter].sub op value, as Entra writes it: of one and the same element.
	p.pos++
	start := p.pos
	inner.pos = start
	name := inner.word()
	inner.pos += len(name)
	sub, err := inner.reference(name, start)
	if err != nil {
		return nil, err
	}
	operation, err := inner.operation(sub, start)
	if err != nil {
		return nil, err
	}
	p.pos = inner.pos
	return &valuePath{ref, &logical{false, flatten(flatten(nil, false, n), false, operation)}}, nil
}

// bracketed reads the filter of a value path up to and with the closing bracket.
func (p *filterParser) bracketed() (node, error) {
	if p.depth > MaxFilterDepth {
		return nil, p.fail("nested deeper than %d levels", MaxFilterDepth)
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos == len(p.s) || p.s[p.pos] != ']' {
		return nil, p.fail("expected \"and\", \"or\" or ']', found %s", p.found())
	}
	p.pos++
	return n, nil
}

// operation reads what follows the attribute: "pr", or a comparison.
func (p *filterParser) operation(ref attrRef, start int) (node, error) {
	if p.keyword("pr") {
		return &presence{ref}, nil
	}
	p.space()
	opStart := p.pos
	i := slices.IndexFunc(compareOps, func(op compareOp) bool { return p.keyword(string(op)) })
	if i < 0 {
		return nil, p.fail("expected an operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr), found %s", p.found())
	}
	// A complex attribute stands for its "value".
	if leaf := ref.leaf(); leaf.Type == TypeComplex {
		sub := leaf.defaultSub()
		if sub == nil {
			return nil, p.failAt(start, "%q is complex; name one of its sub-attributes, as in %s.%s", ref, ref, leaf.SubAttributes[0].Name)
		}
		ref.subName, ref.sub = sub.Name, sub
	}
	c := &comparison{ref: ref, op: compareOps[i]}
	p.space()
	valueStart := p.pos
	if text, ok := p.unquoted(ref.leaf()); ok {
		c.literal = text
	} else {
		var err error
		if c.literal, err = p.literal(); err != nil {
			return nil, err
		}
	}
	return c, p.prepare(c, opStart, valueStart)
}

// literal reads a JSON string, number, true, false or null.
func (p *filterParser) literal() (any, error) {
	if p.pos < len(p.s) && p.s[p.pos] == '"' {
		return p.quoted()
	}
	w := p.word()
	p.pos += len(w)
	switch {
	case equalName(w, "true"):
		return true, nil
	case equalName(w, "false"):
		return false, nil
	case equalName(w, "null"):
		return nil, nil
	case w != "" && (w[0] == '-' || '0' <= w[0] && w[0] <= '9'):
		d := &decoder{data: []byte(w)}
		if v, err := d.number(); err == nil && d.pos == len(w) {
			return v, nil
		}
	}
	p.pos -= len(w)
	return nil, p.fail("expected a value: a text in double quotes, a number, true, false or null; found %s", p.found())
}

// unquoted reads a text that has lost its quotes.
func (p *filterParser) unquoted(a *Attribute) (text string, ok bool) {
	w := p.word()
	if !p.query || w == "" || equalName(w, "null") || a.Type != TypeString && a.Type != TypeReference {
		return "", false
	}
	// As in quotes: valid UTF-8 without control characters.
	if !utf8.ValidString(w) || strings.ContainsFunc(w, unicode.IsControl) || !p.opts.tolerates(UnquotedFilterValue) {
		return "", false
	}
	p.pos += len(w)
	return w, true
}

func (p *filterParser) quoted() (any, error) {
	d := &decoder{data: []byte(p.s[p.pos:])}
	v, err := d.string()
	if err != nil {
		return nil, relocate(err, ScimTypeInvalidFilter, "filter", p.pos)
	}
	p.pos += d.pos
	return v, nil
}

// prepare checks that the comparison makes sense for the attribute's type, and brings the literal into the form in which it is compared.
func (p *filterParser) prepare(c *comparison, opStart, valueStart int) error {
	a := c.ref.leaf()
	if !operatorFits(a.Type, c.op) {
		return p.failAt(opStart, "operator %q cannot be used on %q, which is of type %s", c.op, c.ref, a.Type)
	}
	if c.literal == nil {
		if c.op != opEq && c.op != opNe {
			return p.failAt(opStart, "null can be compared with eq and ne only")
		}
		return nil
	}
	switch a.Type {
	case TypeBoolean:
		value, ok := asBoolean(c.literal, p.opts)
		if !ok {
			return p.failAt(valueStart, "%q is a boolean; expected true or false without quotes", c.ref)
		}
		c.literal, c.prepared = value, value
	case TypeInteger, TypeDecimal:
		n, ok := c.literal.(json.Number)
		if !ok {
			return p.failAt(valueStart, "%q is a number; expected a number without quotes", c.ref)
		}
		c.prepared = parseDecimal(string(n))
	default:
		s, ok := c.literal.(string)
		if !ok {
			return p.failAt(valueStart, "%q is of type %s; expected a text in double quotes", c.ref, a.Type)
		}
		return p.prepareText(c, a, s, valueStart)
	}
	return nil
}

func (p *filterParser) prepareText(c *comparison, a *Attribute, s string, valueStart int) error {
	textual := c.op == opCo || c.op == opSw || c.op == opEw
	switch {
	case a.Type == TypeDateTime && !textual:
		t, ok := parseDateTime(s)
		if !ok {
			return p.failAt(valueStart, "%q is a dateTime; expected a text such as \"2026-01-31T08:00:00Z\"", c.ref)
		}
		c.prepared = t
	case a.CaseExact || a.Type == TypeDateTime:
		c.prepared = s
	default:
		c.prepared = Fold(s)
	}
	return nil
}

// operatorFits follows RFC 7644 table 3: no order among booleans and binary values, no substrings of what is no text.
func operatorFits(t AttributeType, op compareOp) bool {
	switch op {
	case opEq, opNe:
		return true
	case opCo, opSw, opEw:
		return t != TypeBoolean && t != TypeInteger && t != TypeDecimal
	}
	return t != TypeBoolean && t != TypeBinary
}
