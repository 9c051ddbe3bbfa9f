// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

// scripted is a server that answers as its test says.
type scripted struct {
	server *httptest.Server

	mu    sync.Mutex
	asked []string
}

// script starts a server with TLS and returns it and a connector to it.
func script(t *testing.T, profile profiles.Profile, handle http.HandlerFunc, change ...func(*Options)) (*scripted, *Connector) {
	t.Helper()
	s := &scripted{}
	s.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI())
		s.mu.Unlock()
		handle(w, r)
	}))
	t.Cleanup(s.server.Close)
	options := Options{
		Profile: profile, BaseURL: s.server.URL + "/scim", Token: testToken, Limits: fast, UserAgent: "scim-operator/test",
		CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw}),
	}
	for _, f := range change {
		f(&options)
	}
	c, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, c
}

// reply writes an answer.
func reply(w http.ResponseWriter, status int, body string, header ...string) {
	w.Header().Set("Content-Type", "application/scim+json")
	for i := 0; i+1 < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the client may have given up
}

// always answers every request in the same way.
func always(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { reply(w, status, body, header...) }
}

// scimError is the body of RFC 7644 3.12.
func scimError(scimType, detail string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"` + scimType + `","detail":"` + detail + `"}`
}

func TestARefusalNamesTheAttributesThatWereSent(t *testing.T) {
	attributes := jane(connector.Attributes{"title": "Boss", department: "R&D"})
	tests := map[string]struct {
		profile string
		call    func(*Connector) error
		detail  string
		want    []string
	}{
		"create": {"generic", func(c *Connector) error {
			_, err := c.CreateUser(t.Context(), attributes)
			return err
		}, "Attribute 'title' is not supported", []string{"title"}},
		"patch": {"generic", func(c *Connector) error {
			_, err := c.UpdateUser(t.Context(), "1", connector.Change{Set: connector.Attributes{"title": "x", department: "y"}, Full: attributes})
			return err
		}, "Attribute 'department' is read-only, 'roles' as well", []string{department}},
		"put": {"r-service", func(c *Connector) error {
			_, err := c.UpdateUser(t.Context(), "1", connector.Change{Set: connector.Attributes{"title": "x"}, Full: attributes})
			return err
		}, "Attribute 'roles' is read-only", []string{"roles"}},
		"reactivation": {"generic", func(c *Connector) error {
			_, err := c.SetActive(t.Context(), "1", true, attributes)
			return err
		}, "name.givenName is immutable", []string{"name.givenName"}},
		"group": {"generic", func(c *Connector) error {
			_, err := c.CreateGroup(t.Context(), connector.Group{DisplayName: "Sales", Members: []connector.Member{{ID: "2"}}})
			return err
		}, "The attribute members does not exist", []string{"members"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, c := script(t, profileOf(t, test.profile), always(http.StatusBadRequest, scimError("invalidPath", test.detail)))
			e := failureOf(t, test.call(c), connector.Invalid)
			if diff := cmp.Diff(test.want, e.Attributes); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAppWithoutAFreeSeatSaysSo(t *testing.T) {
	full := map[string]struct {
		status int
		body   string
	}{
		"402":              {402, ``},
		"402 with a text":  {402, `{"message":"Organization seat limit reached. Upgrade the plan before adding more members."}`},
		"403, seats":       {403, `{"error":"NEEDS_TO_INCREASE_SEATS","message":"The owner needs to increase the seats"}`},
		"403, users":       {403, scimError("", "User limit reached (5 max)")},
		"400, seats":       {400, scimError("", "Seat limit reached (25). Deactivate a member first.")},
		"400, licences":    {400, scimError("", "No licenses available. Purchase additional licenses to add this user.")},
		"409, in use":      {409, scimError("", "All seats are in use")},
		"422, maximum":     {422, `{"errors":["You have reached the maximum number of users for your plan"]}`},
		"403, plan":        {403, scimError("", "Your plan allows 10 users")},
		"403, exceeded":    {403, scimError("", "You have exceeded the number of licensed users")},
		"400, not enough":  {400, scimError("invalidValue", "Not enough available licences")},
		"403, no more":     {403, scimError("", "There are no more seats in your subscription")},
		"403, quota":       {403, `{"detail":"license quota exceeded"}`},
		"403, licence cap": {403, `{"detail":"Licence count limit is exceeded"}`},
	}
	for name, test := range full {
		for _, profile := range profiles.Names() {
			t.Run(name+"/"+profile, func(t *testing.T) {
				_, c := script(t, profileOf(t, profile), always(test.status, test.body))
				_, err := c.CreateUser(t.Context(), jane(nil))
				e := failureOf(t, err, connector.NoSeats)
				if e.Scope() != connector.ScopeAccount || e.Retriable() || e.UnknownOutcome() {
					t.Errorf("scope %s, retriable %t, unknown outcome %t", e.Scope(), e.Retriable(), e.UnknownOutcome())
				}
				_, err = c.SetActive(t.Context(), "1", true, nil)
				wantKind(t, err, connector.NoSeats)
				// Nothing but an account takes a seat.
				if _, err = c.GetUser(t.Context(), "1"); connector.Is(err, connector.NoSeats) {
					t.Errorf("a read = %v", err)
				}
			})
		}
	}
	for name, text := range map[string]string{
		"a plan without SCIM": "Your plan does not include SCIM", "permission": "insufficient permissions for users", "a missing licence": "no valid license",
		"a user": "user members not found",
	} {
		t.Run("not: "+name, func(t *testing.T) {
			_, c := script(t, profileOf(t, "generic"), always(http.StatusForbidden, scimError("", text)))
			_, err := c.CreateUser(t.Context(), jane(nil))
			wantKind(t, err, connector.Forbidden)
		})
	}
}

func TestADuplicateIsAConflictInEveryFormAndKeepsTheWordsOfTheApp(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		named  []string
		says   string
	}{
		"409, e-mail":       {409, scimError("uniqueness", "e-mail jane.doe@corp.test already in use"), []string{"emails"}, "e-mail *** already in use"},
		"409, userName":     {409, scimError("uniqueness", "User with userName 'Jane.Doe@corp.test' already exists"), []string{"userName"}, "User with userName '***' already exists"},
		"409, no attribute": {409, scimError("", "conflict"), nil, "conflict"},
		"400 uniqueness":    {400, scimError("uniqueness", "One or more of the attribute values are already in use"), nil, "One or more of the attribute values are already in use"},
		"400, text":         {400, `{"message":"The primary email address has already been taken"}`, []string{"emails"}, "The primary email address has already been taken"},
		"400, Roambi":       {400, `{"error":"resource_exists","error_description":"user exists"}`, nil, "user exists"},
		"422, Rails":        {422, `{"errors":{"email":["has already been taken"]}}`, []string{"emails"}, "email has already been taken"},
		"500, database": {
			500, `{"error":"duplicate key value violates unique constraint \"users_email_key\" Key (email)=(jane.doe@corp.test) already exists."}`, []string{"emails"},
			`duplicate key value violates unique constraint "users_email_key" Key (email)=(***) already exists.`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, c := script(t, profileOf(t, "generic"), always(test.status, test.body))
			_, err := c.CreateUser(t.Context(), jane(nil))
			e := failureOf(t, err, connector.Conflict)
			if e.UnknownOutcome() || e.Scope() != connector.ScopeAccount {
				t.Errorf("unknown outcome %t, scope %s", e.UnknownOutcome(), e.Scope())
			}
			if diff := cmp.Diff(test.named, e.Attributes); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
			if _, says, _ := strings.Cut(e.For(nil), "; the app says: "); says != test.says {
				t.Errorf("says %q, want %q", says, test.says)
			}
		})
	}
	for name, answer := range map[string]http.HandlerFunc{
		"500 otherwise":    always(500, `{"error":"something went wrong"}`),
		"400 otherwise":    always(400, scimError("invalidValue", "title is too long")),
		"500 of an update": always(500, `{"error":"duplicate key value"}`),
	} {
		t.Run("not: "+name, func(t *testing.T) {
			_, c := script(t, profileOf(t, "generic"), answer)
			_, err := c.UpdateUser(t.Context(), "1", connector.Change{Set: connector.Attributes{"title": "x"}})
			if connector.Is(err, connector.Conflict) {
				t.Errorf("error = %v", err)
			}
		})
	}
}
