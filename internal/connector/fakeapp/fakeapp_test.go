// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fakeapp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const token = "token"

// peer speaks to an app as any HTTP client would.
type peer struct {
	t      *testing.T
	app    *App
	client *http.Client
}

func start(t *testing.T, flavour Flavour) *peer {
	t.Helper()
	return startWith(t, Options{Flavour: flavour, Token: token})
}

func startWith(t *testing.T, options Options) *peer {
	t.Helper()
	app, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.Close)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(app.CA()) {
		t.Fatal("the CA is no PEM")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, Timeout: 10 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	return &peer{t, app, client}
}

// request makes a request with a JSON body; edit may change it.
func (p *peer) request(ctx context.Context, method, path, body string, edit ...func(*http.Request)) (*http.Response, error) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, p.app.URL()+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.app.Token())
	r.Header.Set("Content-Type", "application/scim+json")
	for _, f := range edit {
		f(r)
	}
	return p.client.Do(r)
}

// do makes a request, checks the status and returns the body.
func (p *peer) do(method, path, body string, wantStatus int, edit ...func(*http.Request)) map[string]any {
	p.t.Helper()
	answer, err := p.request(p.t.Context(), method, path, body, edit...)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	var buffer bytes.Buffer
	if _, err := buffer.ReadFrom(answer.Body); err != nil {
		p.t.Fatal(err)
	}
	if answer.StatusCode != wantStatus {
		p.t.Fatalf("%s %s: status %d, want %d: %s", method, path, answer.StatusCode, wantStatus, buffer.String())
	}
	var object map[string]any
	if buffer.Len() > 0 {
		if err := json.Unmarshal(buffer.Bytes(), &object); err != nil {
			p.t.Fatalf("%s %s: %v: %s", method, path, err, buffer.String())
		}
	}
	return object
}

// wait polls until a condition holds.
func wait(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("waited in vain")
			return
		}
	}
}

func body(userName, more string) string {
	return fmt.Sprintf(`{"schemas":[%q],"userName":%q,"name":{"givenName":"A","familyName":"B"},"emails":[{"value":%q}]%s}`, userURN, userName, userName, more)
}

func patch(operations string) string {
	return fmt.Sprintf(`{"schemas":[%q],"Operations":[%s]}`, patchURN, operations)
}

