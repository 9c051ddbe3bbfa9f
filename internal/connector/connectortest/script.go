// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package connectortest has an app for tests: it keeps accounts and groups in memory, and fails where a test tells it to.
package connectortest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Script is an in-memory app that answers as a test says. A test that calls it from one goroutine may use its fields directly.
type Script struct {
	mu sync.Mutex
	// Calls are the operations that were called, in order (connector.Op...). SetActive has its value: "SetActive(false)".
	Calls []string
	// Errs are the next errors of an operation, nil for a success; Always is the error of all others. A write whose outcome is unknown takes effect unless NoEffect.
	Errs     map[string][]error
	Always   map[string]error
	NoEffect bool
	Users    []connector.User
	Groups   []connector.Group
	// Hidden: lookups find nothing.
	Hidden bool
	// Answer changes the account with which a write is answered.
	Answer func(op string, user *connector.User)
	// Refuse says why the app does not take the attributes of a create, update or reactivation, nil if it does.
	Refuse func(op string, attributes connector.Attributes) error
	// Closed: Close was called.
	Closed bool

	made int
}

// NewScript makes an app without accounts that accepts every request.
func NewScript() *Script {
	return &Script{Errs: map[string][]error{}, Always: map[string]error{}}
}

// TakeCalls returns the calls since it was last called.
func (s *Script) TakeCalls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.Calls
	s.Calls = nil
	return calls
}

// User returns an account that a test may change, nil if there is none.
func (s *Script) User(id string) *connector.User {
	if i := slices.IndexFunc(s.Users, func(u connector.User) bool { return u.ID == id }); i >= 0 {
		return &s.Users[i]
	}
	return nil
}

// Group returns a group that a test may change, nil if there is none.
func (s *Script) Group(id string) *connector.Group {
	if i := slices.IndexFunc(s.Groups, func(g connector.Group) bool { return g.ID == id }); i >= 0 {
		return &s.Groups[i]
	}
	return nil
}

// next notes a call and takes the next error of the operation. effect is whether a write takes effect.
func (s *Script) next(op string, call ...string) (effect bool, err error) {
	s.Calls = append(s.Calls, append(call, op)[0])
	err = s.Always[op]
	if queue := s.Errs[op]; len(queue) > 0 {
		s.Errs[op], err = queue[1:], queue[0]
	}
	failure := connector.AsError(err)
	return err == nil || (failure != nil && failure.UnknownOutcome() && !s.NoEffect), err
}

// Test implements connector.Connector.
func (s *Script) Test(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.next(connector.OpTest)
	return err
}

// FindUsers implements connector.Connector. It finds by userName.
func (s *Script) FindUsers(_ context.Context, _, value string) ([]connector.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.next(connector.OpFindUsers); err != nil || s.Hidden {
		return nil, err
	}
	var found []connector.User
	for _, user := range s.Users {
		if scim.Fold(user.UserName) == scim.Fold(value) {
			found = append(found, shown(user))
		}
	}
	return found, nil
}

// ListUsers implements connector.Connector.
func (s *Script) ListUsers(_ context.Context, yield func(connector.User) error) error {
	s.mu.Lock()
	_, err := s.next(connector.OpListUsers)
	users := slices.Clone(s.Users)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	for _, user := range users {
		if err := yield(shown(user)); err != nil {
			return err
		}
	}
	return nil
}

// GetUser implements connector.Connector.
func (s *Script) GetUser(_ context.Context, id string) (connector.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.next(connector.OpGetUser); err != nil {
		return connector.User{}, err
	}
	user := s.User(id)
	if user == nil {
		return connector.User{}, NotFound(connector.OpGetUser)
	}
	return shown(*user), nil
}

// NotFound is the answer of an app that does not have an account or group, in the form of the protocol.
func NotFound(op string) error {
	return &connector.Error{Op: op, Kind: connector.NotFound, Status: 404, Sent: true, InProtocol: true}
}

// Lost is the error of a call whose answer did not arrive.
func Lost(op string) error {
	return &connector.Error{Op: op, Kind: connector.Timeout, Sent: true}
}

