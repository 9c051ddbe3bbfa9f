// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

// refusing is an app with one group that refuses requests; it keeps the bodies that it took and counts the others.
type refusing struct {
	refuses func(method, body string) int
	taken   []string
	refused int
}

func (r *refusing) answer(request *http.Request) (*http.Response, error) {
	body := ""
	if request.Body != nil {
		data, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		body = string(data)
	}
	status, answer := http.StatusOK, `{"id":"g1","displayName":"Sales","members":[]}`
	if refusal := r.refuses(request.Method, body); refusal != 0 {
		r.refused++
		status, answer = refusal, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"]}`
	} else if request.Method != http.MethodGet {
		r.taken = append(r.taken, body)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: request}, nil
}

func (r *refusing) connect(t *testing.T, change ...func(*Options)) *Connector {
	t.Helper()
	options := Options{Profile: profileOf(t, "generic"), BaseURL: "https://app.example.com", Token: testToken, Limits: fast, Transport: transportFunc(r.answer)}
	for _, f := range change {
		f(&options)
	}
	c, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// numbered are n members m000, m001, ...
func numbered(n int) []connector.Member {
	list := make([]connector.Member, n)
	for i := range list {
		list[i].ID = fmt.Sprintf("m%03d", i)
	}
	return list
}

// membersIn counts the members in a body.
func membersIn(body string) int {
	return strings.Count(body, `"value":"m`) + strings.Count(body, `members[value eq`)
}

// refusesAbove refuses requests with more than n members.
func refusesAbove(n int) func(string, string) int {
	return func(_, body string) int {
		if membersIn(body) > n {
			return http.StatusBadRequest
		}
		return 0
	}
}

func TestRefusedNumberOfMembersIsHalvedAndRemembered(t *testing.T) {
	app := &refusing{refuses: refusesAbove(100)}
	c := app.connect(t)
	if _, err := c.UpdateGroup(t.Context(), "g1", connector.GroupChange{Add: numbered(120)}); err != nil {
		t.Fatal(err)
	}
	if c.MembersPerRequest() != 60 || app.refused != 1 || len(app.taken) != 2 {
		t.Fatalf("learned %d, %d requests were refused, %d taken", c.MembersPerRequest(), app.refused, len(app.taken))
	}
	if _, err := c.UpdateGroup(t.Context(), "g1", connector.GroupChange{Remove: numbered(150)}); err != nil {
		t.Fatal(err)
	}
	if app.refused != 1 || len(app.taken) != 5 {
		t.Errorf("%d requests were refused, %d taken", app.refused, len(app.taken))
	}
	again := &refusing{refuses: refusesAbove(100)}
	later := again.connect(t, func(o *Options) { o.MembersPerRequest = 60 })
	if _, err := later.CreateGroup(t.Context(), connector.Group{DisplayName: "Sales", Members: numbered(150)}); err != nil {
		t.Fatal(err)
	}
	if again.refused != 0 || len(again.taken) != 3 {
		t.Errorf("a later connector: %d requests were refused, %d taken", again.refused, len(again.taken))
	}
}

func TestMembersPerRequestOfTheConfigurationIsKept(t *testing.T) {
	app := &refusing{refuses: refusesAbove(10)}
	c := app.connect(t, func(o *Options) { o.Limits.MembersPerRequest = 10 })
	if _, err := c.UpdateGroup(t.Context(), "g1", connector.GroupChange{Add: numbered(25)}); err != nil {
		t.Fatal(err)
	}
	if app.refused != 0 || len(app.taken) != 3 || c.MembersPerRequest() != 0 {
		t.Errorf("%d requests were refused, %d taken, learned %d", app.refused, len(app.taken), c.MembersPerRequest())
	}
}

func TestCreateWithMembersThatTheAppRefuses(t *testing.T) {
	app := &refusing{refuses: func(_, body string) int {
		if strings.Contains(body, "m007") || membersIn(body) > 100 {
			return http.StatusBadRequest
		}
		return 0
	}}
	created, err := app.connect(t).CreateGroup(t.Context(), connector.Group{DisplayName: "Sales", Members: numbered(120)})
	failure := connector.AsError(err)
	if created.ID != "g1" || failure == nil || !slices.Equal(failure.Refused, numbered(120)[7:8]) {
		t.Fatalf("created %+v, %v", created, err)
	}
	count := 0
	for _, body := range app.taken {
		count += membersIn(body)
	}
	if count != 119 {
		t.Errorf("the app took %d members", count)
	}
}

// A member that the app does not have any more: neither a removal nor another addition is lost with it.
func TestRefusedMemberIsToldFromTheOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*profiles.Profile)
		status int
	}{
		"PATCH":            {status: http.StatusBadRequest},
		"PATCH with a 404": {status: http.StatusNotFound},
		"PUT":              {status: http.StatusBadRequest, change: func(p *profiles.Profile) { p.SCIM.GroupPatch = profiles.GroupPut }},
		"SCIM 1.1":         {status: http.StatusBadRequest, change: func(p *profiles.Profile) { p.SCIM.GroupPatch = profiles.GroupPatchSCIM11 }},
	} {
		t.Run(name, func(t *testing.T) {
			app := &refusing{refuses: func(_, body string) int {
				if strings.Contains(body, "m005") {
					return tc.status
				}
				return 0
			}}
			c := app.connect(t, func(o *Options) {
				if tc.change != nil {
					tc.change(&o.Profile)
				}
			})
			_, err := c.UpdateGroup(t.Context(), "g1", connector.GroupChange{Add: numbered(8), Remove: []connector.Member{{ID: "left"}}})
			failure := connector.AsError(err)
			if failure == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff([]connector.Member{{ID: "m005"}}, failure.Refused); diff != "" {
				t.Error(diff)
			}
			count := 0
			for i, body := range app.taken {
				count += strings.Count(body, `"value":"m0`)
				if (i == 0) != strings.Contains(body, "left") && !strings.Contains(name, "PUT") {
					t.Errorf("request %d is %s", i, body)
				}
			}
			if count != 7 || c.MembersPerRequest() != 0 {
				t.Errorf("the app took %d members, learned %d", count, c.MembersPerRequest())
			}
		})
	}
}

func TestAppThatRefusesEveryMemberIsNotAskedForEach(t *testing.T) {
	app := &refusing{refuses: func(method, _ string) int {
		if method == http.MethodPatch {
			return http.StatusBadRequest
		}
		return 0
	}}
	_, err := app.connect(t).UpdateGroup(t.Context(), "g1", connector.GroupChange{Add: numbered(400)})
	failure := failureOf(t, err, connector.Invalid)
	if len(failure.Refused) != 0 || app.refused > 40 {
		t.Errorf("%d requests, the error names %d members", app.refused, len(failure.Refused))
	}
}

func TestHiddenMembersOfAPUTAreNotTakenFromWhatTheAppShows(t *testing.T) {
	app := &refusing{refuses: func(string, string) int { return 0 }}
	c := app.connect(t, func(o *Options) { o.Profile.SCIM.GroupPatch = profiles.GroupPut })
	change := connector.GroupChange{Remove: numbered(1), Want: numbered(3)[1:], Hidden: true}
	if _, err := c.UpdateGroup(t.Context(), "g1", change); err != nil {
		t.Fatal(err)
	}
	if body := app.taken[0]; membersIn(body) != 2 || strings.Contains(body, "m000") {
		t.Errorf("the body is %s", body)
	}
}
