// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"errors"
	"testing"
)

func TestErrorBodies(t *testing.T) {
	for want, e := range map[string]*Error{
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"invalidFilter","detail":"filter, position 3: x y","status":"400"}`: InvalidFilter(3, "x %s", "y"),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"invalidPath","detail":"path, position 1: x","status":"400"}`:       InvalidPath(1, "x"),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"invalidPath","detail":"x","status":"400"}`:                         InvalidPath(0, "x"),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"invalidSyntax","detail":"x","status":"400"}`:                       InvalidSyntax("x"),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"invalidValue","detail":"x","status":"400"}`:                        InvalidValue("x"),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"mutability","detail":"x","status":"400"}`:                          Mutability("x"),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"noTarget","detail":"x","status":"400"}`:                            NoTarget("x"),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"tooMany","detail":"x","status":"400"}`:                             TooMany("x"),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"invalidVers","detail":"x","status":"400"}`:                         InvalidVers("x"),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"uniqueness","detail":"x","status":"409"}`:                          Uniqueness("x"),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"sensitive","detail":"x","status":"403"}`:                           Sensitive("x"),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"no User with that id","status":"404"}`:                               NewError(404, "no %s with that id", "User"),
	} {
		if got := string(mustJSON(t, e)); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
		var err error = e
		var found *Error
		if !errors.As(err, &found) || found.Error() == "" {
			t.Error("no error")
		}
	}
	if got := NewError(404, "x").Error(); got != "404: x" {
		t.Error(got)
	}
	if got := NoTarget("x").Error(); got != "400 noTarget: x" {
		t.Error(got)
	}
}
