// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"regexp"
	"strings"
)

// Signal recognises an answer by which an app says something other than its HTTP status does: a conflict as 400 with a text, a bad token as 403.
type Signal struct {
	Status int
	// Text has to occur in the body, without regard to letter case; empty fits every body.
	Text string
	// Pattern has to match the body in lower case; nil fits every body.
	Pattern *regexp.Regexp
	// Kind is what the answer means.
	Kind Kind
}

// matches reports whether an answer to an operation is the one that the signal describes. body is in lower case.
func (s Signal) matches(op string, status int, body string) bool {
	if s.Kind == NoSeats && !takesSeat(op) {
		return false
	}
	return s.Status == status && strings.Contains(body, strings.ToLower(s.Text)) && (s.Pattern == nil || s.Pattern.MatchString(body))
}

// takesSeat reports whether an operation may need a seat of the app's plan. Any other one that is refused for its plan is Forbidden.
func takesSeat(op string) bool {
	switch op {
	case OpCreateUser, OpUpdateUser, OpSetActive:
		return true
	default:
		return false
	}
}
