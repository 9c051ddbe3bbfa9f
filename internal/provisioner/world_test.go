// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// script is an app that does what a test wrote down: it keeps accounts, and fails where it is told to.
type script struct {
	mu     sync.Mutex
	calls  []string
	errs   map[string][]error
	always map[string]error
	users  []connector.User
	groups []connector.Group
	hidden bool
	closed bool
}

// next notes a call and takes the next error of the operation.
func (s *script) next(op string) error {
	s.calls = append(s.calls, op)
	if queue := s.errs[op]; len(queue) > 0 {
		s.errs[op] = queue[1:]
		return queue[0]
	}
	return s.always[op]
}

func (s *script) Test(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next(connector.OpTest)
}

func (s *script) FindUsers(_ context.Context, _, value string) ([]connector.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.next(connector.OpFindUsers); err != nil || s.hidden {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(s.users), func(u connector.User) bool { return scim.Fold(u.UserName) != scim.Fold(value) }), nil
}

func (s *script) ListUsers(context.Context, func(connector.User) error) error {
	return errors.New("not part of the script")
}

func (s *script) GetUser(_ context.Context, id string) (connector.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user(connector.OpGetUser, id, func(*connector.User) {})
}

func (s *script) user(op, id string, change func(*connector.User)) (connector.User, error) {
	if err := s.next(op); err != nil {
		return connector.User{}, err
	}
	i := slices.IndexFunc(s.users, func(u connector.User) bool { return u.ID == id })
	if i < 0 {
		return connector.User{}, &connector.Error{Op: op, Kind: connector.NotFound, Status: 404, Sent: true}
	}
	change(&s.users[i])
	return s.users[i], nil
}

func (s *script) CreateUser(_ context.Context, attributes connector.Attributes) (connector.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user := connector.User{ID: fmt.Sprintf("remote-%d", len(s.users)+1), UserName: attributes["userName"].(string), Active: true, Attributes: attributes}
	err := s.next(connector.OpCreateUser)
	if failure := connector.AsError(err); failure == nil || failure.UnknownOutcome() {
		s.users = append(s.users, user)
	}
	return user, err
}

func (s *script) UpdateUser(_ context.Context, id string, _ connector.Change) (connector.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user(connector.OpUpdateUser, id, func(*connector.User) {})
}

func (s *script) SetActive(_ context.Context, id string, active bool, _ connector.Attributes) (connector.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user(connector.OpSetActive, id, func(u *connector.User) { u.Active = active })
}

func (s *script) DeleteUser(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.next(connector.OpDeleteUser)
	if err == nil {
		s.users = slices.DeleteFunc(s.users, func(u connector.User) bool { return u.ID == id })
	}
	return err
}

func (s *script) FindGroups(context.Context, string) ([]connector.Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.groups), s.next(connector.OpFindGroups)
}

func (s *script) GetGroup(context.Context, string) (connector.Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return connector.Group{MembersKnown: true}, s.next(connector.OpGetGroup)
}

func (s *script) CreateGroup(_ context.Context, group connector.Group) (connector.Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	group.ID = "remote-group"
	return group, s.next(connector.OpCreateGroup)
}

func (s *script) UpdateGroup(context.Context, string, connector.GroupChange) (connector.Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return connector.Group{}, s.next(connector.OpUpdateGroup)
}

func (s *script) DeleteGroup(context.Context, string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next(connector.OpDeleteGroup)
}

func (s *script) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// world is a running app "crm" without workers: a test is the worker.
type world struct {
	t      *testing.T
	clock  *clocktesting.FakeClock
	cache  *pt.Cache
	view   *desired.View
	script *script
	app    *App
	mu     sync.Mutex
	told   map[string]int
}

const settleTime = 30 * time.Second

func newWorld(t *testing.T, change func(*v1alpha1.ScimApp)) *world {
	t.Helper()
	w := &world{
		t: t, clock: clocktesting.NewFakeClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), cache: pt.NewCache(), told: map[string]int{},
		script: &script{errs: map[string][]error{}, always: map[string]error{}},
	}
	w.view = desired.NewView(w.cache)
	app := pt.App("crm")
	if change != nil {
		change(app)
	}
	w.cache.Put(app)
	registry := NewRegistry(w.view, w.clock, logr.Discard(), NewMetrics(prometheus.NewRegistry()))
	registry.SetNotify(Notify{User: w.tell("user "), Group: w.tell("group "), App: w.tell("app ")})
	w.app = newApp(Config{Key: pt.Key("crm"), Connector: w.script, Settle: settleTime}, registry)
	w.app.recent, w.app.patience = &recentRevocations{}, newPatience()
	return w
}

func (w *world) tell(what string) func(types.NamespacedName) {
	return func(key types.NamespacedName) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told[what+key.Name]++
	}
}

// put stores users as their reconciler leaves them: the spec is dealt with.
func (w *world) put(users ...*v1alpha1.ScimUser) {
	for _, user := range users {
		user.Status.ObservedGeneration = user.Generation
		w.cache.Put(user)
	}
}

// give maps users to the app.
func (w *world) give(userNames ...string) {
	w.cache.Put(pt.Mapping("crm", "crm", userNames))
}

// joiner is a user whose intent to create is written, by this process.
func (w *world) joiner(name string) *v1alpha1.ScimUser {
	user := pt.User(name, v1alpha1.Account{App: "crm", State: v1alpha1.AccountCreating, Planned: v1alpha1.ActionCreate, MatchValue: name + "@corp.test"})
	w.put(user)
	w.give(name + "@corp.test")
	w.app.Intended(account(name))
	return user
}

// work does one look at a key, and gives the outcome if there is one.
func (w *world) work(name string) *outcome {
	w.t.Helper()
	w.app.queue.add(account(name), ClassChange, "", 0)
	key, _, ok := w.app.queue.pick()
	if !ok {
		w.t.Fatalf("%s cannot be worked on", name)
	}
	w.app.handle(w.t.Context(), key)
	w.app.queue.done(key)
	outcomes := w.view.Users.Look(pt.Key(name))
	user := &v1alpha1.ScimUser{}
	if err := w.cache.Get(w.t.Context(), pt.Key(name), user); err != nil {
		w.t.Fatal(err)
	}
	if o, ok := outcomes.Outcomes(user.UID)["crm"]; ok {
		return &o
	}
	return nil
}

// write puts the outcome into the status, as the user's reconciler does.
func (w *world) write(user *v1alpha1.ScimUser, o *outcome) {
	if o.Gone {
		user.Status.Accounts = nil
	} else {
		user.Status.Accounts = []v1alpha1.Account{o.Entry}
	}
	w.view.Users.Forget(pt.Key(user.Name))
	w.put(user)
}

type outcome = desired.Outcome[v1alpha1.Account]

func (w *world) wantCalls(want ...string) {
	w.t.Helper()
	if !slices.Equal(want, w.script.calls) {
		w.t.Errorf("the app was called %q, want %q", w.script.calls, want)
	}
	w.script.calls = nil
}

func failure(op string, kind connector.Kind, status int) error {
	return &connector.Error{Op: op, Kind: kind, Status: status, Sent: true}
}
