// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "testing"

func TestPathIsSpelledAsTheSchemaSpellsIt(t *testing.T) {
	for text, want := range map[string]string{
		"userName":                     "userName",
		"USERNAME":                     "userName",
		"Name.Givenname":               "name.givenName",
		"emails.Value":                 "emails.value",
		`Emails[TYPE EQ "work"].VALUE`: `emails[type eq "work"].value`,
		`emails[type eq "work" and (primary eq true or value ew "\"x")]`:           `emails[type eq "work" and (primary eq true or value ew "\"x")]`,
		"urn:ietf:params:scim:schemas:core:2.0:User:userName":                      "userName",
		"urn:ietf:params:scim:schemas:core:2.0:user:emails[type eq \"a\"]":         `emails[type eq "a"]`,
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager":       EnterpriseUserSchemaID + ":manager",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:Manager.VALUE": EnterpriseUserSchemaID + ":manager.value",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":               EnterpriseUserSchemaID,
		"manager":                    EnterpriseUserSchemaID + ":manager",
		"schemas":                    "schemas",
		"meta.created":               "meta.created",
		"urn:corp:hr:1.0:desk":       "urn:corp:hr:1.0:desk",
		"urn:corp:hr:1.0:desk.floor": "urn:corp:hr:1.0:desk.floor",
		"urn:corp:hr:1.0":            "urn:corp:hr:1.0",
		"shoeSize":                   "shoeSize",
		"shoe-size_2.eu":             "shoe-size_2.eu",
		"name.$ref":                  "name.$ref",
	} {
		p, err := ParsePath(text, UserType, leniently(t))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if p.String() != want {
			t.Errorf("%s: got %s, want %s", text, p, want)
		}
		if again, err := ParsePath(p.String(), UserType, leniently(t)); err != nil || again.String() != want {
			t.Errorf("%s again: %v, %v", p, again, err)
		}
	}
}

func TestPathErrorsSayWhere(t *testing.T) {
	for _, test := range []struct {
		path     string
		position int
		words    string
	}{
		{"", 1, "empty"},
		{" userName", 1, "attribute name"},
		{"user name", 5, "attribute name"},
		{"1st", 1, "attribute name"},
		{"name.", 6, "sub-attribute"},
		{"name..x", 6, "sub-attribute"},
		{"name.a.b", 7, "sub-attribute"},
		{"userName.first", 10, "no sub-attribute"},
		{"emails.shoe", 8, "no sub-attribute"},
		{`emails[type eq "work"`, 22, "']'"},
		{`emails[type xx "work"]`, 13, "operator"},
		{`emails[shoe eq "work"]`, 8, "no sub-attribute"},
		{`emails[type eq "work"]value`, 23, "'.'"},
		{`emails[type eq "work"].shoe`, 24, "sub-attribute"},
		{`emails[type eq "work"].value.x`, 24, "sub-attribute"},
		{`emails.value[type eq "work"]`, 13, "before the sub-attribute"},
		{`userName[value eq "x"]`, 9, "not a multi-valued"},
		{`name[givenName eq "x"]`, 5, "not a multi-valued"},
		{`shoes[value eq "x"]`, 6, "not a multi-valued"},
		{"urn:ietf:params:scim:schemas:core:2.0:User", 43, "after the schema URN"},
		{"urn:ietf:params:scim:schemas:core:2.0:User:", 44, "after the schema URN"},
		{"urn:ietf:params:scim:schemas:core:2.0:User:shoe", 44, "not defined"},
		{"urn:corp:h r:desk", 1, "printable"},
	} {
		_, err := ParsePath(test.path, UserType, leniently(t))
		if err == nil {
			t.Errorf("%q: accepted", test.path)
			continue
		}
		e := asError(t, err)
		isError(t, e, 400, ScimTypeInvalidPath, test.words, "position")
		if e.Position != test.position {
			t.Errorf("%q: position %d, want %d: %s", test.path, e.Position, test.position, e.Detail)
		}
	}
}

func TestStrictPathNamesOnlyWhatTheSchemasDefine(t *testing.T) {
	for _, path := range []string{"shoeSize", "urn:corp:hr:1.0:desk", "manager", "name.shoe"} {
		_, err := ParsePath(path, UserType, strictly(t))
		if err == nil {
			t.Errorf("%s: accepted", path)
			continue
		}
		isError(t, asError(t, err), 400, ScimTypeInvalidPath)
	}
}
