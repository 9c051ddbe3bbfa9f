// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// Expectation is what has to be true. Only what is named is looked at, unless complete is set: then there has to be nothing else. Every user,
// group, app and mapping has to be Ready in any case.
type Expectation struct {
	Complete bool `json:"complete,omitempty"`
	// Users by userName.
	Users map[string]WantUser `json:"users,omitempty"`
	// Groups by displayName.
	Groups map[string]WantGroup `json:"groups,omitempty"`
	// Mappings: how many users each gives its app.
	Mappings map[string]int `json:"mappings,omitempty"`
	// Writes: how many write calls each app got since the last expectation.
	Writes map[string]int `json:"writes,omitempty"`
}

// WantUser is a user and its accounts.
type WantUser struct {
	Active bool `json:"active"`
	// Accounts by app: "active" or "inactive", and the role if the app has roles, such as "active editor".
	Accounts map[string]string `json:"accounts"`
	// Attributes of the account by app and path; only those named are looked at.
	Attributes map[string]map[string]string `json:"attributes,omitempty"`
}

// WantGroup is a group: its members by userName, and those that it has in the apps that it is pushed to.
type WantGroup struct {
	Members []string            `json:"members"`
	Apps    map[string][]string `json:"apps,omitempty"`
}

// state is what is true, in the API server and in the apps.
type state struct {
	users    map[string]haveUser
	groups   map[string]WantGroup
	mappings map[string]int
	apps     map[string]appState
	// writes are how many write calls each app has got.
	writes map[string]int
	// unready is why something is not Ready.
	unready []string
}

type haveUser struct {
	active bool
	// accounts as the user's status has them, written as in WantUser, with the app's id of each.
	accounts map[string]string
	ids      map[string]string
}

type appState struct {
	accounts map[string]haveAccount
	groups   map[string][]string
}

type haveAccount struct {
	id, state  string
	attributes map[string]any
}

// differences are what is not as expected, in sentences.
func (e *Expectation) differences(s *state) []string {
	var found []string
	report := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	found = append(found, s.unready...)
	for _, name := range slices.Sorted(maps.Keys(e.Users)) {
		user, ok := s.users[name]
		if !ok {
			report("user %s does not exist", name)
			continue
		}
		found = append(found, userDifferences(name, e.Users[name], user, s.apps)...)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Groups)) {
		group, ok := s.groups[name]
		if !ok {
			report("group %q does not exist", name)
			continue
		}
		want := e.Groups[name]
		if !cmp.Equal(want.Members, group.Members) {
			report("group %q has the members %v, not %v", name, group.Members, want.Members)
		}
		for app, members := range want.Apps {
			if have := s.apps[app].groups[name]; !cmp.Equal(members, have) {
				report("group %q has the members %v in %s, not %v", name, have, app, members)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Mappings)) {
		if have, ok := s.mappings[name]; !ok || have != e.Mappings[name] {
			report("mapping %s gives %d users their app, not %d", name, have, e.Mappings[name])
		}
	}
	if e.Complete {
		found = append(found, e.surplus(s)...)
	}
	return found
}

// userDifferences compare a user's status and the apps' accounts with what is expected.
func userDifferences(name string, want WantUser, have haveUser, apps map[string]appState) []string {
	var found []string
	report := func(format string, args ...any) { found = append(found, "user "+name+" "+fmt.Sprintf(format, args...)) }
	if have.active != want.Active {
		report("has active=%v", have.active)
	}
	if diff := !maps.Equal(want.Accounts, have.accounts); diff {
		report("has the accounts %v in its status, not %v", have.accounts, want.Accounts)
	}
	for _, app := range slices.Sorted(maps.Keys(want.Accounts)) {
		account, ok := apps[app].accounts[name]
		switch {
		case !ok:
			report("has no account in %s itself", app)
			continue
		case account.state != want.Accounts[app]:
			report("is %q in %s itself, not %q", account.state, app, want.Accounts[app])
		case account.id != have.ids[app]:
			report("has the account %q in %s, and its status says %q", account.id, app, have.ids[app])
		}
		for _, path := range slices.Sorted(maps.Keys(want.Attributes[app])) {
			if value := at(account.attributes, path); value != want.Attributes[app][path] {
				report("has %s=%q in %s, not %q", path, value, app, want.Attributes[app][path])
			}
		}
	}
	return found
}

// surplus is what exists and is not expected.
func (e *Expectation) surplus(s *state) []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(s.users)) {
		if _, ok := e.Users[name]; !ok {
			found = append(found, "user "+name+" should not exist")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		if _, ok := e.Groups[name]; !ok {
			found = append(found, "group "+name+" should not exist")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.mappings)) {
		if _, ok := e.Mappings[name]; !ok {
			found = append(found, "mapping "+name+" should not exist")
		}
	}
	for _, app := range slices.Sorted(maps.Keys(s.apps)) {
		for _, name := range slices.Sorted(maps.Keys(s.apps[app].accounts)) {
			if _, ok := e.Users[name].Accounts[app]; !ok {
				found = append(found, "account "+name+" should not exist in "+app)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(s.apps[app].groups)) {
			if _, ok := e.Groups[name].Apps[app]; !ok {
				found = append(found, "group "+name+" should not exist in "+app)
			}
		}
	}
	return found
}

// accountState is an account as an expectation writes it.
func accountState(active bool, roles []string) string {
	words := []string{"inactive"}
	if active {
		words = []string{"active"}
	}
	return strings.Join(append(words, roles...), " ")
}

// at is the text at a dotted path of attributes.
func at(attributes map[string]any, path string) string {
	var value any = attributes
	for _, name := range strings.Split(path, ".") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	text, _ := value.(string)
	return text
}
