// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

// answered returns a connector whose app gives each request the answer.
func answered(t *testing.T, status int, body string, change ...func(*profiles.Profile)) *Connector {
	t.Helper()
	return simulated(t, profileOf(t, "generic", change...), status, func() io.Reader { return strings.NewReader(body) })
}

func TestAnIDThatCannotBeKeptFailsItsAccountAlone(t *testing.T) {
	ids := map[string]string{
		strings.Repeat("x", 1100):      "the app's answer has an id of 1100 bytes; at most 512 are supported",
		strings.Repeat("9", 513):       "the app's answer has an id of 513 bytes; at most 512 are supported",
		strings.Repeat("<", 100):       "the app's answer has an id of 600 bytes; at most 512 are supported",
		"a\nb":                         "the app's answer has an id with control characters; they are not supported",
		"\u0085":                       "the app's answer has an id with control characters; they are not supported",
		strings.Repeat("x", 512):       "",
		"münchen/../x?":                "",
		strings.Repeat("ü", 256):       "",
		strings.Repeat("ü", 256) + "x": "the app's answer has an id of 513 bytes; at most 512 are supported",
	}
	writes := map[string]bool{"create": true, "update": true, "put": true}
	for id, want := range ids {
		escaped := strings.NewReplacer("\n", `\n`, "\u0085", `\u0085`).Replace(id)
		resource := fmt.Sprintf(`{"id":%q,"userName":"Jane","displayName":"jane","members":[]}`, "ID")
		resource = strings.Replace(resource, "ID", escaped, 1)
		list := `{"totalResults":1,"Resources":[` + resource + `]}`
		for what, body := range map[string]string{
			"get": resource, "create": resource, "update": resource, "group": resource, "put": resource, "find": list, "find-group": list,
		} {
			_, err := calls[what](t.Context(), answered(t, http.StatusOK, body))
			if want == "" {
				if err != nil {
					t.Errorf("%s with an id of %d bytes: %v", what, len(id), err)
				}
				continue
			}
			e := failureOf(t, err, connector.UnusableAnswer)
			// The read before the PUT of a group fails already.
			if e.Detail != want || e.Scope() != connector.ScopeAccount || e.Retriable() || e.UnknownOutcome() != (writes[what] && what != "put") {
				t.Errorf("%s: error = %v, scope %s, retriable %t, unknown %t", what, e, e.Scope(), e.Retriable(), e.UnknownOutcome())
			}
		}
	}
}

func TestAnIDThatCannotBeKeptIsOverlookedInRowsOfOthers(t *testing.T) {
	c := answered(t, http.StatusOK, `{"totalResults":2,"Resources":[
		{"id":"`+strings.Repeat("x", 1100)+`","userName":"bob","displayName":"bob"},{"id":7,"userName":"jane","displayName":"jane"}]}`)
	users, err := c.FindUsers(t.Context(), "userName", "jane")
	if err != nil || len(users) != 1 || users[0].ID != "7" {
		t.Errorf("found %v, %v", users, err)
	}
	groups, err := c.FindGroups(t.Context(), "jane")
	if err != nil || len(groups) != 1 || groups[0].ID != "7" {
		t.Errorf("found %v, %v", groups, err)
	}
	if names, err := listed(t, c, nil); err != nil || len(names) != 1 || names["jane"] != 1 {
		t.Errorf("listed %v, %v", names, err)
	}
}

func TestNumbersAsIDs(t *testing.T) {
	const id = "12345678901234567890"
	user, err := answered(t, http.StatusOK, `{"id":`+id+`,"userName":42}`).GetUser(t.Context(), "x")
	if err != nil || user.ID != id || user.UserName != "42" {
		t.Errorf("user = %+v, %v", user, err)
	}
	group, err := answered(t, http.StatusOK, `{"id":`+id+`,"displayName":"G","externalId":7,"Members":[
		{"value":`+id+`,"display":3},{"value":"x"},{"value":null},"y",null,{"value":true},{"value":["z"]}]}`).GetGroup(t.Context(), "x")
	want := connector.Group{
		ID: id, DisplayName: "G", ExternalID: "7", MembersKnown: true, Members: []connector.Member{{ID: id, Display: "3"}, {ID: "x"}},
	}
	if diff := cmp.Diff(want, group); diff != "" || err != nil {
		t.Errorf("group (-want +got), %v:\n%s", err, diff)
	}
	users, err := answered(t, http.StatusOK, `{"totalResults":1,"Resources":[{"id":1,"employeeNumber":815}]}`).FindUsers(t.Context(), "employeeNumber", "815")
	if err != nil || len(users) != 1 || users[0].ID != "1" {
		t.Errorf("found %v, %v", users, err)
	}
}

