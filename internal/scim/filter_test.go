// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const filterUser = `{
  "id": "U-1.ab", "externalId": "Ext-1", "userName": "Kim@corp.test", "displayName": "Kim Straße", "title": "", "active": true,
  "name": {"givenName": "Kim", "familyName": "O'Malley"},
  "profileUrl": "https://corp.test/Kim",
  "emails": [{"value": "kim@corp.test", "type": "work", "primary": true}, {"value": "kim@home.test", "type": "home"}, {"value": "other@x.test"}],
  "x509Certificates": [{"value": "MIIB"}],
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "007", "manager": {"value": "u-2"}},
  "meta": {"resourceType": "User", "lastModified": "2026-05-13T04:42:34Z", "version": "W/\"aB\""}
}`

func TestFilterMatch(t *testing.T) {
	r := stored(t, UserType, filterUser)
	for _, test := range []struct {
		filter string
		want   bool
	}{
		// RFC 7644 3.4.2.2, the examples in substance.
		{`userName eq "kim@corp.test"`, true},
		{`name.familyName co "O'Malley"`, true},
		{`userName sw "KIM"`, true},
		{`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "K"`, true},
		{`title pr`, false},
		{`displayName pr`, true},
		{`meta.lastModified gt "2026-05-13T04:42:33Z"`, true},
		{`meta.lastModified ge "2026-05-13T04:42:34Z"`, true},
		{`meta.lastModified lt "2026-05-13T04:42:34Z"`, false},
		{`meta.lastModified le "2026-05-13T04:42:34Z"`, true},
		{`title pr and userType eq "Employee"`, false},
		{`title pr or userName sw "kim"`, true},
		{`schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`, true},
		{`userName eq "kim@corp.test" and (emails co "home.test" or emails.value co "nowhere.test")`, true},
		{`userType ne "Employee" and not (emails co "nowhere.test" or emails.value co "example.test")`, true},
		{`active eq true and (emails.type eq "work")`, true},
		{`active eq true and emails[type eq "work" and value co "@corp.test"]`, true},
		{`emails[type eq "work" and value co "@home.test"] or ims[type eq "xmpp" and value co "@foo.test"]`, false},

		// Names, operators and keywords ignore letter case; so do values, where the schema says so.
		{`USERNAME EQ "KIM@CORP.TEST"`, true},
		{`username Eq "kim@corp.test" AND NOT (Active EQ False)`, true},
		{`URN:IETF:params:scim:schemas:core:2.0:user:USERNAME eq "kim@corp.test"`, true},
		{`displayName eq "kim STRASSE"`, true},
		{`id eq "U-1.ab"`, true},
		{`id eq "u-1.ab"`, false},
		{`externalId eq "ext-1"`, false},
		{`meta.version eq "W/\"aB\""`, true},
		{`profileUrl eq "https://corp.test/kim"`, false},

		// Precedence: not before and before or.
		{`active eq true or active eq true and active eq false`, true},
		{`(active eq true or active eq true) and active eq false`, false},
		{`not (active eq false) and userName pr`, true},
		{`not(active eq true)or userName pr`, true},

		// Same element or any element.
		{`emails.type eq "work" and emails.value eq "kim@home.test"`, true},
		{`emails[type eq "work" and value eq "kim@home.test"]`, false},
		{`emails[type eq "work"].value eq "kim@corp.test"`, true},
		{`emails[type eq "work"].value eq "kim@home.test"`, false},
		{`emails[type eq "home" or type eq "work"].value eq "kim@home.test"`, true},
		{`emails[not (type pr)].value eq "other@x.test"`, true},
		{`emails[primary eq true]`, true},
		{`name[givenName eq "kim"]`, true},
		{`phoneNumbers[type eq "work"]`, false},

		// Presence and null.
		{`emails pr`, true},
		{`phoneNumbers pr`, false},
		{`name pr`, true},
		{`emails.display pr`, false},
		{`nickName eq null`, true},
		{`userName eq null`, false},
		{`userName ne null`, true},
		{`title eq null`, true},

		// ne: a missing value is different; of several, any.
		{`nickName ne "x"`, true},
		{`userName ne "KIM@corp.test"`, false},
		{`emails.type ne "work"`, true},
		{`phoneNumbers.type ne "work"`, true},
		{`active ne true`, false},
		{`active ne false`, true},
		{`nickName co "x"`, false},

		// Dates are points in time, whatever the offset.
		{`meta.lastModified eq "2026-05-13T06:42:34+02:00"`, true},
		{`meta.lastModified eq "2026-05-13T04:42:34.000Z"`, true},
		{`meta.lastModified gt "2026-05-12T23:00:00-07:00"`, false},
		{`meta.lastModified sw "2026-05"`, true},

		// Extensions, with and without URN; complex attributes stand for their value.
		{`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq "007"`, true},
		{`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "u-2"`, true},
		{`employeeNumber eq "007"`, true},
		{`id eq "U-1.ab" and manager eq "u-2"`, true},
		{`x509Certificates.value eq "MIIB"`, true},
		{`name.familyName ew "ley"`, true},
		{`userName gt "kil" and userName lt "KIN"`, true},
		{`userName eq "kim@corp.test" `, true},
		{`userName eq "\u006bim@corp.test"`, true},
	} {
		f, err := ParseFilter(test.filter, UserType)
		if err != nil {
			t.Errorf("%s: %v", test.filter, err)
			continue
		}
		if got := f.Match(r); got != test.want {
			t.Errorf("%s: got %v", test.filter, got)
		}
		again, err := ParseFilter(f.String(), UserType)
		if err != nil {
			t.Errorf("%s: its canonical form %s: %v", test.filter, f, err)
			continue
		}
		if again.String() != f.String() || again.Match(r) != test.want {
			t.Errorf("%s: %s became %s", test.filter, f, again)
		}
	}
}

func TestFilterMatchesNumbersExactly(t *testing.T) {
	rt := &ResourceType{Name: "Thing", Schema: &Schema{ID: "urn:test:Thing", Attributes: []*Attribute{
		attribute("size", TypeInteger, ""), attribute("weight", TypeDecimal, ""), attribute("tags", TypeString, "", multi),
	}}}
	r := stored(t, rt, `{"size": 9007199254740993, "weight": 1.50, "tags": ["A", "b"]}`)
	for filter, want := range map[string]bool{
		`size eq 9007199254740993`:        true,
		`size eq 9007199254740992`:        false,
		`size gt 9007199254740992`:        true,
		`weight eq 1.5`:                   true,
		`weight eq 15e-1`:                 true,
		`weight lt 1e3`:                   true,
		`weight gt -2`:                    true,
		`weight ge 1.5 and weight le 1`:   false,
		`tags eq "a"`:                     true,
		`tags[value eq "B"]`:              true,
		`tags[value eq "c"]`:              false,
		`tags ne "a"`:                     true,
		`size ne 1 and not (size eq 1.0)`: true,
	} {
		f, err := ParseFilter(filter, rt)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
		} else if f.Match(r) != want {
			t.Errorf("%s: got %v", filter, !want)
		}
	}
}

func TestFilterErrorsSayWhereAndWhatWasExpected(t *testing.T) {
	for _, test := range []struct {
		filter   string
		position int
		words    string
	}{
		{``, 1, "attribute name"},
		{`   `, 4, "found the end"},
		{`userName`, 9, "expected an operator"},
		{`userName eq`, 12, "expected a value"},
		{`userName xx "kim"`, 10, `expected an operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr), found a word`},
		{`userName eq kim`, 13, "double quotes"},
		{`userName eq "kim`, 13, "not closed"},
		{`userName eq "kim\q"`, 17, "escape"},
		{`userName eq "kim" userName eq "x"`, 19, `expected "and", "or" or the end`},
		{`userName eq "kim" and`, 22, "attribute name"},
		{`(userName eq "kim"`, 19, `expected ')' to the '(' at position 1`},
		{`userName eq "kim")`, 18, "found ')'"},
		{`not userName eq "kim"`, 5, `'(' after "not"`},
		{`shoeSize eq "44"`, 1, `"shoeSize" is not defined`},
		{`name.shoe eq "44"`, 6, `"name" has no sub-attribute "shoe"`},
		{`userName.first eq "x"`, 10, "no sub-attribute"},
		{`urn:ietf:params:scim:schemas:core:2.0:User:shoe eq "x"`, 44, "not defined"},
		{`urn:ietf:params:scim:schemas:core:2.0:User eq "x"`, 43, "expected an attribute after the schema URN"},
		{`urn:nobody:2.0:Thing:size eq 1`, 1, "names none of the schemas"},
		{`name eq "Kim"`, 1, "name.formatted"},
		{`addresses co "x"`, 1, "sub-attribute"},
		{`active gt true`, 8, "boolean"},
		{`active co "t"`, 8, "boolean"},
		{`active eq "true"`, 11, "without quotes"},
		{`userName eq true`, 13, "in double quotes"},
		{`userName eq 12`, 13, "in double quotes"},
		{`userName gt null`, 10, "null"},
		{`meta.lastModified gt "yesterday"`, 22, "dateTime"},
		{`x509Certificates.value gt "MII"`, 24, "binary"},
		{`password eq "x"`, 1, "cannot be used"},
		{`emails[type eq "work"`, 22, "']'"},
		{`emails[type eq "work"]]`, 23, "found ']'"},
		{`emails[shoe eq "work"]`, 8, `"emails" has no sub-attribute "shoe"`},
		{`emails[emails[type eq "x"]]`, 8, "no sub-attribute"},
		{`emails[type[type eq "x"]]`, 12, "inside brackets"},
		{`emails.value[type eq "x"]`, 13, "before the sub-attribute"},
		{`userName[value eq "x"]`, 9, "no sub-attributes"},
		{`emails[type eq "work"].`, 24, "sub-attribute"},
		{`emails[type eq "work"].value`, 29, "expected an operator"},
		{`emails[]`, 8, "attribute name"},
		{`()`, 2, "attribute name"},
		{`userName eq 01`, 13, "expected a value"},
		{strings.Repeat("(", 33) + `userName pr` + strings.Repeat(")", 33), 34, "nested"},
	} {
		_, err := ParseFilter(test.filter, UserType)
		if err == nil {
			t.Errorf("%s: accepted", test.filter)
			continue
		}
		e := asError(t, err)
		isError(t, e, 400, ScimTypeInvalidFilter, test.words, "position")
		if e.Position != test.position {
			t.Errorf("%s: position %d, want %d: %s", test.filter, e.Position, test.position, e.Detail)
		}
	}
	_, err := ParseFilter(`userName eq "`+strings.Repeat("x", MaxFilterLength)+`"`, UserType)
	isError(t, asError(t, err), 400, ScimTypeInvalidFilter, "longer than 8192 bytes")
}

