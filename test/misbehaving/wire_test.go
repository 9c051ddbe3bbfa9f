// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package misbehaving

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

const (
	wrongToken = `{"status":"error","msg":"Access token doesn't exist"}`
	page       = "<!DOCTYPE html><html><title>Not found</title></html>"
)

// awaitMembers waits until the app's group has so many members.
func awaitMembers(t *testing.T, a *app, displayName string, want int) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("the app's group %s has %d members", displayName, want), func() error {
		group, ok := a.Group(displayName)
		if !ok || len(group.Members) != want {
			return fmt.Errorf("the app has %+v", group)
		}
		return nil
	})
}

// numbered turns the ids of the fake app into numbers, and back.
type numbered struct {
	mu             sync.Mutex
	byNumber, byID map[string]string
}

var (
	idField    = regexp.MustCompile(`"(id|value)":"([a-z0-9]{20,})"`)
	sentNumber = regexp.MustCompile(`("value":"|value eq \\")(\d+)`)
)

func (n *numbered) number(id string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byID[id] == "" {
		n.byID[id] = fmt.Sprint(100 + len(n.byID))
		n.byNumber[n.byID[id]] = id
	}
	return n.byID[id]
}

func (n *numbered) id(number string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if id := n.byNumber[number]; id != "" {
		return id
	}
	return number
}

// handle answers with numbers. quoted are the fields whose numbers are strings.
func (n *numbered) handle(quoted string) handler {
	return func(x *exchange, pass func()) {
		path := x.path
		if id := x.id(); id != "" {
			x.path = strings.TrimSuffix(x.path, id) + n.id(id)
		}
		x.body = sentNumber.ReplaceAllStringFunc(x.body, func(match string) string {
			parts := sentNumber.FindStringSubmatch(match)
			return parts[1] + n.id(parts[2])
		})
		pass()
		x.path = path
		x.answer = idField.ReplaceAllStringFunc(x.answer, func(match string) string {
			parts := idField.FindStringSubmatch(match)
			if parts[1] == quoted {
				return fmt.Sprintf("%q:%q", parts[1], n.number(parts[2]))
			}
			return fmt.Sprintf("%q:%s", parts[1], n.number(parts[2]))
		})
	}
}

// TestIDsThatAreNumbers: {"id":101}, and members with {"value":101}.
func TestIDsThatAreNumbers(t *testing.T) {
	t.Parallel()
	for name, quoted := range map[string]string{"everywhere": "", "in members alone": "id"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ids := &numbered{byNumber: map[string]string{}, byID: map[string]string{}}
			d, op, a := setUp(t, pushing, ids.handle(quoted))
			stays, leaves := op.CreateUser(t, "stays@corp.test"), op.CreateUser(t, "leaves@corp.test")
			for _, id := range []string{stays, leaves} {
				user := d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
				if remote := user.Status.Account(appName).RemoteID; ids.id(remote) == remote {
					t.Errorf("the account's id is %q, which is no number of the app", remote)
				}
			}
			group := op.CreateGroup(t, "Sales", stays, leaves)
			awaitMembers(t, a, "Sales", 2)
			op.Want(t, http.StatusNoContent, http.MethodPatch, "/Groups/"+group, harness.PatchBody(harness.RemoveMember(leaves)))
			awaitMembers(t, a, "Sales", 1)
			awaitGroup(t, d, "Sales", "the group is pushed", func(p v1alpha1.PushedGroupStatus) bool { return p.State == v1alpha1.GroupPushed && p.Members == 1 })
			deactivate(t, op, leaves)
			d.AwaitAccount(t, leaves, appName, v1alpha1.AccountInactive)
		})
	}
}

// TestRateLimitThatIsA403: POST -> 403 with Retry-After and a text; reads are not limited.
func TestRateLimitThatIsA403(t *testing.T) {
	t.Parallel()
	var once sync.Once
	d, op, a := setUp(t, nil, when(request(http.MethodPost, "Users"), func(x *exchange, pass func()) {
		pass403 := true
		once.Do(func() {
			pass403 = false
			x.reply(http.StatusForbidden, "application/json", `{"message":"You have exceeded a secondary rate limit."}`)
			x.header.Set("Retry-After", "7")
		})
		if pass403 {
			pass()
		}
	}))
	id := op.CreateUser(t, "kim@corp.test")
	awaitCondition(t, d, v1alpha1.ConditionReachable, "True", v1alpha1.ReasonRateLimited)
	d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
	creates := a.exchanges(request(http.MethodPost, "Users"))
	if len(creates) != 2 || creates[1].at.Sub(creates[0].at) < 6900*time.Millisecond {
		t.Errorf("creates: %v", creates)
	}
	d.AwaitReady(t, appName)
}

