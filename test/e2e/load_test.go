// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/test/e2e/load"
	"github.com/scim-operator/scim-operator/test/session"
)

const loadClient = `
apiVersion: scim-operator.io/v1alpha1
kind: ScimClient
metadata: {name: okta, namespace: load}
spec: {dialect: okta, tokens: [{name: okta-token}]}
`

// loadApp is an app in which everybody gets an account. The operator may call it as fast as it can, and deactivate as many as it is told.
const loadApp = `---
apiVersion: scim-operator.io/v1alpha1
kind: ScimApp
metadata: {name: $app, namespace: load}
spec:
  profile: generic
  scim: {baseURL: "$url", token: {name: $app-credentials}, ca: {name: $app-credentials, key: ca.crt}}
  features: [PushNewUsers, PushProfileUpdates, PushUserDeactivation, ReactivateUsers]
  guard: {percent: 100}
  limits: {requestsPerMinute: 60000, burst: 1000, concurrency: 8}
---
apiVersion: scim-operator.io/v1alpha1
kind: ScimRoleMapping
metadata: {name: everybody-$app, namespace: load}
spec: {app: $app, subjects: {expression: "true"}}
`

// loadApps are the apps of the load. Their profile is the one with the shortest settle time: an account that is being made when the leader goes waits for its end.
var loadApps = []string{"crm", "desk"}

// phase is one load; all its users have names that begin with prefix.
type phase struct {
	*world
	t      testing.TB
	prefix string
}

// underLoad runs do while eight identity providers push, and then sees that nothing is lost or doubled. Requests may fail in the ways of allowed and in no other.
func (w *world) underLoad(t testing.TB, prefix string, allowed []string, do func()) {
	t.Helper()
	w.loadDirectory(t)
	p := &phase{world: w, t: t, prefix: prefix}
	config := load.Config{
		BaseURL: origin + "/" + loadNamespace + "/okta/scim/v2", Token: scimToken, CA: w.ca, Prefix: prefix, Clients: 8, Pause: 100 * time.Millisecond,
	}
	if _, err := w.ask(t.Context(), http.MethodPost, "clients", "load", config); err != nil {
		t.Fatalf("starting the load: %v", err)
	}
	p.more()
	do()
	// Whoever answers now has to know what was acknowledged before.
	p.more()
	report := p.report(http.MethodDelete)
	p.judge(report, allowed)
	p.check(report)
}

// loadDirectory makes the directory for the load, once.
func (w *world) loadDirectory(t testing.TB) {
	t.Helper()
	if w.admin.Get(t.Context(), client.ObjectKey{Namespace: loadNamespace, Name: "okta"}, &v1alpha1.ScimClient{}) == nil {
		return
	}
	var apps []session.App
	manifest := loadClient
	for _, name := range loadApps {
		app := w.app(name)
		apps = append(apps, app)
		manifest += fill(loadApp, map[string]string{"app": name, "url": app.URL})
	}
	w.directory(t, loadNamespace, apps...)
	w.apply(t, manifest)
	w.run(t, "kubectl", "wait", "--namespace", loadNamespace, "scimclient/okta", "scimapp/crm", "scimapp/desk", "--for=condition=Ready", "--timeout=2m")
}

// report asks how the load goes (GET), or ends it (DELETE).
func (p *phase) report(method string) (report load.Report) {
	p.t.Helper()
	// While the API server restarts, nobody can be asked.
	eventually(p.t, "the report of the load", func(ctx context.Context) error {
		data, err := p.ask(ctx, method, "clients", "load", nil)
		if err != nil {
			return err
		}
		return json.Unmarshal(data, &report)
	})
	return report
}

// more waits until every client has had some more users acknowledged.
func (p *phase) more() {
	p.t.Helper()
	const each = 2
	done := func(users []load.User) map[string]int {
		count := map[string]int{}
		for _, user := range users {
			count[strings.Split(strings.TrimPrefix(user.UserName, p.prefix+"-"), "-")[0]]++
		}
		return count
	}
	before := done(p.report(http.MethodGet).Users)
	eventually(p.t, "all clients get on", func(context.Context) error {
		now := done(p.report(http.MethodGet).Users)
		for number := range 8 {
			if name := fmt.Sprint(number); now[name] < before[name]+each {
				return fmt.Errorf("client %s has had %d users acknowledged, %d before", name, now[name], before[name])
			}
		}
		return nil
	})
}

// judge says what happened, and which of it should not have.
func (p *phase) judge(report load.Report, allowed []string) {
	p.t.Helper()
	p.t.Logf("%d requests (%d answered over HTTP/2, %d over HTTP/1.1), %d users; repeated by net/http: %d; slowest %s, longest time without an answer %s; failed: %v",
		report.Requests, report.HTTP2, report.HTTP1, len(report.Users), report.Repeated, report.Slowest.Round(time.Millisecond), report.Gap.Round(time.Millisecond),
		report.Kinds)
	for _, line := range report.Slow {
		p.t.Logf("slow: %s", line)
	}
	if report.HTTP1 == 0 || report.HTTP2 == 0 {
		p.t.Error("the load did not speak both versions of HTTP")
	}
	for kind, n := range report.Kinds {
		if !slices.Contains(allowed, kind) {
			p.t.Errorf("%d requests failed: %s", n, kind)
		}
	}
	shown := report.Failures
	if !p.t.Failed() {
		shown = shown[:min(len(shown), 5)]
	}
	for _, f := range shown {
		p.t.Logf("%s client %d, %s: %s: %s", f.At.Format("15:04:05.000"), f.Client, f.Op, f.Kind, f.Detail)
	}
}

