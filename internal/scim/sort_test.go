// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"slices"
	"testing"
)

// sorted gives the ids of resources in the order of a sort, those that tie in the order in which they come.
func sorted(t *testing.T, sortBy, sortOrder string, resources ...*Resource) []string {
	t.Helper()
	s, err := ParseSort(sortBy, sortOrder, resources[0].Type())
	if err != nil {
		t.Fatal(err)
	}
	resources = slices.Clone(resources)
	slices.SortStableFunc(resources, func(a, b *Resource) int { return s.Compare(s.Key(a), s.Key(b)) })
	var ids []string
	for _, r := range resources {
		ids = append(ids, r.ID())
	}
	return ids
}

// RFC 7644 3.4.2.3.
func TestSort(t *testing.T) {
	// A type of its own, for data types that users and groups do not have.
	deviceType := &ResourceType{Name: "Device", Endpoint: "/Devices", Schema: &Schema{ID: "urn:example:Device", Attributes: []*Attribute{
		attribute("weight", TypeDecimal, ""), attribute("serial", TypeString, "", exact), attribute("count", TypeInteger, ""),
	}}}
	for name, test := range map[string]struct {
		rt        *ResourceType
		sortBy    string
		resources []string
		want      []string
	}{
		"text ignores case": {
			UserType, "userName", []string{`{"id":"1","userName":"b"}`, `{"id":"2","userName":"A"}`, `{"id":"3","userName":"C"}`}, []string{"2", "1", "3"},
		},
		"text is folded beyond ASCII": {
			UserType, "USERNAME", []string{`{"id":"1","userName":"STRASSE2"}`, `{"id":"2","userName":"straße1"}`}, []string{"2", "1"},
		},
		"case counts where the attribute is caseExact": {
			deviceType, "serial", []string{`{"id":"1","serial":"b"}`, `{"id":"2","serial":"a"}`, `{"id":"3","serial":"B"}`}, []string{"3", "2", "1"},
		},
		"ids": {UserType, "id", []string{`{"id":"b"}`, `{"id":"B"}`, `{"id":"a"}`}, []string{"B", "a", "b"}},
		"no value comes last": {
			UserType, "title", []string{`{"id":"1"}`, `{"id":"2","title":"x"}`, `{"id":"3","title":""}`}, []string{"2", "1", "3"},
		},
		"numbers by value": {
			deviceType, "weight", []string{`{"id":"1","weight":10}`, `{"id":"2","weight":9.5}`, `{"id":"3","weight":-1e3}`, `{"id":"4","weight":9.25}`}, []string{"3", "4", "2", "1"},
		},
		"integers by value": {deviceType, "count", []string{`{"id":"1","count":10}`, `{"id":"2","count":9}`}, []string{"2", "1"}},
		"dates by time": {
			UserType, "meta.created", []string{
				`{"id":"1","meta":{"created":"2026-01-31T08:00:00+02:00"}}`, `{"id":"2","meta":{"created":"2026-01-31T07:00:00Z"}}`,
				`{"id":"3","meta":{"created":"2026-01-31T06:00:00.5Z"}}`,
			}, []string{"1", "3", "2"},
		},
		"false before true": {
			UserType, "active", []string{`{"id":"1","active":true}`, `{"id":"2","active":false}`, `{"id":"3"}`}, []string{"2", "1", "3"},
		},
		"the primary element, else the first": {
			UserType, "emails", []string{
				`{"id":"1","emails":[{"value":"a"},{"value":"d","primary":true}]}`, `{"id":"2","emails":[{"value":"c"},{"value":"a"}]}`,
				`{"id":"3","emails":[{"type":"work"}]}`, `{"id":"4","emails":[{"value":"b","primary":true},{"value":"z"}]}`,
			}, []string{"4", "2", "1", "3"},
		},
		"a sub-attribute of several": {
			UserType, "phoneNumbers.type", []string{`{"id":"1","phoneNumbers":[{"value":"1","type":"work"}]}`, `{"id":"2","phoneNumbers":[{"value":"2","type":"Home"}]}`}, []string{"2", "1"},
		},
		"a sub-attribute": {
			UserType, "name.familyName", []string{`{"id":"1","name":{"familyName":"b"}}`, `{"id":"2","name":{"familyName":"A"}}`, `{"id":"3"}`}, []string{"2", "1", "3"},
		},
		"an extension": {
			UserType, EnterpriseUserSchemaID + ":department",
			[]string{`{"id":"1","` + EnterpriseUserSchemaID + `":{"department":"b"}}`, `{"id":"2","` + EnterpriseUserSchemaID + `":{"department":"a"}}`}, []string{"2", "1"},
		},
		"an extension without its URN": {
			UserType, "manager", []string{
				`{"id":"1","` + EnterpriseUserSchemaID + `":{"manager":{"value":"b"}}}`, `{"id":"2","` + EnterpriseUserSchemaID + `":{"manager":{"value":"a"}}}`,
			}, []string{"2", "1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var resources []*Resource
			for _, r := range test.resources {
				resources = append(resources, stored(t, test.rt, r))
			}
			if got := sorted(t, test.sortBy, "", resources...); !slices.Equal(got, test.want) {
				t.Errorf("ascending: %v, want %v", got, test.want)
			}
			// Descending is the exact reverse where nothing ties.
			s, err := ParseSort(test.sortBy, "DESCENDING", test.rt)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range resources {
				for _, b := range resources {
					up, _ := ParseSort(test.sortBy, "ascending", test.rt)
					if s.Compare(s.Key(a), s.Key(b)) != -up.Compare(up.Key(a), up.Key(b)) {
						t.Errorf("%s and %s are not the other way round", a.ID(), b.ID())
					}
				}
			}
		})
	}
}

