// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package bounded_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/scim-operator/scim-operator/internal/bounded"
)

// hostile are texts that take the most bytes for their length.
var hostile = map[string]string{
	"plain": "x", "two bytes": "é", "four bytes": "😀", "markup": "<>&", "quotes": `"\`, "control": "\x00\n\b", "separators": "\u2028\u2029", "invalid": "\xff", "mixed": "a<é\xff😀",
}

// inJSON is how many bytes a text takes in JSON, without the quotes.
func inJSON(t testing.TB, text string) int {
	t.Helper()
	data, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return len(data) - 2
}

func TestSizeIsWhatJSONTakesAtMost(t *testing.T) {
	for name, text := range hostile {
		if got, want := bounded.Size(text), inJSON(t, text); got < want {
			t.Errorf("%s: %d bytes, JSON takes %d", name, got, want)
		}
	}
}

func TestCutTextsFitAndStayWhole(t *testing.T) {
	for name, text := range hostile {
		long := strings.Repeat(text, 100)
		cut := bounded.Cut(long, 64)
		if n := inJSON(t, cut); n > 64 || bounded.Size(cut) < 64-5 {
			t.Errorf("%s: %d bytes", name, n)
		}
		if !strings.HasSuffix(cut, "...") || (utf8.ValidString(long) && !utf8.ValidString(cut)) {
			t.Errorf("%s: %q", name, cut)
		}
		if short := text; bounded.Cut(short, 64) != short {
			t.Errorf("%s: a text that fits is changed", name)
		}
	}
}

func TestShortenedNamesFitAndStayDifferent(t *testing.T) {
	for name, text := range hostile {
		one, other := bounded.Name(strings.Repeat(text, 100)+"a", 48), bounded.Name(strings.Repeat(text, 100)+"b", 48)
		if n := inJSON(t, one); n > 48 {
			t.Errorf("%s: %d bytes", name, n)
		}
		if one == other {
			t.Errorf("%s: two names became one: %q", name, one)
		}
		if bounded.Name(one, 48) != one {
			t.Errorf("%s: a shortened name is shortened again", name)
		}
		if !utf8.ValidString(one) {
			t.Errorf("%s: %q is not UTF-8", name, one)
		}
		if short := text; bounded.Name(short, 48) != short {
			t.Errorf("%s: a name that fits is changed", name)
		}
	}
}
