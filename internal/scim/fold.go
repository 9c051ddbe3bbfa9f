// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold maps strings that SCIM compares without regard to case to one form: NFKC and full Unicode case folding, repeated until nothing changes, so
// Fold(Fold(s)) == Fold(s). It is the one folding for names, look-ups, eq, subjects and match keys. The result is stored, so it must never change for a given
// input: testdata/fold.golden pins it.
func Fold(s string) string {
	if folded, ok := foldASCII(s); ok {
		return folded
	}
	// One round is not always a fixed point: the NFKC form of what folding gives may have to be folded again. A few rounds are enough for every string that
	// was found; the bound only keeps a request from running for ever.
	for range 16 {
		next := norm.NFKC.String(strings.Map(foldCherokee, cases.Fold().String(norm.NFKC.String(s))))
		if next == s {
			break
		}
		s = next
	}
	return s
}

// foldCherokee maps the small Cherokee letters to the capital ones, as Unicode's CaseFolding.txt does for this script alone. cases.Fold of golang.org/x/text v0.43.0
// exchanges the two instead, so by itself it has no fixed point there.
func foldCherokee(r rune) rune {
	switch {
	case 0xAB70 <= r && r <= 0xABBF:
		return r - 0xAB70 + 0x13A0
	case 0x13F8 <= r && r <= 0x13FD:
		return r - 8
	}
	return r
}

// foldASCII is Fold for strings of ASCII only, where NFKC changes nothing. Without capitals it allocates nothing.
func foldASCII(s string) (folded string, ok bool) {
	capital := -1
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x80 {
			return "", false
		}
		if capital < 0 && 'A' <= c && c <= 'Z' {
			capital = i
		}
	}
	if capital < 0 {
		return s, true
	}
	b := []byte(s)
	for i := capital; i < len(b); i++ {
		b[i] = lowerASCII(b[i])
	}
	return string(b), true
}
