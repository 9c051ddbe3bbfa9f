// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// maxValue bounds a value: characters of strings and keys, and one for every other value. The largest attribute of RFC 7643 is a certificate.
const maxValue = 1 << 20

var (
	errTooLarge = errors.New("the value is too large")
	errNotJSON  = errors.New("the value has no form in JSON")
)

// toJSON is what an expression gave as JSON, nil when that is no value: null, "", [] or {} (RFC 7643 2.5 for null and []).
func toJSON(v ref.Val) (any, error) {
	left := maxValue
	value, err := convert(v, &left)
	if err != nil {
		return nil, err
	}
	switch x := value.(type) {
	case string:
		if x == "" {
			return nil, nil
		}
	case []any:
		if len(x) == 0 {
			return nil, nil
		}
	case map[string]any:
		if len(x) == 0 {
			return nil, nil
		}
	}
	return value, nil
}

// convert counts what it converts down from left. Within lists and objects null is left out.
func convert(v ref.Val, left *int) (any, error) {
	if *left--; *left < 0 {
		return nil, errTooLarge
	}
	switch x := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(x), nil
	case types.Int:
		return int64(x), nil
	case types.Uint:
		if uint64(x) > math.MaxInt64 {
			return nil, errNotJSON
		}
		return int64(x), nil
	case types.Double:
		if f := float64(x); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, nil
		}
		return nil, errNotJSON
	case types.String:
		return text(string(x), left)
	case types.Bytes:
		return text(base64.StdEncoding.EncodeToString(x), left) // RFC 7643 2.3.6
	case types.Timestamp:
		return x.UTC().Format(time.RFC3339Nano), nil // RFC 7643 2.3.5
	case traits.Mapper:
		return convertMap(x, left)
	case traits.Lister:
		return convertList(x, left)
	}
	return nil, errNotJSON
}

func text(s string, left *int) (any, error) {
	if *left -= len(s); *left < 0 {
		return nil, errTooLarge
	}
	return strings.ToValidUTF8(s, "\uFFFD"), nil
}

func convertList(list traits.Lister, left *int) (any, error) {
	out := []any{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		value, err := convert(it.Next(), left)
		if err != nil {
			return nil, err
		}
		if value != nil {
			out = append(out, value)
		}
	}
	return out, nil
}

func convertMap(object traits.Mapper, left *int) (any, error) {
	out := map[string]any{}
	for it := object.Iterator(); it.HasNext() == types.True; {
		key, ok := it.Next().(types.String)
		if !ok {
			return nil, errNotJSON
		}
		*left -= len(key)
		value, err := convert(object.Get(key), left)
		if err != nil {
			return nil, err
		}
		if value != nil {
			out[string(key)] = value
		}
	}
	return out, nil
}

// absent is whether an evaluation ended because the user does not have what was asked for. cel-go tells its errors apart by their text only.
func absent(err error) bool {
	return strings.HasPrefix(err.Error(), "no such key") || strings.HasPrefix(err.Error(), "index out of bounds")
}

const typesDoNotFit = "the types do not fit: the expression uses a value as something that it is not"

// explain says why an evaluation failed. CEL's own text may quote what it worked on, so only the kind of error is kept.
func explain(err error) string {
	message := err.Error()
	for _, kind := range []struct{ has, reason string }{
		{"no such overload", typesDoNotFit},
		{"unsupported index", typesDoNotFit},
		{"cost limit", "the expression takes too much work"},
		{errTooLarge.Error(), errTooLarge.Error()},
		{errRange.Error(), errRange.Error()},
		{"division by zero", "division by zero"},
		{"modulus by zero", "division by zero"},
		{"overflow", "a number or time is too large"},
		{"type conversion error", "a value cannot be converted to the type that is asked for"},
	} {
		if strings.Contains(message, kind.has) {
			return kind.reason
		}
	}
	return "the evaluation failed"
}
