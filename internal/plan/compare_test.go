// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"testing"

	"github.com/scim-operator/scim-operator/internal/plan"
)

func TestCompareForgivesWhatAppsNormalize(t *testing.T) {
	type object = map[string]any
	mail := func(value string) object { return object{"value": value, "type": "work", "primary": true} }
	for name, tc := range map[string]struct {
		desired, shown any
		want           plan.Likeness
	}{
		"the same text":                   {"Ada", "Ada", plan.Equal},
		"another text":                    {"Ada", "Bob", plan.Different},
		"letter case":                     {"Ada.L@Corp.test", "ada.l@corp.test", plan.Normalized},
		"spaces":                          {" Ada  L", "Ada L", plan.Normalized},
		"a telephone number":              {"+49 (0)89 / 1234-56", "tel:+4989123456", plan.Normalized},
		"without the prefix of a country": {"0049 89 123456", "089123456", plan.Normalized},
		"another number":                  {"+49 89 123456", "+49 89 123457", plan.Different},
		"a short number":                  {"12", "112", plan.Different},
		"a number as text":                {float64(7), "7", plan.Equal},
		"a list":                          {[]any{mail("a@x"), mail("b@x")}, []any{mail("a@x"), mail("b@x")}, plan.Equal},
		"the order of a list":             {[]any{mail("a@x"), mail("b@x")}, []any{mail("b@x"), mail("A@x")}, plan.Normalized},
		"a shorter list":                  {[]any{mail("a@x"), mail("b@x")}, []any{mail("a@x")}, plan.Different},
		"one value twice":                 {[]any{mail("a@x"), mail("b@x")}, []any{mail("a@x"), mail("a@x")}, plan.Different},
		"what the app adds":               {object{"value": "a@x"}, object{"value": "a@x", "display": "Ada"}, plan.Equal},
		"false that is left out":          {object{"value": "a@x", "primary": false}, object{"value": "a@x"}, plan.Equal},
		"a sub-attribute that is missing": {mail("a@x"), object{"value": "a@x"}, plan.Different},
		"an object for a text":            {"Ada", object{"value": "Ada"}, plan.Different},
		"a text for a list":               {[]any{"Ada"}, "Ada", plan.Different},
	} {
		t.Run(name, func(t *testing.T) {
			if got := plan.Compare(tc.desired, tc.shown); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}
