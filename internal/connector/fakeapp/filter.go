// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fakeapp

import (
	"errors"
	"fmt"
	"strings"
)

// filter is a parsed filter. A single comparison shows its parts, so that the store can use an index.
type filter struct {
	test                  func(map[string]any) bool
	name, operator, value string
}

// filterParser reads the part of RFC 7644's grammar that the apps document: comparisons with eq, ne, co, sw and pr, joined by and, or, and parentheses.
type filterParser struct {
	rest       string
	filterable map[string]bool
}

func parseFilter(expression string, filterable map[string]bool) (filter, error) {
	p := &filterParser{rest: expression, filterable: filterable}
	parsed, err := p.disjunction()
	if err != nil {
		return filter{}, err
	}
	if p.skip(); p.rest != "" {
		return filter{}, errors.New("the filter goes on where it should end")
	}
	return parsed, nil
}

func (p *filterParser) skip() { p.rest = strings.TrimLeft(p.rest, " ") }

func (p *filterParser) disjunction() (filter, error) {
	return p.joined("or", p.conjunction, func(a, b bool) bool { return a || b })
}

func (p *filterParser) conjunction() (filter, error) {
	return p.joined("and", p.term, func(a, b bool) bool { return a && b })
}

func (p *filterParser) joined(word string, operand func() (filter, error), join func(a, b bool) bool) (filter, error) {
	left, err := operand()
	for err == nil && p.accept(word) {
		var right filter
		right, err = operand()
		a, b := left.test, right.test
		left = filter{test: func(document map[string]any) bool { return join(a(document), b(document)) }}
	}
	return left, err
}

// accept consumes a word that stands alone.
func (p *filterParser) accept(word string) bool {
	p.skip()
	if len(p.rest) > len(word) && strings.EqualFold(p.rest[:len(word)], word) && strings.ContainsRune(" (", rune(p.rest[len(word)])) {
		p.rest = p.rest[len(word):]
		return true
	}
	return false
}

func (p *filterParser) term() (filter, error) {
	p.skip()
	if after, ok := strings.CutPrefix(p.rest, "("); ok {
		p.rest = after
		inner, err := p.disjunction()
		if err != nil {
			return filter{}, err
		}
		p.skip()
		if after, ok = strings.CutPrefix(p.rest, ")"); !ok {
			return filter{}, errors.New("a parenthesis is not closed")
		}
		p.rest = after
		return filter{test: inner.test}, nil
	}
	return p.comparison()
}

func (p *filterParser) word() string {
	p.skip()
	end := strings.IndexAny(p.rest, " ()")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	return word
}

func (p *filterParser) comparison() (filter, error) {
	name, operator := strings.TrimPrefix(p.word(), userURN+":"), strings.ToLower(p.word())
	root, _, _ := strings.Cut(name, ".")
	if p.filterable != nil && !p.filterable[strings.ToLower(root)] {
		return filter{}, errors.New("filtering by this attribute is not supported")
	}
	compare, known := map[string]func(have, want string) bool{
		"eq": func(have, want string) bool { return have == want },
		"co": strings.Contains,
		"sw": strings.HasPrefix,
	}[operator]
	switch {
	case operator == "pr":
		return filter{test: func(document map[string]any) bool { return len(valuesAt(document, name)) > 0 }}, nil
	case operator == "ne":
		compare = func(have, want string) bool { return have == want }
	case !known:
		return filter{}, errors.New("the operator is not supported")
	}
	value, err := p.literal()
	if err != nil {
		return filter{}, err
	}
	test := func(document map[string]any) bool {
		for _, have := range valuesAt(document, name) {
			if compare(strings.ToLower(have), strings.ToLower(value)) {
				return operator != "ne"
			}
		}
		return operator == "ne"
	}
	return filter{test: test, name: strings.ToLower(name), operator: operator, value: value}, nil
}

// literal reads a value in double quotes, in single quotes (Common Room's own example), or bare (true, 5).
func (p *filterParser) literal() (string, error) {
	p.skip()
	if p.rest == "" {
		return "", errors.New("the filter has no value")
	}
	quote := p.rest[0]
	if quote != '"' && quote != '\'' {
		return p.word(), nil
	}
	var value strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && i+1 < len(p.rest):
			i++
			value.WriteByte(p.rest[i])
		case c == quote:
			p.rest = p.rest[i+1:]
			return value.String(), nil
		default:
			value.WriteByte(c)
		}
	}
	return "", errors.New("a quoted value does not end")
}

// valuesAt returns the values at a path such as userName, name.givenName, emails or emails.value.
func valuesAt(document map[string]any, path string) []string {
	name, sub, _ := strings.Cut(path, ".")
	if strings.HasPrefix(path, "urn:") {
		colon := strings.LastIndexByte(path, ':')
		extension, _ := document[path[:colon]].(map[string]any)
		return valuesAt(extension, path[colon+1:])
	}
	if sub == "" {
		sub = "value"
	}
	value := document[keyOf(document, name)]
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	var values []string
	for _, item := range list {
		if object, ok := item.(map[string]any); ok {
			item = object[keyOf(object, sub)]
		}
		if !isEmpty(item) {
			values = append(values, fmt.Sprint(item))
		}
	}
	return values
}
