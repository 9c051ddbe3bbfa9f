// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"html"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	redacted = "***"
	// maxShown bounds, in characters, what is shown of an app's text.
	maxShown = 256
	// maxNeedles bounds the work of redacting. Where a user has more values and words than that, the app's text is not shown.
	maxNeedles = 8192
	// shortValue is the length up to which any value is looked for as a word of its own. A value of one word always is: "Al" must not match in "already", nor
	// "Engineer" in "engineering".
	shortValue = 4
)

var (
	emailLike = regexp.MustCompile(`[^\s"'<>()\[\],;:=]+@[^\s"'<>()\[\],;:=]+`)
	// digitRun is a number of four digits or more, in one piece or with separators: years, dates, telephone and personnel numbers.
	digitRun = regexp.MustCompile(`\p{Nd}(?:[-./:()\s+]{0,2}\p{Nd}){3,}`)
	// brokenEscape is what a cut can leave of an escape sequence.
	brokenEscape = regexp.MustCompile(`(?:&#?\w{0,32}|%[0-9A-Fa-f]?|\\(?:u[0-9A-Fa-f]{0,3})?)$`)
	percents     = regexp.MustCompile(`(?:%[0-9A-Fa-f]{2})+`)
	unicodes     = regexp.MustCompile(`(?:\\u[0-9A-Fa-f]{4})+`)
)

// redact takes the given values, e-mail addresses and numbers out of a text and bounds its length. It marks everything that has to go before it cuts, so that
// no part of a value is left at the end.
func redact(text string, values []string) string {
	cut := len(text) > MaxAppText-utf8.UTFMax
	if cut {
		text = brokenEscape.ReplaceAllString(strings.ToValidUTF8(text[:min(len(text), MaxAppText)], ""), "")
	}
	text = readable(text)
	needles, ok := needlesOf(values)
	if !ok || text == "" {
		return ""
	}
	m := newMarks(text)
	for _, pattern := range []*regexp.Regexp{emailLike, digitRun} {
		for _, match := range pattern.FindAllStringIndex(text, -1) {
			m.mark(match[0], match[1])
		}
	}
	m.markAll(needles)
	if cut {
		m.markCutTail(needles)
	}
	return shorten(m.render())
}

// readable undoes the escapes by which a value may hide in a text (HTML, URL, JSON), and turns control characters and runs of space into one space.
func readable(text string) string {
	text = html.UnescapeString(strings.ToValidUTF8(text, ""))
	text = percents.ReplaceAllStringFunc(text, func(escaped string) string {
		var raw []byte
		for i := 0; i < len(escaped); i += 3 {
			value, _ := strconv.ParseUint(escaped[i+1:i+3], 16, 8) // two hexadecimal digits, by the pattern
			raw = append(raw, byte(value))
		}
		return string(raw)
	})
	text = unicodes.ReplaceAllStringFunc(text, func(escaped string) string {
		decoded, err := strconv.Unquote(`"` + escaped + `"`)
		if err != nil { // half of a surrogate pair
			return " "
		}
		return decoded
	})
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	return strings.Join(strings.Fields(text), " ")
}

// needle is a folded value to look for.
type needle struct {
	text string
	// word: only where it is a word of its own.
	word bool
}

// needlesOf returns what to look for: each value as a whole, and the local part of an address. The words of a value are not looked for: the "the" of a title would
// take every "the" out of what the app says. It returns false where the values are too many.
func needlesOf(values []string) (map[needle]struct{}, bool) {
	needles := map[needle]struct{}{}
	for _, value := range values {
		decoded := readable(value)
		addNeedle(needles, strings.Join(strings.Fields(value), " "))
		addNeedle(needles, decoded)
		if local, _, isAddress := strings.Cut(decoded, "@"); isAddress {
			addNeedle(needles, local)
		}
		if len(needles) > maxNeedles {
			return nil, false
		}
	}
	return needles, true
}

// tells reports whether a value of one word is looked for: neither an initial nor a short word such as the "de" of a locale.
func tells(value string) bool {
	switch utf8.RuneCountInString(value) {
	case 1:
		return strings.ContainsFunc(value, writtenWithoutSpaces)
	case 2:
		return strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsLower(r) })
	default:
		return true
	}
}

func addNeedle(needles map[needle]struct{}, value string) {
	if !strings.ContainsFunc(value, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }) || !tells(value) {
		return
	}
	word := !strings.ContainsFunc(value, func(r rune) bool { return !isWord(r) || writtenWithoutSpaces(r) })
	for _, text := range spellings(value) {
		if text != "" {
			needles[needle{text: text, word: word || utf8.RuneCountInString(value) <= shortValue && !strings.ContainsFunc(value, writtenWithoutSpaces)}] = struct{}{}
		}
	}
}

// isWord reports whether r is a part of a word.
func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }

// writtenWithoutSpaces reports whether r is of a script that does not set its words apart.
func writtenWithoutSpaces(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// shorten cuts a text that is free of values at the boundary of a word: half a word could be a value of its own.
func shorten(text string) string {
	runes := []rune(text)
	if len(runes) <= maxShown {
		return text
	}
	end := maxShown
	for end > 0 && isWord(runes[end-1]) && isWord(runes[end]) {
		end--
	}
	return strings.TrimSpace(string(runes[:end])) + "..."
}