// TestWaitThatAnAppAsksForIsObeyed: 503 with Retry-After: 600, and 429 with no header but X-Retry-After.
func TestWaitThatAnAppAsksForIsObeyed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		header string
	}{
		"503":                         {http.StatusServiceUnavailable, "Retry-After"},
		"429 with only X-Retry-After": {http.StatusTooManyRequests, "X-Retry-After"},
		"404 of the whole app":        {http.StatusNotFound, "Retry-After"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, op, a := setUp(t, nil, nil)
			id := op.CreateUser(t, "first@corp.test")
			d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
			a.misbehave(func(x *exchange, _ func()) {
				x.reply(tc.status, "application/json", `{"detail":"down for maintenance"}`)
				x.header.Set(tc.header, "600")
			})
			before := time.Now()
			op.CreateUser(t, "second@corp.test")
			awaitCondition(t, d, v1alpha1.ConditionReachable, "True", v1alpha1.ReasonRateLimited)
			limited := func(x *exchange) bool { return x.status == tc.status }
			asked := a.count(limited)
			if asked == 0 || asked > 8 {
				t.Errorf("%d requests were refused; at most those under way at once may be", asked)
			}
			app := &v1alpha1.ScimApp{}
			if err := d.Admin.Get(t.Context(), d.Key(appName), app); err != nil {
				t.Fatal(err)
			}
			if until := app.Status.PausedUntil; until == nil || until.Sub(before) < 599*time.Second || until.Sub(before) > 13*time.Minute {
				t.Errorf("paused until %v, want ten minutes", until)
			}
			// Neither a joiner nor a leaver makes it ask again.
			third := op.CreateUser(t, "third@corp.test")
			deactivate(t, op, id)
			awaitAccount(t, d, third, "the joiner waits", func(v1alpha1.Account) bool { return true })
			awaitAccount(t, d, id, "the leaver waits", func(account v1alpha1.Account) bool { return account.Planned != "" })
			if now := a.count(limited); now != asked {
				t.Errorf("%d more requests although the app asked to wait", now-asked)
			}
		})
	}
}

// TestFilterThatMatchesNobody: a 404 in the form of SCIM, or no rows and a total of everybody.
func TestFilterThatMatchesNobody(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]handler{
		"404": func(x *exchange, pass func()) {
			if pass(); x.query.Has("filter") && x.answered()["totalResults"] == 0.0 {
				x.refuse(http.StatusNotFound, "", "User not found.")
			}
		},
		"everybody is counted": func(x *exchange, pass func()) {
			if pass(); x.path == "/Users" || x.path == "/Groups" {
				x.edit(func(object map[string]any) { object["totalResults"] = 900 })
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lists := func(x *exchange) bool { return x.method == http.MethodGet && x.id() == "" }
			d, op, a := setUp(t, pushing, when(lists, answer))
			if _, err := a.AddUser(map[string]any{"userName": "ann@corp.test", "active": true}); err != nil {
				t.Fatal(err)
			}
			ann, kim := op.CreateUser(t, "ann@corp.test"), op.CreateUser(t, "kim@corp.test")
			op.CreateGroup(t, "Sales", ann, kim)
			d.AwaitAccount(t, ann, appName, v1alpha1.AccountActive)
			d.AwaitAccount(t, kim, appName, v1alpha1.AccountActive)
			awaitMembers(t, a, "Sales", 2)
			if users := a.Users(); len(users) != 2 {
				t.Errorf("the app has %+v, want ann linked and kim created", users)
			}
		})
	}
}

// TestCreateThatIsAnsweredWithoutABody: POST -> 201, with Location or without.
func TestCreateThatIsAnsweredWithoutABody(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]bool{"with Location": true, "without Location": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			creates := func(x *exchange) bool { return x.method == http.MethodPost }
			d, op, a := setUp(t, pushing, when(creates, func(x *exchange, pass func()) {
				pass()
				if location {
					x.header.Set("Location", "https://elsewhere.test/scim/v2"+x.path+"/"+x.answered()["id"].(string))
				} else {
					x.header.Del("Location")
				}
				x.answer = ""
			}))
			const people = 12
			var ids []string
			for i := range people {
				ids = append(ids, op.CreateUser(t, fmt.Sprintf("user-%d@corp.test", i)))
			}
			for _, id := range ids {
				if account := d.AwaitAccount(t, id, appName, v1alpha1.AccountActive).Status.Account(appName); account.Attempts != 0 {
					t.Errorf("%d attempts", account.Attempts)
				}
			}
			op.CreateGroup(t, "Sales", ids...)
			awaitMembers(t, a, "Sales", people)
			awaitCondition(t, d, v1alpha1.ConditionReady, "True", "")
			lookups := a.count(func(x *exchange) bool { return x.looksUp("Users") })
			want := people
			if !location {
				want *= 2
			}
			if posts := a.count(request(http.MethodPost, "Users")); lookups != want || posts != people {
				t.Errorf("%d lookups and %d creates, want %d and %d", lookups, posts, want, people)
			}
			if groups := a.count(request(http.MethodPost, "Groups")); groups != 1 {
				t.Errorf("%d groups were created", groups)
			}
		})
	}
}

