// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestFoldIsPinned: folded names are stored and hashed into object names, so no release may fold a string otherwise. A line that fails here after an upgrade of
// golang.org/x/text must not be edited: such an upgrade needs a migration.
func TestFoldIsPinned(t *testing.T) {
	f, err := os.Open("testdata/fold.golden")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		quoted, wanted, _ := strings.Cut(s.Text(), "\t")
		in, err1 := strconv.Unquote(quoted)
		want, err2 := strconv.Unquote(wanted)
		if err1 != nil || err2 != nil {
			t.Fatalf("%s: %v, %v", s.Text(), err1, err2)
		}
		if got := Fold(in); got != want {
			t.Errorf("Fold(%+q) = %+q, want %+q", in, got, want)
		}
		lines++
	}
	if lines < 60 {
		t.Errorf("%d lines only", lines)
	}
}

// TestFoldOfEveryCodePoint pins all of Unicode at once, and checks what Fold promises for each character.
func TestFoldOfEveryCodePoint(t *testing.T) {
	h := sha256.New()
	for r := rune(0); r <= 0x10FFFF; r++ {
		if 0xD800 <= r && r <= 0xDFFF {
			continue
		}
		s := string(r)
		folded := Fold(s)
		if Fold(folded) != folded {
			t.Errorf("%U: %+q folds on to %+q", r, folded, Fold(folded))
		}
		if folded != s {
			h.Write([]byte(s + "\t" + folded + "\n"))
		}
	}
	const want = "bbab12fc5cee1d87f86ca3a28b8beff2b5d83ec31d6534bd3baa787a232d9d6b"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("got %s, want %s: the folding of some character has changed", got, want)
	}
}

func TestFoldMakesEqualWhatAPersonTakesForEqual(t *testing.T) {
	for _, same := range [][]string{
		{"Kim@Corp.TEST", "kim@corp.test", "ＫＩＭ＠ｃｏｒｐ．ｔｅｓｔ"},
		{"straße", "STRASSE", "Straẞe", "strasse"},
		{"Ångström", "ångström", "A\u030angstro\u0308m", "\u212bngstr\u00f6m"},
		{"ΣΊΣΥΦΟΣ", "σίσυφος", "Σίσυφος"},
		{"ﬁnance", "FINANCE"},
		{"\u212a", "k", "K"},
	} {
		for _, s := range same {
			if Fold(s) != Fold(same[0]) {
				t.Errorf("%q and %q fold to %q and %q", s, same[0], Fold(s), Fold(same[0]))
			}
		}
	}
	for _, different := range [][2]string{{"kim", "kím"}, {"ı", "i"}, {"a b", "ab"}, {"mueller", "müller"}} {
		if Fold(different[0]) == Fold(different[1]) {
			t.Errorf("%q and %q are the same", different[0], different[1])
		}
	}
}