func TestSortRefusesWhatHasNoOrder(t *testing.T) {
	for by, detail := range map[string]string{
		"shoeSize": "sortBy", "name": "name.formatted", "password": "password", "x509Certificates": "no order", "emails.x": "sub-attribute", "emails[type eq \"work\"]": "sortBy",
		EnterpriseUserSchemaID: "attribute after the schema URN", UserSchemaID: "sortBy", "a b": "sortBy",
	} {
		_, err := ParseSort(by, "", UserType)
		isError(t, asError(t, err), 400, ScimTypeInvalidPath, detail)
	}
	_, err := ParseSort("userName", "up", UserType)
	isError(t, asError(t, err), 400, ScimTypeInvalidValue, "sortOrder")
	if s, err := ParseSort("", "descending", UserType); s != nil || err != nil {
		t.Error(s, err)
	}
}

func TestSortOfSeveralTypes(t *testing.T) {
	s, err := ParseSort("userName", "", GroupType, UserType)
	if err != nil {
		t.Fatal(err)
	}
	if s.Key(stored(t, GroupType, `{"displayName":"x"}`)).Present || s.Key(stored(t, UserType, `{"userName":"X"}`)) != (SortKey{true, "x"}) {
		t.Error("a group has a userName, or a user has none")
	}
	if s.String() != "userName ascending" {
		t.Error(s)
	}
	_, err = ParseSort("shoeSize", "", GroupType, UserType)
	isError(t, asError(t, err), 400, ScimTypeInvalidPath, "shoeSize")
}

// RFC 7644 3.4.2.1.
func TestFilterOfSeveralTypes(t *testing.T) {
	user, group := stored(t, UserType, `{"userName":"kim","displayName":"Kim"}`), stored(t, GroupType, `{"displayName":"Eng","members":[{"value":"u1"}]}`)
	for filter, want := range map[string][2]bool{
		`userName eq "kim"`:                           {true, false},
		`userName pr`:                                 {true, false},
		`not (userName pr)`:                           {false, true},
		`userName ne "x"`:                             {true, true},
		`members.value eq "u1" or userName sw "K"`:    {true, true},
		`members[value eq "u1"]`:                      {false, true},
		`displayName co "n" and members.value pr`:     {false, true},
		`manager eq "x" or department pr`:             {false, false},
		UserSchemaID + `:userName eq "KIM"`:           {true, false},
		GroupSchemaID + `:displayName eq "eng"`:       {false, true},
		`displayName eq "kim" or displayName pr`:      {true, true},
		`not (members[value eq "u1"] or userName pr)`: {false, false},
	} {
		for _, types := range [][]*ResourceType{{UserType, GroupType}, {GroupType, UserType}} {
			f, err := ParseFilterOf(filter, types[0], Options{}, types[1])
			if err != nil {
				t.Fatal(filter, err)
			}
			if got := [2]bool{f.Match(user), f.Match(group)}; got != want {
				t.Errorf("%s: user, group: %v, want %v", filter, got, want)
			}
		}
	}
	for _, bad := range []string{`shoeSize pr`, `userName eq 5`, `userName pr and shoeSize pr`, `password pr`} {
		_, err := ParseFilterOf(bad, GroupType, Options{}, UserType)
		isError(t, asError(t, err), 400, ScimTypeInvalidFilter, "")
	}
}

func TestFilterPaths(t *testing.T) {
	f, err := ParseFilter(`meta.version pr or not (emails[type eq "work" and value co "x"] and emails eq "y") and name.givenName pr`, UserType)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.Paths(), []string{"emails.type", "emails.value", "meta.version", "name.givenName"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
