// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// marks are the parts of a text that must not be shown.
type marks struct {
	text string
	// hidden says of each byte of text whether it is marked.
	hidden []bool
	// folded is the text without letter case and accents; from has, for each byte of it, where its character begins in text.
	folded string
	from   []int
}

func newMarks(text string) *marks {
	m := &marks{text: text, hidden: make([]bool, len(text))}
	var folded strings.Builder
	for at, r := range text {
		part := fold(r)
		folded.WriteString(part)
		for range len(part) {
			m.from = append(m.from, at)
		}
	}
	m.folded = folded.String()
	return m
}

// mark hides the bytes from start up to end and the accents that follow. It reports whether one of them was shown before.
func (m *marks) mark(start, end int) bool {
	for end < len(m.text) {
		r, size := utf8.DecodeRuneInString(m.text[end:])
		if !unicode.IsMark(r) {
			break
		}
		end += size
	}
	fresh := false
	for i := start; i < end; i++ {
		fresh = fresh || !m.hidden[i]
		m.hidden[i] = true
	}
	return fresh
}

// markAll hides every occurrence of the needles. What is left beside a hidden part may have become a word of its own, so it repeats until nothing is found.
func (m *marks) markAll(needles map[needle]struct{}) {
	for again := true; again; {
		again = false
		for n := range needles {
			again = m.markNeedle(n) || again
		}
	}
}

// markNeedle hides the occurrences of one needle and reports whether one was shown before.
func (m *marks) markNeedle(n needle) bool {
	fresh, marked := false, 0
	for at := 0; at < len(m.folded); {
		i := strings.Index(m.folded[at:], n.text)
		if i < 0 {
			break
		}
		start := at + i
		at = start + 1 // occurrences may overlap
		first, end := m.span(start, start+len(n.text))
		if !n.word || m.standsAlone(first, end) {
			fresh = m.mark(max(first, marked), end) || fresh
			marked = end
		}
	}
	return fresh
}

// span returns the bytes of text that a part of the folded text comes from.
func (m *marks) span(start, end int) (first, last int) {
	first = m.from[start]
	last = m.from[end-1]
	_, size := utf8.DecodeRuneInString(m.text[last:])
	return first, last + size
}

// standsAlone reports whether no letter or digit that is shown stands before or after.
func (m *marks) standsAlone(start, end int) bool {
	if r, size := utf8.DecodeLastRuneInString(m.text[:start]); size > 0 && isWord(r) && !m.hidden[start-size] {
		return false
	}
	for end < len(m.text) {
		r, size := utf8.DecodeRuneInString(m.text[end:])
		if !unicode.IsMark(r) {
			return !isWord(r) || m.hidden[end]
		}
		end += size
	}
	return true
}

// markCutTail hides what may be the beginning of a value at the end of a text that was cut.
func (m *marks) markCutTail(needles map[needle]struct{}) {
	longest := 0
	for n := range needles {
		for size := min(len(n.text), len(m.folded)); size > longest; size-- {
			if strings.HasSuffix(m.folded, n.text[:size]) {
				longest = size
			}
		}
	}
	if longest > 0 {
		m.mark(m.from[len(m.folded)-longest], len(m.text))
		m.markAll(needles)
	}
}

// render returns the text with one *** in place of each part that is marked.
func (m *marks) render() string {
	var shown strings.Builder
	for at, r := range m.text {
		switch {
		case !m.hidden[at]:
			shown.WriteRune(r)
		case at == 0 || !m.hidden[at-1]:
			shown.WriteString(redacted)
		}
	}
	return shown.String()
}

// folds are the letters that Unicode does not decompose, in the spelling without accents.
var folds = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'ł': "l", 'þ': "th", 'ı': "i", 'ħ': "h", 'ŧ': "t", 'ς': "σ",
}

// fold returns a character in lower case, in its compatible form, without accents.
func fold(r rune) string {
	if r < utf8.RuneSelf {
		return string(unicode.ToLower(r))
	}
	var folded strings.Builder
	for _, part := range norm.NFKD.String(string(unicode.ToLower(r))) {
		part = unicode.ToLower(part)
		switch replacement, known := folds[part]; {
		case known:
			folded.WriteString(replacement)
		case !unicode.IsMark(part):
			folded.WriteRune(part)
		}
	}
	return folded.String()
}

func foldAll(text string) string {
	var folded strings.Builder
	for _, r := range text {
		folded.WriteString(fold(r))
	}
	return folded.String()
}

var (
	// spelledOut turns umlauts into the two letters that stand for them.
	spelledOut = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ø", "oe", "å", "aa", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue", "Ø", "Oe", "Å", "Aa")
	// contracted is the way back, to the letter without its accent.
	contracted = strings.NewReplacer("ae", "a", "oe", "o", "ue", "u", "aa", "a")
)

// spellings returns the folded forms in which a name is written: Müller, Muller, Mueller.
func spellings(value string) []string {
	composed := norm.NFC.String(value)
	folded := foldAll(composed)
	return []string{folded, foldAll(spelledOut.Replace(composed)), contracted.Replace(folded)}
}
