// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
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
	// One round is not always a fixed point: U+1E9E folds to "ss" at once, but the NFKC form of U+2126 is a capital omega, which has to be folded again.
	// Every step maps to a normal form, so this ends.
	for {
		next := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
		if next == s {
			return s
		}
		s = next
	}
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
