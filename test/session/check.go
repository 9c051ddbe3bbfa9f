// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/membership"
)

// quiet is how long nothing may change before something counts as settled: a call too many would come right after those that were due.
const quiet = 1500 * time.Millisecond

// checker waits for expectations.
type checker struct {
	*World
	// writes are what each app had got when the last expectation was met.
	writes map[string]int
}

func newChecker(ctx context.Context, w *World) (*checker, error) {
	c := &checker{World: w}
	seen, _, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	c.writes = seen.writes
	return c, nil
}

// await waits until everything is as expected and quiet, and says so.
func (c *checker) await(ctx context.Context, e *Expectation, requests int) error {
	began := time.Now()
	still := &stillness{}
	var wrote map[string]int
	err := Await(ctx, func(ctx context.Context) error {
		seen, version, err := c.look(ctx)
		if err != nil {
			return err
		}
		if found := e.differences(seen); len(found) > 0 {
			return errors.New(strings.Join(found, "\n  "))
		}
		if !still.since(version+fmt.Sprint(seen.writes), time.Now(), quiet) {
			return errors.New("everything is as expected, but changes do not end")
		}
		wrote = seen.writes
		return nil
	})
	if err != nil {
		return err
	}
	if c.Show != nil {
		if err := c.Show(ctx); err != nil {
			return err
		}
	}
	took := max(0, time.Since(began)-quiet)
	after := "later"
	if requests > 0 {
		after = "after " + plural(requests, "request")
	}
	c.Say("\nAs expected, %.1f s %s: %s.", took.Seconds(), after, c.since(wrote))
	return c.count(e, wrote)
}

// count compares the writes with those expected and starts counting anew.
func (c *checker) count(e *Expectation, now map[string]int) error {
	for app, want := range e.Writes {
		if got := now[app] - c.writes[app]; got != want {
			return fmt.Errorf("%s got %d write calls, not %d", app, got, want)
		}
	}
	c.writes = now
	return nil
}

// since says how many write calls the apps got since the last expectation.
func (c *checker) since(now map[string]int) string {
	var parts []string
	for _, app := range c.Apps {
		parts = append(parts, plural(now[app.Name]-c.writes[app.Name], "write")+" to "+app.Name)
	}
	return strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun
	case 1:
		return "1 " + noun
	default:
		return fmt.Sprintf("%d %ss", n, noun)
	}
}

// stillness tells since when something is the same.
type stillness struct {
	version string
	from    time.Time
}

func (s *stillness) since(version string, now time.Time, long time.Duration) bool {
	if s.version != version {
		s.version, s.from = version, now
	}
	return now.Sub(s.from) >= long
}

// look is everything there is, and a text that changes whenever something does.
func (c *checker) look(ctx context.Context) (*state, string, error) {
	users, groups := &v1alpha1.ScimUserList{}, &v1alpha1.ScimGroupList{}
	apps, mappings := &v1alpha1.ScimAppList{}, &v1alpha1.ScimRoleMappingList{}
	for _, list := range []client.ObjectList{users, groups, apps, mappings} {
		if err := c.Admin.List(ctx, list, client.InNamespace(c.Namespace)); err != nil {
			return nil, "", err
		}
	}
	seen := newState()
	var versions []string
	// A counter in an app's status moves later than what it counts: its version tells nothing.
	for i := range users.Items {
		seen.addUser(&users.Items[i])
		versions = append(versions, users.Items[i].ResourceVersion)
	}
	names := namesOf(users)
	for i := range groups.Items {
		members, err := membership.Of(ctx, c.Admin, &groups.Items[i])
		if err != nil {
			return nil, "", err
		}
		seen.addGroup(&groups.Items[i], members, names)
		versions = append(versions, groups.Items[i].ResourceVersion)
	}
	for i := range mappings.Items {
		seen.addReady("mapping "+mappings.Items[i].Name, &mappings.Items[i])
		seen.mappings[mappings.Items[i].Name] = int(mappings.Items[i].Status.Users)
		versions = append(versions, mappings.Items[i].ResourceVersion)
	}
	for i := range apps.Items {
		seen.addReady("app "+apps.Items[i].Name, &apps.Items[i])
	}
	for _, app := range c.Apps {
		holdings, err := app.Look(ctx)
		if err != nil {
			return nil, "", fmt.Errorf("looking into %s: %w", app.Name, err)
		}
		seen.addApp(app.Name, holdings)
	}
	return seen, strings.Join(versions, " "), nil
}

func newState() *state {
	return &state{users: map[string]haveUser{}, groups: map[string]WantGroup{}, mappings: map[string]int{}, apps: map[string]appState{}, writes: map[string]int{}}
}

func (s *state) addReady(what string, object v1alpha1.Conditioned) {
	if err := Ready(what, object); err != nil {
		s.unready = append(s.unready, err.Error())
	}
}

func (s *state) addUser(user *v1alpha1.ScimUser) {
	if user.Spec.UserName == "" {
		return // a reservation, and no user
	}
	s.addReady("user "+user.Spec.UserName, user)
	have := haveUser{active: user.IsActive(), accounts: map[string]string{}, ids: map[string]string{}}
	for _, account := range user.Status.Accounts {
		have.ids[account.App] = account.RemoteID
		have.accounts[account.App] = string(account.State)
		if account.State == v1alpha1.AccountActive || account.State == v1alpha1.AccountInactive {
			have.accounts[account.App] = accountState(account.State == v1alpha1.AccountActive, account.Roles)
		}
	}
	s.users[user.Spec.UserName] = have
}

// namesOf are the userNames by SCIM id.
func namesOf(users *v1alpha1.ScimUserList) map[string]string {
	names := map[string]string{}
	for i := range users.Items {
		names[users.Items[i].SCIMID()] = users.Items[i].Spec.UserName
	}
	return names
}

func (s *state) addGroup(group *v1alpha1.ScimGroup, all membership.Members, names map[string]string) {
	s.addReady("group "+group.Spec.DisplayName, group)
	var members []string
	for member := range all.All() {
		members = append(members, names[member.Value])
	}
	slices.Sort(members)
	s.groups[group.Spec.DisplayName] = WantGroup{Members: members}
}

func (s *state) addApp(name string, app Holdings) {
	have := appState{accounts: map[string]haveAccount{}, groups: map[string][]string{}}
	names := map[string]string{}
	for _, user := range app.Users {
		names[user.ID] = user.UserName
		have.accounts[user.UserName] = haveAccount{id: user.ID, state: accountState(user.Active, user.Roles), attributes: user.Attributes}
	}
	for _, group := range app.Groups {
		var members []string
		for _, id := range group.Members {
			members = append(members, names[id])
		}
		slices.Sort(members)
		have.groups[group.DisplayName] = members
	}
	s.apps[name], s.writes[name] = have, app.Writes
}
