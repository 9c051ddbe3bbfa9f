// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

// pagesThat is an app with so many accounts and groups that pages and ignores every filter. It shows at most most rows on a page.
func pagesThat(rows, most int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start, _ := strconv.Atoi(r.URL.Query().Get("startIndex")) // the connector always gives both
		count, _ := strconv.Atoi(r.URL.Query().Get("count"))
		var list []string
		for i := start; i <= rows && len(list) < min(count, most); i++ {
			list = append(list, fmt.Sprintf(`{"id":%d,"userName":"user-%d@corp.test","displayName":"Group %d","members":[{"value":"%d"}]}`, i, i, i, i))
		}
		reply(w, http.StatusOK, fmt.Sprintf(`{"totalResults":%d,"Resources":[%s]}`, rows, strings.Join(list, ",")))
	}
}

func TestALookupPagesThroughAnAppThatIgnoresFilters(t *testing.T) {
	for _, name := range []string{"generic", "r-service"} {
		profile := profileOf(t, name)
		s, c := script(t, profile, pagesThat(350, 1000))
		for _, wanted := range []int{1, 101, 350} {
			users, err := c.FindUsers(t.Context(), "userName", fmt.Sprintf("USER-%d@corp.test", wanted))
			if err != nil || len(users) != 1 || users[0].ID != strconv.Itoa(wanted) {
				t.Errorf("%s: account %d = %+v, %v", name, wanted, users, err)
			}
			groups, err := c.FindGroups(t.Context(), fmt.Sprintf("Group %d", wanted))
			if err != nil || len(groups) != 1 || groups[0].ID != strconv.Itoa(wanted) || len(groups[0].Members) != 1 {
				t.Errorf("%s: group %d = %+v, %v", name, wanted, groups, err)
			}
		}
		if users, err := c.FindUsers(t.Context(), "userName", "nobody@corp.test"); err != nil || len(users) != 0 {
			t.Errorf("%s: nobody = %+v, %v", name, users, err)
		}
		// No more pages than needed.
		s.mu.Lock()
		s.asked = nil
		s.mu.Unlock()
		if _, err := c.FindUsers(t.Context(), "userName", "user-1@corp.test"); err != nil {
			t.Error(err)
		}
		if len(s.asked) != 1 {
			t.Errorf("%s: %d requests for the first row: %q", name, len(s.asked), s.asked)
		}
	}
}

func TestALookupThatCannotBeCompletedIsAnErrorThatSaysSo(t *testing.T) {
	endless := 0
	tests := map[string]struct {
		handle http.HandlerFunc
		kind   connector.Kind
		says   string
		most   int
	}{
		"more rows than are searched": {pagesThat(100_000, 1000), connector.Unsupported, "has more rows than are searched: 10000 of its 100000 rows were read", maxSearched},
		"the same page again":         {always(http.StatusOK, `{"totalResults":500,"Resources":[{"id":"1","userName":"bob"}]}`), connector.Unsupported, "answers each page with the same rows", 2},
		"the same page until the total is reached": {
			always(http.StatusOK, `{"totalResults":2,"Resources":[{"id":"1","userName":"bob"}]}`), connector.Unsupported, "answers each page with the same rows", 2,
		},
		"an end too early": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("startIndex") == "1" {
				pagesThat(500, 100)(w, r)
				return
			}
			reply(w, http.StatusOK, `{"totalResults":500,"Resources":[]}`)
		}, connector.UnexpectedAnswer, "ended after 100 of 500 rows", 2},
		"a total that swings": {func(w http.ResponseWriter, _ *http.Request) {
			endless++
			reply(w, http.StatusOK, fmt.Sprintf(`{"totalResults":%d,"Resources":[{"id":"x%d","userName":"bob"}]}`, 1_000_000-endless%2*500_000, endless))
		}, connector.Unsupported, "has more rows than are searched", maxSearched},
		"a later page that fails": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("startIndex") == "1" {
				pagesThat(500, 100)(w, r)
				return
			}
			reply(w, http.StatusNotFound, scimError("", "no such page"))
		}, connector.NotFound, "", 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, c := script(t, profileOf(t, "generic"), test.handle)
			users, err := c.FindUsers(t.Context(), "userName", "jane@corp.test")
			e := failureOf(t, err, test.kind)
			if users != nil || !strings.Contains(e.Detail, test.says) || strings.Contains(e.Error(), "jane") {
				t.Errorf("found %+v, error = %v", users, err)
			}
			if len(s.asked) > test.most {
				t.Errorf("%d requests, want at most %d", len(s.asked), test.most)
			}
		})
	}
}

