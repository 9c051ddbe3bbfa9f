// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// maxString is how long a string gets, in bytes: as long as a value of a ScimUser.
const maxString = 1 << 16

var errRange = errors.New("a position is outside the string")

// stringFunctions are the functions of CEL's strings extension that change strings, by the same names and with the same results. They are not cel-go's because
// those make any string that is asked for and count its cost afterwards: one replace("", ...) of two long values takes gigabytes.
func stringFunctions() cel.EnvOption {
	str, num, list := cel.StringType, cel.IntType, cel.ListType(cel.StringType)
	member := func(name, id string, result *cel.Type, binding func(args ...ref.Val) ref.Val, args ...*cel.Type) cel.EnvOption {
		return cel.Function(name, cel.MemberOverload(id, args, result, cel.FunctionBinding(binding)))
	}
	options := []cel.EnvOption{
		member("lowerAscii", "string_lower_ascii", str, each(lowerASCII), str),
		member("upperAscii", "string_upper_ascii", str, each(upperASCII), str),
		member("trim", "string_trim", str, each(strings.TrimSpace), str),
		member("charAt", "string_char_at_int", str, charAt, str, num),
		member("substring", "string_substring_int", str, substring, str, num),
		member("substring", "string_substring_int_int", str, substring, str, num, num),
		member("indexOf", "string_index_of_string", num, index(strings.Index), str, str),
		member("lastIndexOf", "string_last_index_of_string", num, index(strings.LastIndex), str, str),
		member("replace", "string_replace_string_string", str, replace, str, str, str),
		member("replace", "string_replace_string_string_int", str, replace, str, str, str, num),
		member("split", "string_split_string", list, split, str, str),
		member("split", "string_split_string_int", list, split, str, str, num),
		member("join", "list_join", str, join, list),
		member("join", "list_join_string", str, join, list, str),
	}
	return func(env *cel.Env) (*cel.Env, error) {
		for _, option := range options {
			var err error
			if env, err = option(env); err != nil {
				return nil, err
			}
		}
		return env, nil
	}
}

// stringCosts charges the functions a unit for every ten bytes that they read, as CEL does for its own.
type stringCosts struct{}

// CallCost implements interpreter.ActualCostEstimator.
func (stringCosts) CallCost(_, overload string, args []ref.Val, _ ref.Val) *uint64 {
	if !strings.HasPrefix(overload, "string_") && !strings.HasPrefix(overload, "list_join") {
		return nil
	}
	cost := uint64(1)
	for _, arg := range args {
		switch x := arg.(type) {
		case types.String:
			cost += uint64(len(x)) / 10
		case traits.Sizer:
			if n, ok := x.Size().(types.Int); ok {
				cost += uint64(n)
			}
		}
	}
	return &cost
}

func each(f func(string) string) func(...ref.Val) ref.Val {
	return func(args ...ref.Val) ref.Val { return types.String(f(str(args[0]))) }
}

func str(v ref.Val) string { return string(v.(types.String)) }

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func upperASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - ('a' - 'A')
		}
		return r
	}, s)
}

// charAt is one character, "" at the end.
func charAt(args ...ref.Val) ref.Val {
	runes, i := []rune(str(args[0])), int64(args[1].(types.Int))
	switch {
	case i < 0 || i > int64(len(runes)):
		return types.WrapErr(errRange)
	case i == int64(len(runes)):
		return types.String("")
	}
	return types.String(runes[i])
}

// substring counts characters, not bytes.
func substring(args ...ref.Val) ref.Val {
	runes := []rune(str(args[0]))
	from, to := int64(args[1].(types.Int)), int64(len(runes))
	if len(args) == 3 {
		to = int64(args[2].(types.Int))
	}
	if from < 0 || from > to || to > int64(len(runes)) {
		return types.WrapErr(errRange)
	}
	return types.String(runes[from:to])
}

// index is a position in characters, -1 where the text is not found.
func index(find func(s, text string) int) func(...ref.Val) ref.Val {
	return func(args ...ref.Val) ref.Val {
		s := str(args[0])
		i := find(s, str(args[1]))
		if i < 0 {
			return types.Int(-1)
		}
		return types.Int(utf8.RuneCountInString(s[:i]))
	}
}

// replace replaces the first n occurrences, all when n is negative or not given.
func replace(args ...ref.Val) ref.Val {
	s, from, to, n := str(args[0]), str(args[1]), str(args[2]), limit(args, 3)
	found := strings.Count(s, from)
	if n >= 0 {
		found = min(found, n)
	}
	if len(s)+found*(len(to)-len(from)) > maxString {
		return types.WrapErr(errTooLarge)
	}
	return types.String(strings.Replace(s, from, to, n))
}

// split gives at most n parts, all when n is negative or not given.
func split(args ...ref.Val) ref.Val {
	return types.NewStringList(types.DefaultTypeAdapter, strings.SplitN(str(args[0]), str(args[1]), limit(args, 2)))
}

func limit(args []ref.Val, i int) int {
	if i >= len(args) {
		return -1
	}
	return int(max(-1, min(args[i].(types.Int), maxString+1)))
}

func join(args ...ref.Val) ref.Val {
	separator := ""
	if len(args) == 2 {
		separator = str(args[1])
	}
	var b strings.Builder
	between := ""
	for it := args[0].(traits.Lister).Iterator(); it.HasNext() == types.True; {
		part, ok := it.Next().(types.String)
		if !ok {
			return types.MaybeNoSuchOverloadErr(args[0])
		}
		b.WriteString(between)
		b.WriteString(string(part))
		between = separator
		if b.Len() > maxString {
			return types.WrapErr(errTooLarge)
		}
	}
	return types.String(b.String())
}
