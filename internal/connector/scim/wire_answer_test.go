// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

// writes are the calls that change something, for each of a profile's ways to do it.
func writes(t *testing.T, c *Connector) map[string]func() error {
	t.Helper()
	change := connector.Change{Set: connector.Attributes{"title": "Boss"}, Full: jane(nil)}
	return map[string]func() error{
		"create": func() error { _, err := c.CreateUser(t.Context(), jane(nil)); return err },
		"update": func() error { _, err := c.UpdateUser(t.Context(), "1", change); return err },
		"off":    func() error { _, err := c.SetActive(t.Context(), "1", false, nil); return err },
		"on":     func() error { _, err := c.SetActive(t.Context(), "1", true, jane(nil)); return err },
		"delete": func() error { return c.DeleteUser(t.Context(), "1") },
		"create group": func() error {
			_, err := c.CreateGroup(t.Context(), connector.Group{DisplayName: "Sales"})
			return err
		},
		"update group": func() error {
			_, err := c.UpdateGroup(t.Context(), "1", connector.GroupChange{Add: []connector.Member{{ID: "2"}}})
			return err
		},
		"delete group": func() error { return c.DeleteGroup(t.Context(), "1") },
	}
}

func TestASuccessIsBelievedOnlyWithABodyOfItsKind(t *testing.T) {
	bodies := map[string]string{
		"an error with 200":      `{"status":"error","msg":"Access token doesn't exist"}`,
		"an error of SCIM":       `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"id":"1","status":"401","detail":"Access token doesn't exist"}`,
		"an empty object":        `{}`,
		"an id that is no id":    `{"id":null,"schemas":[]}`,
		"a list where none goes": `[{"id":"1"}]`,
	}
	for name, body := range bodies {
		for _, profileName := range []string{"generic", "r-service"} {
			t.Run(name+"/"+profileName, func(t *testing.T) {
				_, c := script(t, profileOf(t, profileName), func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/scim/") && strings.Contains(r.URL.Path, "/Groups/") {
						reply(w, http.StatusOK, `{"id":"1","displayName":"Sales","members":[]}`) // the read before a PUT
						return
					}
					reply(w, http.StatusOK, body)
				})
				for what, call := range writes(t, c) {
					e := failureOf(t, call(), connector.UnexpectedAnswer)
					if !e.UnknownOutcome() || e.Status != http.StatusOK {
						t.Errorf("%s: unknown outcome %t, status %d", what, e.UnknownOutcome(), e.Status)
					}
				}
				_, err := c.GetUser(t.Context(), "1")
				wantKind(t, err, connector.UnexpectedAnswer)
				_, err = c.FindUsers(t.Context(), "userName", "jane@corp.test")
				wantKind(t, err, connector.UnexpectedAnswer)
				wantKind(t, c.Test(t.Context()), connector.UnexpectedAnswer)
			})
		}
	}
}

func TestARefusalWith200KeepsTheWordsOfTheApp(t *testing.T) {
	_, c := script(t, profileOf(t, "generic"), always(http.StatusOK, `{"status":"error","msg":"jane.doe@corp.test has no access token"}`))
	_, err := c.CreateUser(t.Context(), jane(nil))
	e := failureOf(t, err, connector.UnexpectedAnswer)
	if got := e.For(nil); !strings.HasSuffix(got, "; the app says: *** has no access token") || strings.Contains(e.Error(), "token") {
		t.Errorf("for the user: %q, error: %q", got, e)
	}
}

