// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

// seed puts n accounts into the app.
func seed(t *testing.T, app *fakeapp.App, n int) {
	t.Helper()
	for i := range n {
		user := map[string]any{
			"userName": fmt.Sprintf("user%03d@corp.test", i),
			"name":     map[string]any{"givenName": "User", "familyName": fmt.Sprint(i)},
			"emails":   []any{map[string]any{"value": fmt.Sprintf("user%03d@corp.test", i)}},
			"roles":    []any{map[string]any{"value": "viewer"}},
		}
		if _, err := app.AddUser(user); err != nil {
			t.Fatal(err)
		}
	}
}

// listed returns the names that a listing yields.
func listed(t *testing.T, c *Connector, during func(n int)) (map[string]int, error) {
	t.Helper()
	names := map[string]int{}
	n := 0
	err := c.ListUsers(t.Context(), func(user connector.User) error {
		names[user.UserName]++
		n++
		if during != nil {
			during(n)
		}
		return nil
	})
	return names, err
}

func TestListUsersReadsEveryPage(t *testing.T) {
	app := startApp(t, fakeapp.RService)
	seed(t, app, 60)
	names, err := listed(t, connect(t, app, profileOf(t, "r-service")), nil)
	if err != nil || len(names) != 60 {
		t.Fatalf("listed %d accounts, %v", len(names), err)
	}
	wantCalls(t, app, fakeapp.UsersList, fakeapp.UsersList, fakeapp.UsersList)
}

func TestListUsersGoesOnByTheRowsReceived(t *testing.T) {
	// The app grants 25 rows although 100 are asked for.
	app := startApp(t, fakeapp.RService)
	seed(t, app, 60)
	c := connect(t, app, profileOf(t, "r-service", func(p *profiles.Profile) { p.SCIM.PageSize = 100 }))
	if names, err := listed(t, c, nil); err != nil || len(names) != 60 {
		t.Fatalf("listed %d accounts, %v", len(names), err)
	}
}

func TestListUsersOfAnEmptyApp(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	if names, err := listed(t, connect(t, app, profileOf(t, "generic")), nil); err != nil || len(names) != 0 {
		t.Fatalf("listed %d accounts, %v", len(names), err)
	}
}

func TestListUsersMissesNobodyWhileOthersAreDeleted(t *testing.T) {
	app := startApp(t, fakeapp.RService)
	seed(t, app, 60)
	names, err := listed(t, connect(t, app, profileOf(t, "r-service")), func(n int) {
		if n == 25 { // the first page is read: its rows vanish, the others move up
			for i := range 10 {
				if err := app.RemoveUser(fmt.Sprintf("user%03d@corp.test", i)); err != nil {
					t.Error(err)
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := 10; i < 60; i++ {
		if name := fmt.Sprintf("user%03d@corp.test", i); names[name] != 1 {
			t.Errorf("%s was yielded %d times, want once", name, names[name])
		}
	}
}

func TestListUsersIsNotDisturbedByNewAccounts(t *testing.T) {
	app := startApp(t, fakeapp.RService)
	seed(t, app, 60)
	names, err := listed(t, connect(t, app, profileOf(t, "r-service")), func(n int) {
		if n == 30 {
			if _, err := app.AddUser(map[string]any{"userName": "late@corp.test"}); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || len(names) < 60 {
		t.Fatalf("listed %d accounts, %v", len(names), err)
	}
}

func TestAPartialListingIsAnError(t *testing.T) {
	const row = `{"id":"1","userName":"a@corp.test"}`
	tests := map[string]struct {
		bodies []string
		want   string
	}{
		"fewer rows than promised":     {[]string{`{"totalResults":3,"Resources":[` + row + `]}`, `{"totalResults":3,"Resources":[]}`}, "ended after 1 of 3"},
		"rows are missing altogether":  {[]string{`{"totalResults":3}`}, "ended after 0 of 3"},
		"the same page again":          {[]string{`{"totalResults":2,"Resources":[` + row + `]}`, `{"totalResults":2,"Resources":[` + row + `]}`}, "ended after 1 of 2"},
		"no list at all":               {[]string{`{"hello":"world"}`}, "totalResults is missing"},
		"an empty object":              {[]string{`{}`}, "totalResults is missing"},
		"a login page":                 {[]string{`<html>log in</html>`}, "not a JSON object"},
		"a row without id":             {[]string{`{"totalResults":1,"Resources":[{"userName":"a"}]}`}, "row without id"},
		"an answer that breaks off":    {[]string{`{"totalResults":1,"Resources":[`}, "not a JSON object"},
		"the second page fails for it": {[]string{`{"totalResults":2,"Resources":[` + row + `]}`, ``}, "not a JSON object"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			app := startApp(t, fakeapp.Generic)
			for _, body := range test.bodies {
				app.Inject(fakeapp.Fault{Times: 1, Answer: &fakeapp.Answer{Status: http.StatusOK, Body: body}})
			}
			_, err := listed(t, connect(t, app, profileOf(t, "generic")), nil)
			e := failureOf(t, err, connector.UnexpectedAnswer)
			if !strings.Contains(e.Detail, test.want) || e.UnknownOutcome() {
				t.Errorf("error = %v, want one about %q", e, test.want)
			}
		})
	}
}

func TestListUsersStopsWhenTheCallerDoes(t *testing.T) {
	app := startApp(t, fakeapp.RService)
	seed(t, app, 60)
	enough := errors.New("enough")
	err := connect(t, app, profileOf(t, "r-service")).ListUsers(t.Context(), func(connector.User) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("error = %v", err)
	}
	wantCalls(t, app, fakeapp.UsersList)
}

func TestAFilterThatTheAppIgnoresLinksNobody(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"))
	all := `{"totalResults":%d,"Resources":[{"id":"1","userName":"bob@corp.test"}]}`

	app.Inject(fakeapp.Fault{Times: 1, Answer: &fakeapp.Answer{Status: 200, Body: fmt.Sprintf(all, 1)}})
	if found, err := c.FindUsers(t.Context(), "userName", "jane@corp.test"); err != nil || len(found) != 0 {
		t.Errorf("found %v, %v: another user's account", found, err)
	}
	// It says that there are more, and shows the same again.
	app.Inject(fakeapp.Fault{Answer: &fakeapp.Answer{Status: 200, Body: fmt.Sprintf(all, 500)}})
	_, err := c.FindUsers(t.Context(), "userName", "jane@corp.test")
	wantKind(t, err, connector.Unsupported)
}
