// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"maps"
	"sync"
)

// person is a user as the identity provider has it.
type person struct {
	id, userName, given, family string
	inactive                    bool
	// groups by displayName of their beginning (model.groups has what became of them).
	groups map[string]bool
}

// team is a group as the identity provider has it.
type team struct {
	id, displayName string
}

// model is what should be in the end.
type model struct {
	mu sync.Mutex
	// people by id.
	people map[string]*person
	// groups by the name that they were created with.
	groups map[string]*team
	// deleted are the ids of users that are no more.
	deleted map[string]bool
}

func newModel() *model {
	return &model{people: map[string]*person{}, groups: map[string]*team{}, deleted: map[string]bool{}}
}

func (m *model) add(p *person) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.people[p.id] = p
}

func (m *model) remove(p *person) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.people, p.id)
	m.deleted[p.id] = true
}

func (m *model) group(name string) *team {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.groups[name]
}

func (m *model) setGroup(name string, g *team) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g == nil {
		delete(m.groups, name)
		return
	}
	m.groups[name] = g
}

// all is everybody, once the workers are done.
func (m *model) all() map[string]*person {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.people)
}