func TestTheDoor(t *testing.T) {
	generic, common := start(t, Generic), start(t, CommonRoom)
	bad := func(r *http.Request) { r.Header.Set("Authorization", "Bearer other") }
	failure := generic.do("GET", "/Users", "", 401, bad)
	if failure["status"] != "401" || failure["detail"] == "" {
		t.Errorf("error body = %v", failure)
	}
	if diff := cmp.Diff(map[string]any{"reason": "Token not valid"}, common.do("GET", "/users", "", 403, bad)); diff != "" {
		t.Errorf("Common Room's answer to a bad token (-want +got):\n%s", diff)
	}
	generic.do("POST", "/Users", body("a@corp.test", ""), 415, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") })
	generic.do("POST", "/Users", `{"userName":`, 400)
	generic.do("POST", "/Users", `{"userName":"a"}`, 400) // no schemas
	generic.do("GET", "/Nothing", "", 404)
	common.do("GET", "/Users", "", 404) // paths are in lower case
	common.do("GET", "/Groups", "", 404)
	common.do("PUT", "/users/a@corp.test", body("a@corp.test", ""), 405)
	generic.app.RotateToken("new")
	generic.do("GET", "/Users", "", 200)
	generic.do("GET", "/Users", "", 401, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
}

func TestValidation(t *testing.T) {
	p := start(t, Generic)
	for name, wrong := range map[string]string{
		"no userName":    fmt.Sprintf(`{"schemas":[%q]}`, userURN),
		"empty userName": fmt.Sprintf(`{"schemas":[%q],"userName":" "}`, userURN),
		"type of title":  body("a", `,"title":1`),
		"type of active": body("a", `,"active":"yes"`),
		"type of emails": fmt.Sprintf(`{"schemas":[%q],"userName":"a","emails":{"value":"x"}}`, userURN),
		"two primaries":  body("a", `,"roles":[{"value":"x","primary":true},{"value":"y","primary":true}]`),
	} {
		t.Run(name, func(t *testing.T) {
			if p.do("POST", "/Users", wrong, 400)["scimType"] != "invalidValue" {
				t.Error("scimType is not invalidValue")
			}
		})
	}
	if users := p.app.Users(); len(users) != 0 {
		t.Errorf("%d accounts are stored", len(users))
	}
}

func TestGenericFollowsTheRFC(t *testing.T) {
	p := start(t, Generic)
	created := p.do("POST", "/Users", body("ann@corp.test", `,"title":"Agent","password":"x","id":"mine"`), 201)
	id, _ := created["id"].(string)
	if id == "mine" || created["password"] != nil || created["active"] != true {
		t.Errorf("created = %v", created)
	}
	if p.do("POST", "/Users", body("ANN@corp.test", ""), 409)["scimType"] != "uniqueness" {
		t.Error("scimType is not uniqueness")
	}
	if replaced := p.do("PUT", "/Users/"+id, body("ann@corp.test", ""), 200); replaced["title"] != nil {
		t.Errorf("PUT kept what it was not given: %v", replaced)
	}
	p.do("PATCH", "/Users/"+id, patch(`{"op":"Add","path":"emails","value":[{"value":"x@corp.test","type":"home"}]}`), 200)
	p.do("PATCH", "/Users/"+id, patch(`{"op":"replace","path":"emails[type eq \"home\"].value","value":"y@corp.test"},
		{"op":"replace","value":{"name.givenName":"Anna","displayName":"Ann B"}},
		{"op":"add","path":"`+enterpriseURN+`:department","value":"Sales"}`), 200)
	p.do("PATCH", "/Users/"+id, patch(`{"op":"replace","path":"emails[type eq \"none\"].value","value":"z"}`), 400)
	p.do("PATCH", "/Users/"+id, patch(`{"op":"remove"}`), 400)
	user, _ := p.app.User("ann@corp.test")
	want := map[string]any{
		"userName": "ann@corp.test", "active": true, "displayName": "Ann B", "name": map[string]any{"givenName": "Anna", "familyName": "B"},
		"emails":      []any{map[string]any{"value": "ann@corp.test"}, map[string]any{"value": "y@corp.test", "type": "home"}},
		enterpriseURN: map[string]any{"department": "Sales"},
	}
	if diff := cmp.Diff(want, user.Attributes); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	p.do("DELETE", "/Users/"+id, "", 204)
	p.do("GET", "/Users/"+id, "", 404)
}

func TestGroupsOfGeneric(t *testing.T) {
	p := start(t, Generic)
	a, _ := p.app.AddUser(map[string]any{"userName": "a"})
	b, _ := p.app.AddUser(map[string]any{"userName": "b"})
	group := p.do("POST", "/Groups", fmt.Sprintf(`{"schemas":[%q],"displayName":"G","members":[{"value":%q}]}`, groupURN, a), 201)
	id, _ := group["id"].(string)
	p.do("PATCH", "/Groups/"+id, patch(fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q},{"value":%q}]}`, b, b)), 200)
	p.do("PATCH", "/Groups/"+id, patch(fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, a)), 200)
	p.do("PATCH", "/Groups/"+id, patch(`{"op":"add","path":"members","value":[{"value":"nobody"}]}`), 400)
	if got, _ := p.app.Group("g"); !cmp.Equal(got.Members, []string{b}) {
		t.Errorf("members = %v, want %v", got.Members, b)
	}
	if groups, _ := p.do("GET", "/Users/"+b, "", 200)["groups"].([]any); len(groups) != 1 {
		t.Errorf("groups of a member = %v", groups)
	}
	p.do("DELETE", "/Users/"+b, "", 204)
	if got, _ := p.app.Group("g"); len(got.Members) != 0 {
		t.Errorf("a deleted account is still a member: %v", got.Members)
	}
}

func TestCommonRoom(t *testing.T) {
	p := start(t, CommonRoom)
	created := p.do("POST", "/users", body("ann@corp.test", ""), 201)
	if created["id"] != "ann@corp.test" {
		t.Errorf("id = %v", created["id"])
	}
	if user, _ := p.app.User("ann@corp.test"); !cmp.Equal(user.Roles, []string{"owner"}) {
		t.Errorf("without a role one becomes %v, want owner", user.Roles)
	}
	if failure := p.do("POST", "/users", body("ann@corp.test", ""), 400); !cmp.Equal(failure["schemas"], []any{errorURNCommon}) {
		t.Errorf("error = %v", failure)
	}
	p.do("POST", "/users", body("bob@corp.test", `,"roles":[{"value":"boss"}]`), 400)
	p.do("PATCH", "/users/ann@corp.test", patch(`{"op":"replace","path":"active","value":false}`), 400) // with a path
	off := strings.Replace(patch(`{"op":"replace","value":{"active":false}}`), patchURN, patchURNCommon, 1)
	p.do("PATCH", "/users/ann@corp.test", off, 200)
	if list := p.do("GET", "/users", "", 200); list["totalResults"] != 0.0 {
		t.Errorf("the list shows a deactivated account: %v", list)
	}
	if p.do("GET", "/users/ann@corp.test", "", 200)["active"] != false {
		t.Error("a deactivated account is not shown as such")
	}
	p.do("PATCH", "/users/ann@corp.test", patch(`{"op":"replace","value":{"userName":"anna@corp.test"}}`), 200)
	if users := p.app.Users(); len(users) != 2 {
		t.Errorf("a changed address leaves %d accounts, want the old and a new one", len(users))
	}
}

func TestRService(t *testing.T) {
	p := start(t, RService)
	for i := range 30 {
		if _, err := p.app.AddUser(map[string]any{"userName": fmt.Sprintf("u%d@corp.test", i), "title": "Agent"}); err != nil {
			t.Fatal(err)
		}
	}
	list := p.do("GET", "/Users?count=100", "", 200)
	if rows, _ := list["Resources"].([]any); len(rows) != 25 || list["totalResults"] != 30.0 {
		t.Errorf("%d rows of %v, want 25 of 30", len(rows), list["totalResults"])
	}
	query := func(filter string) string { return "/Users?filter=" + url.QueryEscape(filter) }
	if list := p.do("GET", query(`userName ne "u1@corp.test" and active eq "true"`), "", 200); list["totalResults"] != 29.0 {
		t.Errorf("ne and active: %v", list["totalResults"])
	}
	p.do("GET", query(`title eq "Agent"`), "", 400)
	user, _ := p.app.User("u1@corp.test")
	put := p.do("PUT", "/Users/"+user.ID, `{"nickName":"U"}`, 200)
	if put["title"] != "Agent" || put["nickName"] != "U" {
		t.Errorf("PUT does not merge: %v", put)
	}
	if put := p.do("PUT", "/Users/"+user.ID, `{"title":""}`, 200); put["title"] != nil {
		t.Errorf("an empty value does not clear: %v", put)
	}
	if meta, _ := put["meta"].(map[string]any); !strings.HasPrefix(fmt.Sprint(meta["location"]), "https://account.r-service.example.com/") {
		t.Errorf("meta = %v", meta)
	}
	p.do("DELETE", "/Users/"+user.ID, "", 204)
	if user, ok := p.app.User("u1@corp.test"); !ok || user.Active {
		t.Error("DELETE is more than a deactivation")
	}

	id, err := p.app.AddGroup("IT", "Organization")
	if err != nil {
		t.Fatal(err)
	}
	p.do("PATCH", "/Groups/"+id, fmt.Sprintf(`{"members":[{"value":%q}]}`, user.ID), 200)
	p.do("PATCH", "/Groups/"+id, patch(`{"op":"add","path":"members","value":[]}`), 400)
	if rows, _ := p.do("GET", "/Groups", "", 200)["Resources"].([]any); rows[0].(map[string]any)["members"] != nil {
		t.Error("a list of groups shows members")
	}
	p.do("PATCH", "/Groups/"+id, fmt.Sprintf(`{"members":[{"value":%q,"operation":"delete"}]}`, user.ID), 200)
	if group, _ := p.app.Group("IT"); len(group.Members) != 0 {
		t.Errorf("members = %v", group.Members)
	}
}

func TestFilters(t *testing.T) {
	document := map[string]any{
		"userName": "Ann", "active": true, "name": map[string]any{"givenName": `A "x"`},
		"emails": []any{map[string]any{"value": "ann@corp.test", "type": "work"}}, enterpriseURN: map[string]any{"department": "Sales"},
	}
	tests := map[string]bool{
		`userName eq "ann"`: true, `userName EQ 'ann'`: true, `userName eq "bob"`: false, `userName ne "bob"`: true,
		`name.givenName eq "a \"x\""`: true, `emails.value co "corp"`: true, `emails sw "ann@"`: true, `active eq true`: true,
		`title pr`: false, `userName pr`: true, enterpriseURN + `:department eq "sales"`: true,
		`userName eq "bob" or active eq true and userName eq "ann"`: true, `(userName eq "bob" or active eq true) and userName eq "x"`: false,
	}
	for expression, want := range tests {
		parsed, err := parseFilter(expression, nil)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
		} else if got := parsed.test(document); got != want {
			t.Errorf("%s = %t, want %t", expression, got, want)
		}
	}
	for _, wrong := range []string{`userName`, `userName eq`, `userName zz "a"`, `userName eq "a`, `(userName eq "a"`, `userName eq "a" x`, `userName eq "a" and`} {
		if _, err := parseFilter(wrong, nil); err == nil {
			t.Errorf("%s parses", wrong)
		}
	}
}

