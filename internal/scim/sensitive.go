// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "strings"

// SecretIn gives the name of an attribute in a filter, or in a list of attribute names, whose values nobody may read (returned "never", as a password is), or "". The
// text need not parse, and texts in quotes do not count.
func SecretIn(text string) string {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			d := &decoder{data: []byte(text[i:])}
			if _, err := d.string(); err != nil {
				return ""
			}
			i += d.pos
		case strings.IndexByte(" ()[],", c) >= 0:
			i++
		default:
			end := i
			for end < len(text) && strings.IndexByte(" ()[],\"", text[end]) < 0 {
				end++
			}
			if isPassword(text[i:end]) {
				return "password"
			}
			i = end
		}
	}
	return ""
}
