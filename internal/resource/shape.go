// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"
	"reflect"
	"unicode/utf8"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// attribute ties a SCIM attribute to the field of T that holds it.
type attribute[T any] struct {
	name string
	// load gives the field as encoding/json would decode it, nil where it is empty.
	load func(*T) any
	// read gives the same as a scim.Object holds it.
	read func(*T) any
	// store fills the field with what of the value fits it, and clears it where nothing does.
	store func(*T, any)
	// check refuses what the CRD would refuse. path is how the client knows the attribute.
	check func(path string, value any) error
}

func text[T any](name string, maxLength int, at func(*T) *string) attribute[T] {
	load := func(t *T) any {
		if s := *at(t); s != "" {
			return s
		}
		return nil
	}
	return attribute[T]{
		name:  name,
		load:  load,
		read:  load,
		store: func(t *T, v any) { *at(t), _ = v.(string) },
		check: func(path string, v any) error {
			if s, ok := v.(string); ok {
				return checkLength(path, s, maxLength)
			}
			return nil
		},
	}
}

func flag[T any](name string, at func(*T) **bool) attribute[T] {
	load := func(t *T) any {
		if b := *at(t); b != nil {
			return *b
		}
		return nil
	}
	return attribute[T]{
		name: name,
		load: load,
		read: load,
		store: func(t *T, v any) {
			*at(t) = nil
			if b, ok := v.(bool); ok {
				*at(t) = &b
			}
		},
		check: func(string, any) error { return nil },
	}
}

// object is a complex attribute: nil where no sub-attribute has a value.
func object[T, S any](name string, subs []attribute[S], at func(*T) **S) attribute[T] {
	return attribute[T]{
		name: name,
		load: func(t *T) any {
			if s := *at(t); s != nil {
				return orNil(loadAll(subs, s))
			}
			return nil
		},
		read: func(t *T) any {
			if s := *at(t); s != nil {
				return readAll(subs, s).Value()
			}
			return nil
		},
		store: func(t *T, v any) {
			*at(t) = nil
			if s, ok := storeAll(subs, v); ok {
				*at(t) = s
			}
		},
		check: func(path string, v any) error { return checkAll(subs, path, v) },
	}
}

// list is a multi-valued complex attribute.
func list[T, S any](name string, maxItems int, subs []attribute[S], at func(*T) *[]S) attribute[T] {
	return attribute[T]{
		name: name,
		load: func(t *T) any {
			var values []any
			for i := range *at(t) {
				if m := loadAll(subs, &(*at(t))[i]); len(m) > 0 {
					values = append(values, m)
				}
			}
			if values == nil {
				return nil
			}
			return values
		},
		read: func(t *T) any {
			list := *at(t)
			values := make([]any, 0, len(list))
			for i := range list {
				if o := readAll(subs, &list[i]).Value(); o != nil {
					values = append(values, o)
				}
			}
			if len(values) == 0 {
				return nil
			}
			return values
		},
		store: func(t *T, v any) {
			*at(t) = nil
			values, _ := v.([]any)
			for _, value := range values {
				if s, ok := storeAll(subs, value); ok {
					*at(t) = append(*at(t), *s)
				}
			}
		},
		check: func(path string, v any) error {
			values, _ := v.([]any)
			if len(values) > maxItems {
				return scim.InvalidValue("%s has more than %d values", path, maxItems)
			}
			for _, value := range values {
				if err := checkAll(subs, path, value); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func loadAll[S any](subs []attribute[S], s *S) map[string]any {
	m := map[string]any{}
	for _, sub := range subs {
		if v := sub.load(s); v != nil {
			m[sub.name] = v
		}
	}
	return m
}

func readAll[S any](subs []attribute[S], s *S) *scim.Object {
	o := scim.NewObject(len(subs))
	for _, sub := range subs {
		o.Append(sub.name, sub.read(s))
	}
	return o
}

// storeAll is false where nothing of the value fits.
func storeAll[S any](subs []attribute[S], v any) (*S, bool) {
	m, _ := v.(map[string]any)
	s, found := new(S), false
	for _, sub := range subs {
		sub.store(s, m[sub.name])
		found = found || sub.load(s) != nil
	}
	return s, found
}

func checkAll[S any](subs []attribute[S], path string, v any) error {
	m, _ := v.(map[string]any)
	for _, sub := range subs {
		if err := sub.check(path+"."+sub.name, m[sub.name]); err != nil {
			return err
		}
	}
	return nil
}

// take fills the fields of t from values, and gives back those values that the fields do not hold without loss, under the same names.
func take[T any](t *T, attributes []attribute[T], prefix string, values map[string]any) (rest map[string]any, err error) {
	rest = map[string]any{}
	known := map[string]bool{}
	for _, a := range attributes {
		known[a.name] = true
		v := values[a.name]
		if err := a.check(prefix+a.name, v); err != nil {
			return nil, err
		}
		a.store(t, v)
		if v != nil && !reflect.DeepEqual(a.load(t), v) {
			rest[a.name] = v
		}
	}
	for name, v := range values {
		if !known[name] {
			rest[name] = v
		}
	}
	return rest, nil
}

// give is the opposite of take. Where rest has a value of which the field holds a part, the field decides if somebody changed it since.
func give[T any](t *T, attributes []attribute[T], rest map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range rest {
		out[name] = v
	}
	for _, a := range attributes {
		v := a.load(t)
		whole, kept := rest[a.name]
		if kept {
			var was T
			a.store(&was, whole)
			if reflect.DeepEqual(a.load(&was), v) {
				continue
			}
		}
		if v == nil {
			delete(out, a.name)
		} else {
			out[a.name] = v
		}
	}
	return out
}

func checkLength(path, s string, maxLength int) error {
	if len(s) > maxLength && utf8.RuneCountInString(s) > maxLength {
		return scim.InvalidValue("%s is longer than %d characters", path, maxLength)
	}
	return nil
}

func orNil(m map[string]any) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

// normal leaves out null, empty arrays and empty objects, which are the same as an absent value (RFC 7643 2.5).
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for name, value := range v {
			if value = normal(value); value != nil {
				m[name] = value
			}
		}
		return orNil(m)
	case []any:
		var values []any
		for _, value := range v {
			if value = normal(value); value != nil {
				values = append(values, value)
			}
		}
		if values == nil {
			return nil
		}
		return values
	case string, bool, nil:
		return v
	case fmt.Stringer: // json.Number
		return v
	case float64, int, int64:
		return v
	default:
		panic(fmt.Sprintf("resource: %T is no JSON value", v))
	}
}
