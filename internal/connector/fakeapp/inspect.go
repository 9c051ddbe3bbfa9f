// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fakeapp

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// User is an account as the app holds it.
type User struct {
	ID, UserName string
	Active       bool
	// Roles are the values of the attribute roles.
	Roles []string
	// Attributes are all attributes except id, meta and groups.
	Attributes        map[string]any
	Created, Modified time.Time
}

// Group is a group as the app holds it.
type Group struct {
	ID, DisplayName string
	// Members are the ids of users, sorted.
	Members           []string
	Attributes        map[string]any
	Created, Modified time.Time
}

// Users returns all accounts in the order of their creation.
func (a *App) Users() []User {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	users := make([]User, 0, len(a.store.users.order))
	for _, r := range a.store.users.order {
		users = append(users, userOf(r))
	}
	return users
}

// User returns the account of that name.
func (a *App) User(userName string) (User, bool) {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	r, ok := a.store.users.byName[strings.ToLower(userName)]
	if !ok {
		return User{}, false
	}
	return userOf(r), true
}

func userOf(r *record) User {
	name, _ := r.attributes["userName"].(string)
	return User{
		ID: r.id, UserName: name, Active: r.attributes["active"] == true, Roles: valuesAt(r.attributes, "roles"),
		Attributes: copyMap(r.attributes), Created: r.created, Modified: r.modified,
	}
}

// Groups returns all groups in the order of their creation.
func (a *App) Groups() []Group {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	groups := make([]Group, 0, len(a.store.groups.order))
	for _, r := range a.store.groups.order {
		groups = append(groups, groupOf(r))
	}
	return groups
}

// Group returns the group of that name.
func (a *App) Group(displayName string) (Group, bool) {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	r, ok := a.store.groups.byName[strings.ToLower(displayName)]
	if !ok {
		return Group{}, false
	}
	return groupOf(r), true
}

func groupOf(r *record) Group {
	name, _ := r.attributes["displayName"].(string)
	members := slices.Clone(r.members)
	slices.Sort(members)
	return Group{ID: r.id, DisplayName: name, Members: members, Attributes: copyMap(r.attributes), Created: r.created, Modified: r.modified}
}

// AddUser puts an account into the app as its admin would, and returns its id.
func (a *App) AddUser(attributes map[string]any) (string, error) {
	return a.add(&a.store.users, attributes)
}

// AddGroup puts a group into the app as its admin would, and returns its id. groupType may be empty.
func (a *App) AddGroup(displayName, groupType string) (string, error) {
	return a.add(&a.store.groups, map[string]any{"displayName": displayName, "groupType": groupType})
}

func (a *App) add(c *collection, attributes map[string]any) (string, error) {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	sent := copyMap(attributes)
	sent["schemas"] = []any{c.urn}
	given, added := a.store.create(c, sent)
	if added == nil {
		return "", fmt.Errorf("fakeapp: %s", given.detail)
	}
	return added.id, nil
}

// EditUser changes an account's attributes as the app's admin would.
func (a *App) EditUser(userName string, edit func(attributes map[string]any)) error {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	r, ok := a.store.users.byName[strings.ToLower(userName)]
	if !ok {
		return fmt.Errorf("fakeapp: no user %q", userName)
	}
	attributes := copyMap(r.attributes)
	edit(attributes)
	if given, _ := a.store.update(&a.store.users, r, attributes); given.status != 200 {
		return fmt.Errorf("fakeapp: %s", given.detail)
	}
	return nil
}

// RemoveUser takes an account away for good, as the app's admin can, whatever its API does on DELETE.
func (a *App) RemoveUser(userName string) error {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	r, ok := a.store.users.byName[strings.ToLower(userName)]
	if !ok {
		return fmt.Errorf("fakeapp: no user %q", userName)
	}
	a.store.forget(&a.store.users, r)
	return nil
}

// SetMembers sets the members of a group as the app's admin would.
func (a *App) SetMembers(displayName string, ids ...string) error {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	r, ok := a.store.groups.byName[strings.ToLower(displayName)]
	if !ok {
		return fmt.Errorf("fakeapp: no group %q", displayName)
	}
	members, refused := a.store.members(memberList(ids))
	if refused != nil {
		return fmt.Errorf("fakeapp: %s", refused.detail)
	}
	r.members, r.modified = members, time.Now()
	return nil
}