func TestCallsAndHooks(t *testing.T) {
	p := start(t, Generic)
	var seen []string
	p.app.OnCall(func(call Call, phase Phase) {
		seen = append(seen, fmt.Sprint(phase, " ", call.Op, " ", call.Status, " ", len(p.app.Users())))
	})
	p.do("GET", "/Users", "", 200)
	p.do("POST", "/Users", body("ann@corp.test", ""), 201)
	user, _ := p.app.User("ann@corp.test")
	p.do("GET", "/Users/"+user.ID, "", 200)
	if diff := cmp.Diff([]string{
		"before Users.list 0 0", "after Users.list 200 0", "before Users.create 0 0", "after Users.create 201 1", "before Users.get 0 1", "after Users.get 200 1",
	}, seen); diff != "" {
		t.Errorf("hooks (-want +got):\n%s", diff)
	}
	calls := p.app.Calls()
	if last := calls[2]; last.Path != "/Users/{id}" || last.Subject != "ann@corp.test" || last.Number != 3 || last.Write {
		t.Errorf("call = %+v", last)
	}
	if diff := cmp.Diff(map[string]int{UsersList: 1, UsersCreate: 1, UsersGet: 1}, p.app.Counts()); diff != "" || p.app.Writes() != 1 {
		t.Errorf("counts (-want +got):\n%s, %d writes", diff, p.app.Writes())
	}
	p.app.ResetCalls()
	if len(p.app.Calls()) != 0 {
		t.Error("ResetCalls keeps calls")
	}
}

