// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "testing"

func TestParsePage(t *testing.T) {
	for _, test := range []struct {
		start, count string
		want         Page
	}{
		{"", "", Page{1, 100}}, {"1", "2", Page{1, 2}}, {"0", "5", Page{1, 5}}, {"-7", "-1", Page{1, 0}}, {"3", "0", Page{3, 0}}, {"5", "1000", Page{5, 500}},
		{" 2 ", " 3 ", Page{2, 3}}, {"99999999999999999999", "99999999999999999999", Page{1<<63 - 1, 500}}, {"-99999999999999999999", "1", Page{1, 1}},
	} {
		if got, err := ParsePage(test.start, test.count, 100, 500); err != nil || got != test.want {
			t.Errorf("%q, %q: %v, %v", test.start, test.count, got, err)
		}
	}
	for _, bad := range []string{"x", "1.5", "1e3", "0x1"} {
		_, err := ParsePage(bad, "", 100, 500)
		isError(t, asError(t, err), 400, ScimTypeInvalidValue, "startIndex")
		_, err = ParsePage("", bad, 100, 500)
		isError(t, asError(t, err), 400, ScimTypeInvalidValue, "count")
	}
}

func TestPageWindow(t *testing.T) {
	for _, test := range []struct {
		page            Page
		total, from, to int
	}{
		{Page{1, 2}, 5, 0, 2}, {Page{5, 2}, 5, 4, 5}, {Page{6, 2}, 5, 5, 5}, {Page{1<<63 - 1, 500}, 5, 5, 5}, {Page{1, 0}, 5, 0, 0}, {Page{1, 10}, 0, 0, 0},
	} {
		if from, to := test.page.Window(test.total); from != test.from || to != test.to {
			t.Errorf("%v of %d: [%d, %d)", test.page, test.total, from, to)
		}
	}
}

func TestListResponse(t *testing.T) {
	list := ListResponse[*Resource]{TotalResults: 7, StartIndex: 3, Resources: []*Resource{stored(t, GroupType, `{"id":"g1","displayName":"eng"}`)}}
	want := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":7,"startIndex":3,"itemsPerPage":1,` +
		`"Resources":[{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"g1","displayName":"eng"}]}`
	if got := string(mustJSON(t, list)); got != want {
		t.Errorf("%s", got)
	}
	if got := string(mustJSON(t, ListResponse[*Schema]{StartIndex: 1})); got != `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"startIndex":1,"itemsPerPage":0,"Resources":[]}` {
		t.Errorf("%s", got)
	}
}