// TestCredentialTestThatIsAnsweredWithAnErrorAnd200: GET /Users?count=1 -> 200 {"status":"error"}.
func TestCredentialTestThatIsAnsweredWithAnErrorAnd200(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, func(x *exchange, _ func()) { x.reply(http.StatusOK, "application/json", wrongToken) })
	id := op.CreateUser(t, "kim@corp.test")
	message := awaitCondition(t, d, v1alpha1.ConditionReachable, "False", v1alpha1.ReasonUnexpectedAnswer)
	mentions(t, message, "no list of users", a.server.URL+"/scim/v2", "status 200", "application/json")
	awaitCondition(t, d, v1alpha1.ConditionCredentialsValid, "Unknown", v1alpha1.ReasonNotTested)
	if writes := a.count((*exchange).writes); writes != 0 {
		t.Errorf("%d writes before the credentials were accepted", writes)
	}
	a.misbehave(nil)
	d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
}

// refusingWith200 answers the writes to a collection with an error and 200, and does nothing.
func refusingWith200(collection string) handler {
	writes := func(x *exchange) bool { return x.writes() && strings.HasPrefix(x.path, "/"+collection) }
	return when(writes, func(x *exchange, _ func()) { x.reply(http.StatusOK, "application/json", wrongToken) })
}

// awaitRefused waits until so many writes were answered with an error and 200.
func awaitRefused(t *testing.T, a *app, want int) {
	t.Helper()
	harness.Eventually(t, "writes are refused", func() error {
		if a.count(func(x *exchange) bool { return x.answer == wrongToken }) < want {
			return errNotYet
		}
		return nil
	})
}

// TestWriteThatIsAnsweredWithAnErrorAnd200: PATCH, POST -> 200 {"status":"error"}, and nothing is done.
func TestWriteThatIsAnsweredWithAnErrorAnd200(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, nil)
	leaver, changed := op.CreateUser(t, "leaver@corp.test"), op.CreateUser(t, "changed@corp.test")
	remote := d.AwaitAccount(t, leaver, appName, v1alpha1.AccountActive).Status.Account(appName).RemoteID
	d.AwaitAccount(t, changed, appName, v1alpha1.AccountActive)
	a.misbehave(refusingWith200("Users"))
	deactivate(t, op, leaver)
	op.Want(t, http.StatusOK, http.MethodPatch, "/Users/"+changed, harness.PatchBody(`{"op":"replace","value":{"title":"Boss"}}`))
	joiner := op.CreateUser(t, "joiner@corp.test")
	harness.Eventually(t, "the deactivation is sent", func() error {
		if a.count(func(x *exchange) bool { return x.answer == wrongToken && x.id() == remote }) == 0 {
			return errNotYet
		}
		return nil
	})
	account := awaitReason(t, d, leaver, v1alpha1.ReasonUnexpectedAnswer)
	if account.State != v1alpha1.AccountActive || account.Planned == "" {
		t.Errorf("the deactivation is recorded as done: %+v", account)
	}
	a.misbehave(nil)
	d.AwaitAccount(t, leaver, appName, v1alpha1.AccountInactive)
	d.AwaitAccount(t, joiner, appName, v1alpha1.AccountActive)
	harness.Eventually(t, "the title arrives", func() error {
		if user, _ := a.User("changed@corp.test"); user.Attributes["title"] != "Boss" || !user.Active {
			return fmt.Errorf("the app has %+v", user)
		}
		return nil
	})
	if user, _ := a.User("leaver@corp.test"); user.Active {
		t.Error("the app still has the leaver as active")
	}
}

