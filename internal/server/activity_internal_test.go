// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import "testing"

func TestAttributeInAnErrorIsOneOfTheSchemas(t *testing.T) {
	for detail, want := range map[string]string{
		"userName belongs to another user already":           "userName",
		"emails.value: the value cannot be stored":           "emails.value",
		"path, byte 3: emails[type eq \"work\"] has no such": "emails",
		"the body is not JSON":                               "",
		"kim@corp.test is too long":                          "",
		"urn:example:1.0:User:badge is too long":             "",
	} {
		if got := attributeIn(detail); got != want {
			t.Errorf("%q names %q, want %q", detail, got, want)
		}
	}
}