// check waits until every acknowledged user exists once, as it was acknowledged, and has one account in each app; and nothing else exists.
func (p *phase) check(report load.Report) {
	p.t.Helper()
	began := time.Now()
	eventually(p.t, "everything that was acknowledged exists once", func(ctx context.Context) error {
		users, err := p.users(ctx)
		if err != nil {
			return err
		}
		differences := p.compare(report, users)
		for _, name := range loadApps {
			held, err := p.app(name).Look(ctx)
			if err != nil {
				return err
			}
			differences = append(differences, p.compareAccounts(name, users, held)...)
		}
		missing, err := p.missingMembers(ctx, report)
		if err != nil {
			return err
		}
		differences = append(differences, missing...)
		if n := len(differences); n > 0 {
			return fmt.Errorf("%d differences: %s", n, strings.Join(differences[:min(n, 20)], "\n  "))
		}
		return nil
	})
	p.t.Logf("nothing lost, nothing doubled; the apps had followed %.1f s after the load", time.Since(began).Seconds())
}

// users are the objects of the load by userName.
func (p *phase) users(ctx context.Context) (map[string][]*v1alpha1.ScimUser, error) {
	list := &v1alpha1.ScimUserList{}
	err := p.admin.List(ctx, list, client.InNamespace(loadNamespace))
	users := map[string][]*v1alpha1.ScimUser{}
	for i := range list.Items {
		if user := &list.Items[i]; strings.HasPrefix(user.Spec.UserName, p.prefix+"-") {
			users[user.Spec.UserName] = append(users[user.Spec.UserName], user)
		}
	}
	return users, err
}

// compare the objects with what was acknowledged.
func (p *phase) compare(report load.Report, users map[string][]*v1alpha1.ScimUser) (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	expected := map[string]bool{}
	for _, name := range report.Doubtful {
		expected[name] = true
	}
	for _, want := range report.Users {
		expected[want.UserName] = true
		objects := users[want.UserName]
		if len(objects) == 0 {
			say("%s was acknowledged and is lost", want.UserName)
			continue
		}
		got := objects[0]
		switch {
		case got.SCIMID() != want.ID:
			say("%s has the id %s, not %s", want.UserName, got.SCIMID(), want.ID)
		case want.Unsure:
		case got.Spec.DisplayName != want.DisplayName || got.IsActive() != want.Active:
			say("%s has the displayName %q and active %v, not %q and %v", want.UserName, got.Spec.DisplayName, got.IsActive(), want.DisplayName, want.Active)
		}
	}
	for name, objects := range users {
		if len(objects) > 1 {
			say("%s exists %d times", name, len(objects))
		}
		if !expected[name] {
			say("%s exists, and nobody asked for it", name)
		}
	}
	return found
}

// compareAccounts compares what an app holds with the users, and with what their status says.
func (p *phase) compareAccounts(app string, users map[string][]*v1alpha1.ScimUser, held session.Holdings) (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)+" in "+app) }
	accounts := map[string]int{}
	for _, account := range held.Users {
		if !strings.HasPrefix(account.UserName, p.prefix+"-") {
			continue
		}
		accounts[account.UserName]++
		objects := users[account.UserName]
		switch {
		case len(objects) == 0:
			say("%s has an account and does not exist", account.UserName)
		case account.Active != objects[0].IsActive():
			say("%s has active %v", account.UserName, account.Active)
		case remoteID(objects[0], app) != account.ID:
			say("%s has the account %s, and its status says %q", account.UserName, account.ID, remoteID(objects[0], app))
		}
	}
	for name, objects := range users {
		// Who was deactivated before the operator came to this app never had an account in it.
		if n := accounts[name]; n > 1 || n == 0 && (objects[0].IsActive() || entry(objects[0], app) != nil) {
			say("%s has %d accounts", name, n)
		}
	}
	return found
}

// entry is what a user's status has of an app, nil if nothing.
func entry(user *v1alpha1.ScimUser, app string) *v1alpha1.Account {
	for i := range user.Status.Accounts {
		if account := &user.Status.Accounts[i]; account.App == app {
			return account
		}
	}
	return nil
}

// remoteID is the id of a user's account as its status has it, once it is as it should be.
func remoteID(user *v1alpha1.ScimUser, app string) string {
	account := entry(user, app)
	if account == nil || account.State != v1alpha1.AccountActive && account.State != v1alpha1.AccountInactive {
		return ""
	}
	return account.RemoteID
}

// missingMembers are the users whose membership was acknowledged and is lost.
func (p *phase) missingMembers(ctx context.Context, report load.Report) (found []string, err error) {
	groups := &v1alpha1.ScimGroupList{}
	if err := p.admin.List(ctx, groups, client.InNamespace(loadNamespace)); err != nil {
		return nil, err
	}
	for i := range groups.Items {
		if groups.Items[i].Spec.DisplayName != report.Group {
			continue
		}
		members, err := membership.Of(ctx, p.admin, &groups.Items[i])
		if err != nil {
			return nil, err
		}
		count := map[string]int{}
		for member := range members.All() {
			count[member.Value]++
		}
		for _, user := range report.Users {
			if n := count[user.ID]; user.Member && n != 1 {
				found = append(found, fmt.Sprintf("%s is %d times in the group", user.UserName, n))
			}
		}
		return found, nil
	}
	return nil, errors.New("the group of the load does not exist")
}
