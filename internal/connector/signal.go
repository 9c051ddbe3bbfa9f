// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"regexp"
	"slices"
	"strings"
)

// Signal recognises an answer by which an app says something other than its HTTP status does: a conflict as 400 with a text, a bad token as 403.
type Signal struct {
	Status int
	// Ops are the operations that it may answer; empty is all.
	Ops []string
	// Text has to occur in the body, without regard to letter case; empty fits every body.
	Text string
	// Pattern has to match the body in lower case; nil fits every body.
	Pattern *regexp.Regexp
	// Kind is what the answer means.
	Kind Kind
}

// matches reports whether an answer to an operation is the one that the signal describes. body is in lower case.
func (s Signal) matches(op string, status int, body string) bool {
	return s.Status == status && (len(s.Ops) == 0 || slices.Contains(s.Ops, op)) &&
		strings.Contains(body, strings.ToLower(s.Text)) && (s.Pattern == nil || s.Pattern.MatchString(body))
}