func TestLongTextsOfAnAppAreCut(t *testing.T) {
	long := strings.Repeat("ü", 1100)
	group, err := answered(t, http.StatusOK, `{"id":"1","displayName":"`+long+`","externalId":"`+long+`","members":[{"value":"2","display":"`+long+`"}]}`).GetGroup(t.Context(), "1")
	if err != nil || group.DisplayName != long[:2048] || group.ExternalID != long[:2048] || group.Members[0].Display != long[:2048] {
		t.Errorf("group with a name of %d bytes, %v", len(group.DisplayName), err)
	}
	if got := connector.BoundText("x" + long); got != "x"+long[:2046] {
		t.Errorf("a text is cut to %d bytes", len(got))
	}
}

func TestMembersOfAGroup(t *testing.T) {
	tests := map[string]struct {
		body  string
		shows bool
		known bool
	}{
		"given":                         {body: `{"id":"1","members":[{"value":"2"}]}`, known: true},
		"empty":                         {body: `{"id":"1","members":[]}`, known: true},
		"null":                          {body: `{"id":"1","members":null}`},
		"absent":                        {body: `{"id":"1"}`},
		"absent where they are shown":   {body: `{"id":"1"}`, shows: true, known: true},
		"no list":                       {body: `{"id":"1","members":{"value":"2"}}`},
		"a list before the id and name": {body: `{"members":[{"value":"2"}],"id":"1","displayName":"x"}`, known: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := answered(t, http.StatusOK, test.body, func(p *profiles.Profile) { p.SCIM.GroupReadShowsMembers = test.shows })
			group, err := c.GetGroup(t.Context(), "1")
			if err != nil || group.ID != "1" || group.MembersKnown != test.known {
				t.Errorf("group = %+v, %v, want members known: %t", group, err, test.known)
			}
		})
	}
}

func TestARenameByPutKeepsMembersAndOtherAttributes(t *testing.T) {
	var sent string
	profile := profileOf(t, "generic", func(p *profiles.Profile) { p.SCIM.GroupPatch = profiles.GroupPut })
	answer := `{"id":"1","displayName":"old","meta":{},"rank":12345678901234567890,"members":[{"value":"2"},{"value":"3"}]}`
	c, err := New(Options{Profile: profile, BaseURL: "https://app.example.com", Token: testToken, Limits: fast, Transport: transportFunc(
		func(request *http.Request) (*http.Response, error) {
			if request.Method == http.MethodPut {
				body, err := io.ReadAll(request.Body)
				if err != nil {
					return nil, err
				}
				sent = string(body)
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: request}, nil
		},
	)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateGroup(t.Context(), "1", connector.GroupChange{DisplayName: "new"}); err != nil {
		t.Fatal(err)
	}
	want := `{"displayName":"new","id":"1","members":[{"value":"2"},{"value":"3"}],"rank":12345678901234567890,` +
		`"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"]}`
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestMalformedAnswers(t *testing.T) {
	const each, resources = "get create put group find test", "get create put" // others read over the attribute
	for name, test := range map[string]struct{ calls, body, want string }{
		"nothing":           {each, "", "not a JSON object"},
		"an array":          {each, "[]", "not a JSON object"},
		"null":              {each, "null", "not a JSON object"},
		"text after it":     {each, `{"id":"1","totalResults":0}x`, "not a JSON object"},
		"a second object":   {each, `{"id":"1","totalResults":0}{}`, "not a JSON object"},
		"an end too early":  {each, `{"id":"1","totalResults":0`, "not a JSON object"},
		"nested too deeply": {resources, `{"id":"1","x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "nested too deeply"},
		"too many values":   {resources, `{"id":"1","x":[0` + strings.Repeat(",0", 60_000) + `]}`, "too large"},
	} {
		for what := range strings.FieldsSeq(test.calls) {
			_, err := calls[what](t.Context(), answered(t, http.StatusOK, test.body))
			e := connector.AsError(err)
			if e == nil || e.Kind != connector.UnexpectedAnswer || e.Status != http.StatusOK || !strings.Contains(e.Detail, test.want) {
				t.Errorf("%s, %s: error = %v, want one about %q", name, what, err, test.want)
			}
		}
	}
}