func TestFaults(t *testing.T) {
	p := start(t, Generic)
	p.app.Inject(Fault{Op: EveryWrite, Times: 1, LoseAnswer: true})
	p.do("GET", "/Users", "", 200)
	if answer, err := p.request(t.Context(), "POST", "/Users", body("a@corp.test", "")); err == nil {
		answer.Body.Close()
		t.Error("the answer is not lost")
	}
	if calls := p.app.Calls(); len(p.app.Users()) != 1 || !calls[len(calls)-1].Lost {
		t.Errorf("%d accounts, calls %+v", len(p.app.Users()), calls)
	}

	p.app.Inject(Fault{Times: 2, Answer: &Answer{Status: 500, Body: `{}`}})
	p.do("GET", "/Users", "", 500)
	p.do("GET", "/Users", "", 500)
	p.do("GET", "/Users", "", 200)

	p.app.Inject(Fault{Op: UsersCreate, Hang: true})
	p.do("GET", "/Users", "", 200)
	p.app.ResetCalls()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		wait(t, func() bool { return p.app.Hanging() == 1 })
		cancel()
	}()
	if answer, err := p.request(ctx, "POST", "/Users", body("b@corp.test", "")); err == nil {
		answer.Body.Close()
		t.Error("the call does not hang")
	}
	wait(t, func() bool { return len(p.app.Calls()) == 1 })
	if calls := p.app.Calls(); len(calls) != 1 || !calls[0].Lost || len(p.app.Users()) != 1 {
		t.Errorf("a hanging call whose client gave up took effect: %+v", calls)
	}
	p.app.ClearFaults()
	p.do("POST", "/Users", body("b@corp.test", ""), 201)

	if err := p.app.Refuse(true); err != nil {
		t.Fatal(err)
	}
	if answer, err := p.request(t.Context(), "GET", "/Users", ""); err == nil {
		answer.Body.Close()
		t.Error("a closed port answers")
	}
	if err := p.app.Refuse(false); err != nil {
		t.Fatal(err)
	}
	p.do("GET", "/Users", "", 200)
}