func TestAnswersThatAreBelieved(t *testing.T) {
	for name, body := range map[string]string{
		"id alone":      `{"id":"1"}`,
		"schemas alone": `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"jane"}`,
		"other case":    `{"ID":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, c := script(t, profileOf(t, "generic"), always(http.StatusOK, body))
			for _, what := range []string{"update", "off", "on", "delete", "update group", "delete group"} {
				if err := writes(t, c)[what](); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
	_, c := script(t, profileOf(t, "generic"), always(http.StatusNoContent, ""))
	for _, what := range []string{"update", "off", "on", "delete", "update group", "delete group"} {
		if err := writes(t, c)[what](); err != nil {
			t.Errorf("%s without a body: %v", what, err)
		}
	}
	for _, body := range []string{`{"totalResults":0}`, `{"Resources":[]}`, `{"totalResults":3,"Resources":[{"id":"1"},{"id":"2"}]}`} {
		_, c := script(t, profileOf(t, "generic"), always(http.StatusOK, body))
		if err := c.Test(t.Context()); err != nil {
			t.Errorf("test answered with %s: %v", body, err)
		}
	}
}

func TestACreateWithoutABodyIsFoundByItsLocation(t *testing.T) {
	tests := map[string]struct {
		location, body string
		status         int
		lookup         string // the answer to a lookup
		want           string // the id; empty for Unconfirmed
		asked          int
	}{
		"an address elsewhere": {location: "https://app.corp.test/scim/v2/{}/7", status: 201, want: "7", asked: 1},
		"a path":               {location: "/api/{}/a%2Fb%20c/", status: 201, want: "a/b c", asked: 1},
		"204":                  {location: "/scim/{}/7", status: 204, want: "7", asked: 1},
		"a body without id": {
			location: "/scim/{}/7", body: `{"schemas":["x"],"displayName":"Sales","userName":"jane.doe@corp.test"}`, status: 201, want: "7", asked: 1,
		},
		"the body wins":         {location: "/scim/{}/7", body: `{"id":"8"}`, status: 201, want: "8", asked: 1},
		"no Location":           {status: 201, lookup: `{"totalResults":1,"Resources":[{"id":9,"userName":"Jane.Doe@corp.test","displayName":"Sales"}]}`, want: "9", asked: 2},
		"that names no id":      {location: "/scim/{}", status: 201, lookup: `{"totalResults":1,"Resources":[{"id":"9","userName":"jane.doe@corp.test","displayName":"Sales"}]}`, want: "9", asked: 2},
		"that is a task":        {location: "/scim/tasks/5", status: 202, lookup: `{"totalResults":0}`, asked: 2},
		"that is no URL":        {location: "https://%zz/{}/7", status: 201, lookup: `{"totalResults":0}`, asked: 2},
		"not shown yet":         {status: 201, lookup: `{"totalResults":0}`, asked: 2},
		"two of the name":       {status: 201, lookup: `{"totalResults":2,"Resources":[{"id":"1","userName":"jane.doe@corp.test","displayName":"Sales"},{"id":"2","userName":"jane.doe@corp.test","displayName":"Sales"}]}`, asked: 2},
		"a lookup that fails":   {status: 201, lookup: ``, asked: 2},
		"another one was found": {status: 201, lookup: `{"totalResults":1,"Resources":[{"id":"9","userName":"bob@corp.test","displayName":"Ops"}]}`, asked: 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, c := script(t, profileOf(t, "generic"), func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					reply(w, http.StatusOK, test.lookup)
					return
				}
				_, collection, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
				if test.location != "" {
					w.Header().Set("Location", strings.ReplaceAll(test.location, "{}", collection))
				}
				reply(w, test.status, test.body)
			})
			judge := func(id string, err error) {
				t.Helper()
				if len(s.asked) != test.asked {
					t.Errorf("%d requests, want %d: %q", len(s.asked), test.asked, s.asked)
				}
				s.asked = nil
				if test.want != "" {
					if err != nil || id != test.want {
						t.Errorf("id = %q, %v, want %q", id, err, test.want)
					}
					return
				}
				if e := failureOf(t, err, connector.Unconfirmed); !e.UnknownOutcome() || e.Scope() != connector.ScopeAccount || !e.Retriable() {
					t.Errorf("unknown outcome %t, scope %s, retriable %t", e.UnknownOutcome(), e.Scope(), e.Retriable())
				}
			}
			user, err := c.CreateUser(t.Context(), jane(nil))
			judge(user.ID, err)
			if err == nil && !user.Active {
				t.Error("the account is inactive")
			}
			group, err := c.CreateGroup(t.Context(), connector.Group{DisplayName: "Sales", Members: []connector.Member{{ID: "2"}}})
			judge(group.ID, err)
			if err == nil && test.body == "" && group.DisplayName != "Sales" {
				t.Errorf("group = %+v", group)
			}
		})
	}
}

func TestAWrongBaseURLSaysWhatAnsweredAndWhatToCheck(t *testing.T) {
	const page = `<!DOCTYPE html><html><title>Jane Doe</title></html>`
	html := []string{"Content-Type", "text/html; charset=utf-8"}
	tests := map[string]struct {
		handle http.HandlerFunc
		kind   connector.Kind
		says   string
	}{
		"200 with a page":           {always(200, page, html...), connector.UnexpectedAnswer, "answered with status 200 and content type text/html"},
		"404 with a page":           {always(404, page, html...), connector.NotFound, "answered with status 404 and content type text/html"},
		"404 of SCIM":               {always(404, scimError("", "no such endpoint")), connector.NotFound, "answered with status 404 and content type application/scim+json"},
		"405":                       {always(405, ""), connector.Unsupported, "answered with status 405"},
		"400":                       {always(400, "bad"), connector.Invalid, "answered with status 400"},
		"200 with JSON":             {always(200, `{"name":"api","version":3}`, "Content-Type", "application/json"), connector.UnexpectedAnswer, "no list of users"},
		"without a content type":    {always(404, page, "Content-Type", ""), connector.NotFound, "no content type"},
		"a content type that is no": {always(404, page, "Content-Type", "text/Jane Doe <jane@corp.test>"), connector.NotFound, "no content type"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, c := script(t, profileOf(t, "generic"), test.handle)
			e := failureOf(t, c.Test(t.Context()), test.kind)
			if e.Scope() != connector.ScopeApp {
				t.Errorf("scope %s", e.Scope())
			}
			for _, part := range []string{s.server.URL + "/scim", test.says, "check that spec.scim.baseURL"} {
				if !strings.Contains(e.Error(), part) {
					t.Errorf("error = %q, want it to say %q", e, part)
				}
			}
			if strings.Contains(strings.ToLower(e.Error()), "jane") {
				t.Errorf("error = %q", e)
			}
		})
	}
	t.Run("a lookup and a create", func(t *testing.T) {
		_, c := script(t, profileOf(t, "generic"), always(404, page, html...))
		_, err := c.FindUsers(t.Context(), "userName", "jane@corp.test")
		_, createErr := c.CreateUser(t.Context(), jane(nil))
		for _, err := range []error{err, createErr} {
			if e := failureOf(t, err, connector.NotFound); !strings.Contains(e.Error(), "check that spec.scim.baseURL") || e.Scope() != connector.ScopeApp {
				t.Errorf("error = %q, scope %s", e, e.Scope())
			}
		}
	})
}

func TestTheBodyBeforeAPutIsAResource(t *testing.T) {
	s, c := script(t, profileOf(t, "generic", func(p *profiles.Profile) {
		p.SCIM.UserUpdate, p.SCIM.GroupPatch = profiles.Put, profiles.GroupPut
	}), always(http.StatusOK, `{"status":"error"}`))
	_, err := c.UpdateUser(t.Context(), "1", connector.Change{Set: connector.Attributes{"title": "x"}})
	_, groupErr := c.UpdateGroup(t.Context(), "1", connector.GroupChange{Add: []connector.Member{{ID: "2"}}})
	for _, err := range []error{err, groupErr} {
		if e := failureOf(t, err, connector.UnexpectedAnswer); e.UnknownOutcome() {
			t.Error("nothing was written")
		}
	}
	if diff := cmp.Diff([]string{"GET /scim/Users/1", "GET /scim/Groups/1"}, s.asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}
