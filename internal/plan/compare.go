// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Likeness is how the value that an app shows compares with the desired one.
type Likeness int

// From the least to the most alike.
const (
	// Different: it is another value.
	Different Likeness = iota
	// Normalized: it is the same value in another letter case, format, type or order.
	Normalized
	// Equal: it is the same value. An app may add sub-attributes of its own.
	Equal
)

// Compare compares the value that an app shows with the desired one, as JSON values.
func Compare(desired, shown any) Likeness {
	switch want := desired.(type) {
	case map[string]any:
		have, ok := shown.(map[string]any)
		if !ok {
			return Different
		}
		return compareObjects(want, have)
	case []any:
		have, ok := shown.([]any)
		if !ok || len(have) != len(want) {
			return Different
		}
		return compareLists(want, have)
	}
	switch shown.(type) {
	case map[string]any, []any:
		return Different
	}
	return compareTexts(fmt.Sprint(desired), fmt.Sprint(shown))
}

// compareObjects ignores what the app adds, and a false or empty sub-attribute that it leaves out.
func compareObjects(want, have map[string]any) Likeness {
	least := Equal
	for name, value := range want {
		shown := connector.Field(have, name)
		if shown == nil && (connector.IsEmpty(value) || value == false) {
			continue
		}
		least = min(least, Compare(value, shown))
	}
	return least
}

func compareLists(want, have []any) Likeness {
	least := Equal
	for i := range want {
		least = min(least, Compare(want[i], have[i]))
	}
	if least != Different {
		return least
	}
	taken := make([]bool, len(have))
	for _, value := range want {
		found := false
		for i := range have {
			if !taken[i] && Compare(value, have[i]) != Different {
				taken[i], found = true, true
				break
			}
		}
		if !found {
			return Different
		}
	}
	return Normalized
}

func compareTexts(want, have string) Likeness {
	switch {
	case want == have:
		return Equal
	case scim.Fold(spaces(want)) == scim.Fold(spaces(have)), sameNumber(want, have):
		return Normalized
	default:
		return Different
	}
}

func spaces(text string) string { return strings.Join(strings.Fields(text), " ") }

// shortNumber is how many digits a number of a subscriber has at least.
const shortNumber = 5

// sameNumber reports whether two texts are one telephone number: "+49 (0)89 / 1234-56", "tel:+4989123456" and "0049 89 123456" are.
func sameNumber(a, b string) bool {
	x, y := digits(a), digits(b)
	if len(x) > len(y) {
		x, y = y, x
	}
	return len(x) >= shortNumber && strings.HasSuffix(y, x) && len(y)-len(x) <= 3
}

// digits returns the digits of a telephone number without leading zeros and without "(0)"; empty for any other text.
func digits(text string) string {
	text = strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(text)), "tel:"), "(0)", "")
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return r
		case strings.ContainsRune("+-/.() ", r) || unicode.IsSpace(r):
			return -1
		default:
			return 'x'
		}
	}, text)
	if strings.ContainsRune(out, 'x') {
		return ""
	}
	return strings.TrimLeft(out, "0")
}