func TestReadLag(t *testing.T) {
	p := start(t, Generic)
	p.app.SetReadLag(time.Hour)
	created := p.do("POST", "/Users", body("a@corp.test", ""), 201)
	p.do("GET", "/Users/"+fmt.Sprint(created["id"]), "", 404)
	if list := p.do("GET", "/Users?filter="+url.QueryEscape(`userName eq "a@corp.test"`), "", 200); list["totalResults"] != 0.0 {
		t.Errorf("the account is found at once: %v", list)
	}
	p.do("POST", "/Users", body("a@corp.test", ""), 409)
	p.app.SetReadLag(0)
	p.do("GET", "/Users/"+fmt.Sprint(created["id"]), "", 200)
}

func TestRateLimit(t *testing.T) {
	p := start(t, CommonRoom)
	p.app.SetRateLimit(2, time.Minute)
	p.do("GET", "/users", "", 200)
	p.do("GET", "/users", "", 200)
	answer, err := p.request(t.Context(), "GET", "/users", "")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if _, err := time.Parse(time.RFC3339, answer.Header.Get("Retry-After")); answer.StatusCode != http.StatusTooManyRequests || err != nil {
		t.Errorf("status %d, Retry-After %q: %v", answer.StatusCode, answer.Header.Get("Retry-After"), err)
	}
	p.app.SetRateLimit(0, 0)
	p.do("GET", "/users", "", 200)
}

func TestStateFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	p := startWith(t, Options{Flavour: RService, Token: token, StateFile: file})
	created := p.do("POST", "/Users", body("ann@corp.test", ""), 201)
	p.do("POST", "/Groups", fmt.Sprintf(`{"schemas":[%q],"displayName":"G","members":[{"value":%q}]}`, groupURN, created["id"]), 201)
	users, groups := p.app.Users(), p.app.Groups()
	p.app.Close()

	p = startWith(t, Options{Flavour: RService, Token: token, StateFile: file})
	if diff := cmp.Diff(users, p.app.Users()); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(groups, p.app.Groups()); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	p.do("POST", "/Users", body("ann@corp.test", ""), 409)
	if next := p.do("POST", "/Users", body("bob@corp.test", ""), 201); next["id"] == created["id"] {
		t.Error("an id is given twice")
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Flavour: RService, StateFile: file}); err == nil {
		t.Error("a broken state file is taken for an empty app")
	}
}

func TestTheAdminOfTheApp(t *testing.T) {
	p := start(t, Generic)
	if _, err := p.app.AddUser(map[string]any{"title": "nobody"}); err == nil {
		t.Error("an account without userName is added")
	}
	id, err := p.app.AddUser(map[string]any{"userName": "a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.app.EditUser("a", func(attributes map[string]any) { attributes["title"] = "Boss" }); err != nil {
		t.Fatal(err)
	}
	if p.do("GET", "/Users/"+id, "", 200)["title"] != "Boss" {
		t.Error("the edit is not seen")
	}
	if err := p.app.RemoveUser("a"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{p.app.RemoveUser("a"), p.app.EditUser("a", nil), p.app.SetMembers("g")} {
		if err == nil {
			t.Error("what does not exist is changed")
		}
	}
	if _, err := New(Options{Flavour: "None"}); err == nil {
		t.Error("an unknown flavour starts")
	}
}
