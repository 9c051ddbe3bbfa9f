// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import "strings"

// Signal recognises an answer by which an app says something other than its HTTP status does: a conflict as 400 with a text, a bad token as 403.
type Signal struct {
	Status int
	// Text has to occur in the body, without regard to letter case; empty fits every body.
	Text string
	// Kind is what the answer means.
	Kind Kind
}

// matches reports whether an answer is the one that the signal describes. body is in lower case.
func (s Signal) matches(status int, body string) bool {
	return s.Status == status && strings.Contains(body, strings.ToLower(s.Text))
}