// TestGroupWriteThatIsAnsweredWithAnErrorAnd200 is the same for a group.
func TestGroupWriteThatIsAnsweredWithAnErrorAnd200(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, pushing, refusingWith200("Groups"))
	stays, leaves := op.CreateUser(t, "stays@corp.test"), op.CreateUser(t, "leaves@corp.test")
	d.AwaitAccount(t, stays, appName, v1alpha1.AccountActive)
	d.AwaitAccount(t, leaves, appName, v1alpha1.AccountActive)
	group := op.CreateGroup(t, "Sales", stays, leaves)
	awaitRefused(t, a, 1)
	a.misbehave(nil)
	awaitMembers(t, a, "Sales", 2)
	awaitGroup(t, d, "Sales", "the group is pushed", func(p v1alpha1.PushedGroupStatus) bool { return p.State == v1alpha1.GroupPushed && p.Members == 2 })

	refused := a.count(func(x *exchange) bool { return x.answer == wrongToken })
	a.misbehave(refusingWith200("Groups"))
	op.Want(t, http.StatusNoContent, http.MethodPatch, "/Groups/"+group, harness.PatchBody(harness.RemoveMember(leaves)))
	awaitRefused(t, a, refused+1)
	awaitGroup(t, d, "Sales", "the removal is not recorded as done", func(p v1alpha1.PushedGroupStatus) bool { return p.State != v1alpha1.GroupPushed || p.Applied == "" })
	a.misbehave(nil)
	awaitMembers(t, a, "Sales", 1)
	awaitGroup(t, d, "Sales", "the group is pushed", func(p v1alpha1.PushedGroupStatus) bool { return p.State == v1alpha1.GroupPushed && p.Members == 1 })
}

// TestBaseURLThatIsWrong: a page with 404 or 200, or a 404 of SCIM.
func TestBaseURLThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer handler
		says   []string
	}{
		"404 with a page": {func(x *exchange, _ func()) { x.reply(http.StatusNotFound, htmlType, page) }, []string{"status 404", "text/html"}},
		"200 with a page": {func(x *exchange, _ func()) { x.reply(http.StatusOK, htmlType, page) }, []string{"status 200", "text/html"}},
		"404 of SCIM":     {func(x *exchange, _ func()) { x.refuse(http.StatusNotFound, "", "no such endpoint") }, []string{"status 404", jsonType}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _, a := setUp(t, nil, tc.answer)
			says := append(slices.Clone(tc.says), a.server.URL+"/scim/v2", "check that spec.scim.baseURL", "retrying")
			mentions(t, awaitCondition(t, d, v1alpha1.ConditionReachable, "False", v1alpha1.ReasonUnexpectedAnswer), says...)
			mentions(t, awaitCondition(t, d, v1alpha1.ConditionReady, "Unknown", v1alpha1.ReasonNotTested), says...)
		})
	}
}

// TestAppThatIgnoresFilters answers every lookup with the first page of everybody.
func TestAppThatIgnoresFilters(t *testing.T) {
	t.Parallel()
	ignore := func(x *exchange, pass func()) {
		given := x.query.Get("filter")
		x.query.Del("filter")
		pass()
		if given != "" {
			x.query.Set("filter", given)
		}
	}
	d, op, a := setUp(t, nil, func(_ *exchange, pass func()) { pass() })
	for i := range 250 {
		if _, err := a.AddUser(map[string]any{"userName": fmt.Sprintf("other-%d@corp.test", i), "active": true}); err != nil {
			t.Fatal(err)
		}
	}
	a.misbehave(ignore)
	before, _ := a.User("other-177@corp.test")
	linked, created := op.CreateUser(t, "other-177@corp.test"), op.CreateUser(t, "new@corp.test")
	if user := d.AwaitAccount(t, linked, appName, v1alpha1.AccountActive); user.Status.Account(appName).RemoteID != before.ID {
		t.Errorf("linked %+v, want %s", user.Status.Account(appName), before.ID)
	}
	d.AwaitAccount(t, created, appName, v1alpha1.AccountActive)
	if users := a.Users(); len(users) != 251 {
		t.Errorf("the app has %d accounts, want one more", len(users))
	}
}

// TestWordsOfAnAppAboutAnAccount: POST -> 400 with a text that repeats a value.
func TestWordsOfAnAppAboutAnAccount(t *testing.T) {
	t.Parallel()
	d, op, _ := setUp(t, nil, when(request(http.MethodPost, "Users"), func(x *exchange, _ func()) {
		x.refuse(http.StatusBadRequest, "", "the nature of kim Tester (kim@corp.test) is not known to the head of departments")
	}))
	body := strings.Replace(harness.UserBody("kim@corp.test", "kim", "Tester"), `"locale"`, `"title":"Head of the Department","locale"`, 1)
	id := op.Want(t, http.StatusCreated, http.MethodPost, "/Users", body).ID()
	account := awaitReason(t, d, id, v1alpha1.ReasonRejected)
	mentions(t, account.Message, "the app says: the nature of *** (***) is not known to the head of departments")
}
