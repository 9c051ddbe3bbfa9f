// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package bounded keeps texts of other systems within the bytes that they may take in the JSON of an object: etcd refuses an object that is too large. The schema of a
// CRD counts characters, one of which may take up to six bytes.
package bounded

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// ellipsis ends a text that was cut.
const ellipsis = "..."

// Size returns how many bytes a text takes in JSON at most, without the quotes.
func Size(text string) int {
	n := 0
	for i := 0; i < len(text); {
		size, width := sizeOf(text[i:])
		n += size
		i += width
	}
	return n
}

// sizeOf returns the bytes that the first character takes in JSON at most, and in the text. encoding/json escapes more than JSON requires.
func sizeOf(text string) (size, width int) {
	c := text[0]
	switch {
	case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t':
		return 2, 1
	case c < ' ' || c == '<' || c == '>' || c == '&':
		return 6, 1
	case c < utf8.RuneSelf:
		return 1, 1
	}
	r, width := utf8.DecodeRuneInString(text)
	if (r == utf8.RuneError && width == 1) || r == '\u2028' || r == '\u2029' {
		return 6, width
	}
	return width, width
}

// prefix returns the longest beginning of a text that takes at most limit bytes.
func prefix(text string, limit int) string {
	n := 0
	for i := 0; i < len(text); {
		size, width := sizeOf(text[i:])
		if n += size; n > limit {
			return text[:i]
		}
		i += width
	}
	return text
}

// Cut shortens a text that takes more than limit bytes. A text that was cut ends with "...".
func Cut(text string, limit int) string {
	if Size(text) <= limit {
		return text
	}
	return prefix(text, limit-len(ellipsis)) + ellipsis
}

// nameHash is how many bytes of a hash are in a shortened name.
const nameHash = 9

// Name returns a name that takes more than limit bytes as its beginning, "~" and 12 characters of its hash: different names stay different. A shortened name stays as it is.
func Name(name string, limit int) string {
	if Size(name) <= limit {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := "~" + base64.RawURLEncoding.EncodeToString(sum[:nameHash])
	return strings.ToValidUTF8(prefix(name, limit-len(hash)), "") + hash
}
