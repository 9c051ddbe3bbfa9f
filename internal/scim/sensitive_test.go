// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "testing"

func TestSecretsAreFoundInFilters(t *testing.T) {
	for text, want := range map[string]string{
		`password eq "x"`:                         "password",
		`userName eq "kim" and (PassWord sw "x")`: "password",
		`not (` + UserSchemaID + `:password pr)`:  "password",
		`password`:                                "password",
		`userName,password`:                       "password",
		`password eq "unfinished`:                 "password",
		`userName eq "password"`:                  "",
		`userName eq "say \"password\" please"`:   "",
		`passwordHint pr or nickName co "x"`:      "",
		`userName eq "unfinished password eq`:     "",
		``:                                        "",
		`emails[type eq "work" and value co "@x"].value eq "password"`: "",
	} {
		if got := SecretIn(text); got != want {
			t.Errorf("SecretIn(%q) = %q, want %q", text, got, want)
		}
	}
	for _, rt := range CoreResourceTypes() {
		for _, a := range rt.Schema.Attributes {
			if (a.Returned == ReturnedNever) != (SecretIn(a.Name) != "") {
				t.Errorf("%s is returned %s", a.Name, a.Returned)
			}
		}
	}
}