// CreateUser implements connector.Connector.
func (s *Script) CreateUser(_ context.Context, attributes connector.Attributes) (connector.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	user := connector.User{ID: fmt.Sprintf("made-%d", s.made), Active: true, ActiveShown: true, Attributes: map[string]any{}}
	effect, err := s.next(connector.OpCreateUser)
	if refusal := s.refuses(connector.OpCreateUser, attributes); refusal != nil {
		return connector.User{}, refusal
	}
	write(&user, attributes)
	if effect {
		s.Users = append(s.Users, user)
	}
	if err != nil {
		return connector.User{}, err
	}
	return s.answer(connector.OpCreateUser, user), nil
}

// UpdateUser implements connector.Connector.
func (s *Script) UpdateUser(_ context.Context, id string, change connector.Change) (connector.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := make(connector.Attributes, len(change.Set)+len(change.Clear))
	maps.Copy(sent, change.Set)
	for _, path := range change.Clear {
		sent[path] = nil
	}
	return s.change(connector.OpUpdateUser, connector.OpUpdateUser, id, sent, func(user *connector.User) {
		write(user, change.Set)
		for _, path := range change.Clear {
			write(user, connector.Attributes{path: nil})
		}
	})
}

// SetActive implements connector.Connector.
func (s *Script) SetActive(_ context.Context, id string, active bool, full connector.Attributes) (connector.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change(connector.OpSetActive, fmt.Sprintf("%s(%t)", connector.OpSetActive, active), id, full, func(user *connector.User) {
		write(user, full)
		user.Active = active
	})
}

func (s *Script) refuses(op string, attributes connector.Attributes) error {
	if s.Refuse == nil {
		return nil
	}
	return s.Refuse(op, attributes)
}

func (s *Script) change(op, call, id string, sent connector.Attributes, change func(*connector.User)) (connector.User, error) {
	effect, err := s.next(op, call)
	if refusal := s.refuses(op, sent); refusal != nil {
		return connector.User{}, refusal
	}
	user := s.User(id)
	switch {
	case err != nil && (!effect || user == nil):
		return connector.User{}, err
	case user == nil:
		return connector.User{}, NotFound(op)
	}
	change(user)
	if err != nil {
		return connector.User{}, err
	}
	return s.answer(op, *user), nil
}

// answer is what the app answers a write with.
func (s *Script) answer(op string, user connector.User) connector.User {
	user = shown(user)
	if s.Answer != nil {
		s.Answer(op, &user)
	}
	return user
}

// shown is a copy of an account.
func shown(user connector.User) connector.User {
	user.ActiveShown = true
	user.Attributes = maps.Clone(user.Attributes)
	return user
}

// write sets attributes by their paths, and clears those that are nil.
func write(user *connector.User, attributes connector.Attributes) {
	if user.Attributes == nil {
		user.Attributes = map[string]any{}
	}
	for path, value := range attributes {
		put(user.Attributes, path, value)
	}
	user.UserName, _ = user.Attributes["userName"].(string)
	user.ExternalID, _ = user.Attributes["externalId"].(string)
}

func put(object map[string]any, path string, value any) {
	parent, name, nested := strings.Cut(path, ".")
	if nested && !strings.HasPrefix(path, "urn:") {
		inner, _ := object[parent].(map[string]any)
		inner = maps.Clone(inner)
		if inner == nil {
			inner = map[string]any{}
		}
		put(inner, name, value)
		object[parent] = inner
		return
	}
	if value == nil {
		delete(object, path)
		return
	}
	object[path] = value
}

// DeleteUser implements connector.Connector.
func (s *Script) DeleteUser(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	effect, err := s.next(connector.OpDeleteUser)
	missing := s.User(id) == nil
	if effect {
		s.Users = slices.DeleteFunc(s.Users, func(u connector.User) bool { return u.ID == id })
	}
	if err == nil && missing {
		return NotFound(connector.OpDeleteUser)
	}
	return err
}

// Close implements connector.Connector.
func (s *Script) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Closed = true
}