func TestALookupThatTakesTooLongIsNotAnAppThatDoesNotAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, c := script(t, profileOf(t, "generic"), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("startIndex") == "201" {
			cancel()
		}
		pagesThat(5000, 100)(w, r)
	})
	_, err := c.FindUsers(ctx, "userName", "user-4999@corp.test")
	if e := failureOf(t, err, connector.Unsupported); !strings.Contains(e.Detail, "takes too long") {
		t.Errorf("error = %v", e)
	}
}

func TestAFilterThatMatchesNobodyInEveryForm(t *testing.T) {
	none := map[string]http.HandlerFunc{
		"an empty list":          always(http.StatusOK, `{"totalResults":0}`),
		"404 in SCIM":            always(http.StatusNotFound, scimError("", "User not found.")),
		"404 in SCIM, otherwise": always(http.StatusNotFound, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Error"],"detail":"No user found"}`),
		"everybody is counted":   always(http.StatusOK, `{"totalResults":900,"Resources":[]}`),
		"counted, without rows":  always(http.StatusOK, `{"totalResults":900}`),
	}
	for name, handle := range none {
		t.Run(name, func(t *testing.T) {
			_, c := script(t, profileOf(t, "generic"), handle)
			if users, err := c.FindUsers(t.Context(), "userName", "jane@corp.test"); err != nil || len(users) != 0 {
				t.Errorf("users = %+v, %v", users, err)
			}
			if groups, err := c.FindGroups(t.Context(), "Sales"); err != nil || len(groups) != 0 {
				t.Errorf("groups = %+v, %v", groups, err)
			}
			// A listing is complete or an error.
			if name == "an empty list" {
				return
			}
			if err := c.ListUsers(t.Context(), func(connector.User) error { return errors.New("a row") }); err == nil {
				t.Error("the listing has no error")
			}
		})
	}
	for name, handle := range map[string]http.HandlerFunc{
		"404 of a proxy": always(http.StatusNotFound, `{"message":"no Route matched with those values"}`),
		"404 of a site":  always(http.StatusNotFound, "<html>not found</html>", "Content-Type", "text/html"),
		"410":            always(http.StatusGone, ""),
	} {
		t.Run(name, func(t *testing.T) {
			_, c := script(t, profileOf(t, "generic"), handle)
			_, err := c.FindUsers(t.Context(), "userName", "jane@corp.test")
			wantKind(t, err, connector.NotFound)
		})
	}
}

// TestALookupThatCountsRowsAndShowsNone: the number is that of all accounts, or the answer is cut short, and then nothing is missing.
func TestALookupThatCountsRowsAndShowsNone(t *testing.T) {
	const row = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"%s"}`
	for name, test := range map[string]struct {
		total int
		first string
		found int
		kind  connector.Kind
	}{
		"all accounts are counted":          {total: 7, first: "ann@corp.test"},
		"one account is counted, not shown": {total: 1, first: "ann@corp.test", kind: connector.UnexpectedAnswer},
		"the account is the first of all":   {total: 1, first: "jane@corp.test", found: 1},
		"the account is among all counted":  {total: 7, first: "jane@corp.test", found: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := script(t, profileOf(t, "generic"), func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Has("filter") {
					reply(w, http.StatusOK, fmt.Sprintf(`{"totalResults":%d,"Resources":[]}`, test.total))
					return
				}
				reply(w, http.StatusOK, fmt.Sprintf(`{"totalResults":7,"Resources":[`+row+`]}`, test.first))
			})
			users, err := c.FindUsers(t.Context(), "userName", "jane@corp.test")
			if len(users) != test.found || connector.KindOf(err) != test.kind || len(s.asked) != 2 {
				t.Errorf("%+v, %v after %d requests", users, err, len(s.asked))
			}
		})
	}
}

func TestEveryAnswerThatAsksToWaitIsObeyed(t *testing.T) {
	tests := map[string]struct {
		status  int
		body    string
		header  []string
		kind    connector.Kind
		wait    time.Duration
		proceed bool // a next call is sent
	}{
		"403 with Retry-After":      {status: 403, body: `{"message":"You have exceeded a secondary rate limit"}`, header: []string{"Retry-After", "60"}, kind: connector.RateLimited, wait: time.Minute},
		"403 with a text":           {status: 403, body: "403 Forbidden (Rate Limit Exceeded)", kind: connector.RateLimited, proceed: true},
		"503 for ten minutes":       {status: 503, header: []string{"Retry-After", "600"}, kind: connector.ServerError, wait: 10 * time.Minute},
		"500 with Retry-After":      {status: 500, header: []string{"Retry-After", "30"}, kind: connector.ServerError, wait: 30 * time.Second},
		"502 with Retry-After":      {status: 502, header: []string{"Retry-After", "30"}, kind: connector.ServerError, wait: 30 * time.Second},
		"404 with Retry-After":      {status: 404, header: []string{"Retry-After", "30"}, kind: connector.NotFound, wait: 30 * time.Second},
		"429 with only X-":          {status: 429, header: []string{"X-Retry-After", "120"}, kind: connector.RateLimited, wait: 2 * time.Minute},
		"429 with a date":           {status: 429, header: []string{"Retry-After", "2026-05-04T12:00:30Z"}, kind: connector.RateLimited, wait: 30 * time.Second},
		"429 with waitMs":           {status: 429, body: `{"rateLimit":{"waitMs":20000}}`, kind: connector.RateLimited, wait: 20 * time.Second},
		"a year is bounded":         {status: 503, header: []string{"Retry-After", "31536000"}, kind: connector.ServerError, wait: time.Hour},
		"401: a person may be fast": {status: 401, header: []string{"Retry-After", "60"}, kind: connector.Credentials, wait: time.Minute, proceed: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			clock := &fakeClock{now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
			s, c := script(t, profileOf(t, "generic"), always(test.status, test.body, test.header...), func(o *Options) { o.Clock = clock.Now })
			_, err := c.SetActive(t.Context(), "1", false, nil)
			if e := failureOf(t, err, test.kind); e.RetryAfter != test.wait {
				t.Errorf("wait = %v, want %v", e.RetryAfter, test.wait)
			}
			_, err = c.GetUser(t.Context(), "1")
			if sent := len(s.asked) == 2; sent != test.proceed || !sent && !connector.Is(err, connector.RateLimited) {
				t.Errorf("the next call: sent %t, %v", sent, err)
			}
			clock.add(test.wait)
			if _, err = c.GetUser(t.Context(), "1"); connector.AsError(err).Status != test.status {
				t.Errorf("after the wait: %v", err)
			}
		})
	}
}

func TestARowOfALookupMayBeNumbered(t *testing.T) {
	_, c := script(t, profileOf(t, "generic", func(p *profiles.Profile) { p.SCIM.UserUpdate = profiles.Put }), func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/Groups"):
			reply(w, http.StatusCreated, `{"id":7,"displayName":"Sales","members":[{"value":12,"display":1}]}`)
		case strings.HasSuffix(r.URL.Path, "/Groups"):
			reply(w, http.StatusOK, `{"totalResults":1,"Resources":[{"id":7,"displayName":"Sales","members":[{"value":12}]}]}`)
		case strings.HasSuffix(r.URL.Path, "/Users") && r.Method == http.MethodGet:
			reply(w, http.StatusOK, `{"totalResults":1,"Resources":[{"id":12,"userName":"jane@corp.test","externalId":5}]}`)
		default:
			reply(w, http.StatusOK, `{"id":12,"userName":"jane@corp.test","active":true}`)
		}
	})
	user, err := c.CreateUser(t.Context(), jane(nil))
	if err != nil || user.ID != "12" {
		t.Errorf("created %+v, %v", user, err)
	}
	users, err := c.FindUsers(t.Context(), "userName", "jane@corp.test")
	if err != nil || len(users) != 1 || users[0].ID != "12" || users[0].ExternalID != "5" {
		t.Errorf("found %+v, %v", users, err)
	}
	group, err := c.CreateGroup(t.Context(), connector.Group{DisplayName: "Sales", Members: []connector.Member{{ID: "12"}}})
	if err != nil || group.ID != "7" || len(group.Members) != 1 || group.Members[0].ID != "12" {
		t.Errorf("created %+v, %v", group, err)
	}
	groups, err := c.FindGroups(t.Context(), "Sales")
	if err != nil || len(groups) != 1 || groups[0].ID != "7" || groups[0].Members[0].ID != "12" {
		t.Errorf("found %+v, %v", groups, err)
	}
}