func TestFilterErrorsDoNotRepeatValues(t *testing.T) {
	for _, filter := range []string{`userName eq kim@corp.test`, `userName kim@corp.test`, `userName eq "a" kim@corp.test`, `userName eq kim`, `kim@corp.test pr`, `emails[kim@corp.test pr]`} {
		_, err := ParseFilter(filter, UserType)
		if e := asError(t, err); strings.Contains(e.Detail, "kim") {
			t.Errorf("%s: %s", filter, e.Detail)
		}
	}
}

func TestFilterEqualitiesServeIndexedLookUps(t *testing.T) {
	const manager = EnterpriseUserSchemaID + ":manager.value"
	for filter, want := range map[string][]Equality{
		`userName eq "Kim@corp.test"`:                                 {{"userName", "Kim@corp.test"}},
		`urn:ietf:params:scim:schemas:core:2.0:User:USERNAME eq "k"`:  {{"userName", "k"}},
		`id eq "x" and manager eq "y"`:                                {{"id", "x"}, {manager, "y"}},
		`userName eq "k" and active eq true and title pr`:             {{"userName", "k"}},
		`(userName eq "k" and title pr) and externalId eq "e"`:        {{"userName", "k"}, {"externalId", "e"}},
		`emails[type eq "work" and value eq "k"]`:                     {{"emails.type", "work"}, {"emails.value", "k"}},
		`emails[type eq "work"].value eq "k"`:                         {{"emails.type", "work"}, {"emails.value", "k"}},
		`emails eq "k"`:                                               {{"emails.value", "k"}},
		`userName eq "k" or externalId eq "e"`:                        nil,
		`not (userName eq "k")`:                                       nil,
		`userName sw "k"`:                                             nil,
		`userName eq null`:                                            nil,
		`(userName eq "a" or userName eq "b") and displayName eq "d"`: {{"displayName", "d"}},
	} {
		f, err := ParseFilter(filter, UserType)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, f.Equalities()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filter, diff)
		}
	}
}

func TestFilterNamesTheAttributesThatItReads(t *testing.T) {
	f, err := ParseFilter(`members[value eq "u1"] or not (displayName sw "x" and members pr) or id eq "g"`, GroupType)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"displayName", "id", "members"}, f.Attributes()); diff != "" {
		t.Error(diff)
	}
	f, err = ParseFilter(`department eq "x"`, UserType)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{EnterpriseUserSchemaID + ":department"}, f.Attributes()); diff != "" {
		t.Error(diff)
	}
}
