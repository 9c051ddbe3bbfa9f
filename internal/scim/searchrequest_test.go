// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func text(s string) *string { return &s }

// RFC 7644 3.4.3, RFC 9865 5.
func TestParseSearchRequest(t *testing.T) {
	head := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]`
	for body, want := range map[string]SearchRequest{
		head + `}`: {},
		head + `,"attributes":["displayName","userName"],"filter":"displayName sw \"smith\"","startIndex":1,"count":10}`: {
			Attributes: []string{"displayName", "userName"}, Filter: text(`displayName sw "smith"`), StartIndex: "1", Count: "10",
		},
		head + `,"ExcludedAttributes":["members"],"SORTBY":"id","sortOrder":"descending","cursor":"","startIndex":null,"attributes":[],"shoeSize":{"x":[1,2]}}`: {
			ExcludedAttributes: []string{"members"}, SortBy: "id", SortOrder: "descending", Cursor: text(""),
		},
		head + `,"cursor":"abc","count":-5}`: {Cursor: text("abc"), Count: "-5"},
		head + `,"filter":""}`:               {Filter: text("")},
	} {
		got, err := ParseSearchRequest([]byte(body), Options{})
		if err != nil {
			t.Fatal(body, err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
	for body, detail := range map[string]string{
		`{}`:                              SearchRequestSchema,
		`{"schemas":["x"]}`:               SearchRequestSchema,
		`[]`:                              "object",
		head + `,"attributes":"id"}`:      "array",
		head + `,"attributes":[1]}`:       "array of strings",
		head + `,"count":"10"}`:           "integer",
		head + `,"startIndex":true}`:      "integer",
		head + `,"filter":5}`:             "string",
		head + `,"cursor":["a"]}`:         "string",
		head + `,"sortBy":{"a":1}}`:       "string",
		head + `,"count":1,"Count":2}`:    "twice",
		head + `,"excludedAttributes":1}`: "array",
	} {
		_, err := ParseSearchRequest([]byte(body), Options{})
		isError(t, asError(t, err), 400, ScimTypeInvalidSyntax, detail)
	}
	if _, err := ParseSearchRequest([]byte(`{"count":1}`), Options{Dialect: NewDialect("", MissingSchemas)}); err != nil {
		t.Error(err)
	}
}

// FuzzSearchRequest: no panic, in the request and in what its parts are then parsed as; each error is one that a client can be shown.
func FuzzSearchRequest(f *testing.F) {
	head := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],`
	for _, s := range []string{
		head + `"attributes":["userName","name.givenName"],"filter":"userName sw \"J\"","sortBy":"emails.value","sortOrder":"descending","startIndex":3,"count":10}`,
		head + `"excludedAttributes":["members"],"cursor":"","count":0}`, head + `"cursor":"abc","sortBy":"urn:ietf:params:scim:schemas:core:2.0:Group:members"}`,
		head + `"startIndex":1e999,"count":-1.5,"sortBy":"a.b.c","attributes":["a,b,,c[x]"]}`, `{"SCHEMAS":[],"filter":null}`,
	} {
		f.Add([]byte(s))
	}
	user, group := stored(f, UserType, typicalUser), stored(f, GroupType, `{"displayName":"x","members":[{"value":"u1"}]}`)
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseSearchRequest(body, Options{})
		if err != nil {
			refused(t, err)
			return
		}
		if _, err := ParsePage(r.StartIndex, r.Count, 100, 1000); err != nil {
			refused(t, err)
		}
		if n, err := ParseCount(r.Count, 100, 1000); err != nil {
			refused(t, err)
		} else if n < 1 || n > 1000 {
			t.Fatalf("a page of %d rows", n)
		}
		if p, err := ParseProjection(r.Attributes, r.ExcludedAttributes, UserType, GroupType); err != nil {
			refused(t, err)
		} else if Project(user, p).ID() != user.ID() {
			t.Fatal("the id is gone")
		}
		s, err := ParseSort(r.SortBy, r.SortOrder, UserType, GroupType)
		switch {
		case err != nil:
			refused(t, err)
		case s != nil:
			again, err := ParseSort(s.Path(), "", UserType, GroupType)
			if err != nil || again.Path() != s.Path() {
				t.Fatalf("%q became %q: %v", r.SortBy, s.Path(), err)
			}
			a, b := s.Key(user), s.Key(group)
			if s.Compare(a, a) != 0 || s.Compare(a, b) != -s.Compare(b, a) {
				t.Fatal("no order")
			}
		}
		if r.Filter == nil {
			return
		}
		filter, err := ParseFilterOf(*r.Filter, UserType, Options{}, GroupType)
		if err != nil {
			refused(t, err)
			return
		}
		filter.Match(user)
		filter.Match(group)
		filter.Paths()
	})
}
