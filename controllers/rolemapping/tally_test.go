// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rolemapping

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// countedClient counts what is read.
type countedClient struct {
	client.Client
	cache       *pt.Cache
	lists, gets int
	err         error
}

func (c *countedClient) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	c.lists++
	return errors.Join(c.err, c.cache.List(ctx, list, opts...))
}

func (c *countedClient) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	c.gets++
	if c.err != nil {
		return c.err
	}
	return c.cache.Get(ctx, key, obj, opts...)
}

// tallied is a reconciler with a hundred users, of whom every tenth has the role crm.admin.
type tallied struct {
	*testing.T
	r      *Reconciler
	client *countedClient
}

func newTallied(t *testing.T) *tallied {
	c := &countedClient{cache: pt.NewCache()}
	for i := range 100 {
		user := pt.User(fmt.Sprintf("user%02d", i))
		if i%10 == 0 {
			user.Spec.Roles = []v1alpha1.MultiValue{{Value: "crm.admin"}}
		}
		c.cache.Put(user)
	}
	return &tallied{t, &Reconciler{Client: c}, c}
}

const admins = `user.roles.exists(r, r.value == "crm.admin")`

func (t *tallied) count(name, expression string) *tally {
	t.Helper()
	have, err := t.r.tally(t.Context(), pt.Key(name), expression)
	if err != nil {
		t.Fatal(err)
	}
	return have
}

func (t *tallied) read(lists, gets int) {
	t.Helper()
	if t.client.lists != lists || t.client.gets != gets {
		t.Errorf("%d lists and %d gets, want %d and %d", t.client.lists, t.client.gets, lists, gets)
	}
	t.client.lists, t.client.gets = 0, 0
}

func TestAChangeOfAUserLooksAtThatUserAlone(t *testing.T) {
	f := newTallied(t)
	if got := len(f.count("m", admins).users()); got != 10 {
		t.Fatalf("%d users", got)
	}
	f.read(1, 0)

	joins := pt.User("user01")
	joins.Spec.Roles = []v1alpha1.MultiValue{{Value: "crm.admin"}}
	f.client.cache.Put(joins)
	leaves := pt.User("user10")
	f.client.cache.Put(leaves)
	gone := pt.User("user20")
	f.client.cache.Remove(gone)
	for _, user := range []*v1alpha1.ScimUser{joins, leaves, gone, joins} {
		keys := f.r.tallies.touch(user.Namespace, user.Name)
		if len(keys) != 1 || keys[0] != pt.Key("m") {
			t.Errorf("%s brings %v", user.Name, keys)
		}
	}
	users := f.count("m", admins).users()
	f.read(0, 3)
	if len(users) != 9 || !users["user01"] || users["user10"] || users["user20"] {
		t.Errorf("%v", users)
	}
	f.count("m", admins)
	f.read(0, 0)
}

func TestAChangeOfAMappingLooksAtAllUsersOnce(t *testing.T) {
	f := newTallied(t)
	f.count("m", admins)
	if got := len(f.count("m", `user.userName.startsWith("user0")`).users()); got != 10 {
		t.Errorf("%d users", got)
	}
	f.read(2, 0)
	if f.count("m", "") != nil || len(f.r.tallies.touch("corp", "user01")) != 0 {
		t.Error("a mapping without expression is still counted")
	}
}

func TestUsersOfOtherNamespacesBringNothing(t *testing.T) {
	f := newTallied(t)
	f.count("m", admins)
	if got := f.r.tallies.touch("elsewhere", "user00"); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestFailuresAreCountedAndHoldNothingOfTheUser(t *testing.T) {
	f := newTallied(t)
	odd := pt.User("user01")
	odd.Spec.Title = "7"
	f.client.cache.Put(odd)
	long := pt.User("user02")
	long.Spec.Title = "long"
	f.client.cache.Put(long)
	have := f.count("m", `int(user.title) > 5`)
	if diff := cmp.Diff(map[string]bool{"user01": true}, have.users()); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a value cannot be converted to the type that is asked for"}, have.problems()); diff != "" || len(have.failed) != 1 {
		t.Errorf("%d failures: %s", len(have.failed), diff)
	}
	f.client.cache.Put(pt.User("user02"))
	f.r.tallies.touch("corp", "user02")
	if have := f.count("m", `int(user.title) > 5`); len(have.failed) != 0 {
		t.Errorf("%v", have.failed)
	}
}

func TestAnInvalidExpressionSelectsNobody(t *testing.T) {
	f := newTallied(t)
	have := f.count("m", "usr.roles")
	if have.condition != nil || len(have.users()) != 0 {
		t.Errorf("%v, %v", have.condition, have.users())
	}
	f.read(0, 0)
}

// What could not be read is looked at again.
func TestAFailedCountIsMadeAgain(t *testing.T) {
	f := newTallied(t)
	f.client.err = errors.New("the API server is away")
	if _, err := f.r.tally(t.Context(), pt.Key("m"), admins); err == nil {
		t.Fatal("no error")
	}
	f.client.err = nil
	if got := len(f.count("m", admins).users()); got != 10 {
		t.Errorf("%d users", got)
	}
	f.client.cache.Put(pt.User("user00"))
	f.r.tallies.touch("corp", "user00")
	f.client.err = errors.New("the API server is away")
	if _, err := f.r.tally(t.Context(), pt.Key("m"), admins); err == nil {
		t.Fatal("no error")
	}
	f.client.err = nil
	if got := len(f.count("m", admins).users()); got != 9 {
		t.Errorf("%d users", got)
	}
}

func TestReach(t *testing.T) {
	set := func(names ...string) map[string]bool {
		out := map[string]bool{}
		for _, name := range names {
			out[name] = true
		}
		return out
	}
	a := reach{members: set("ada", "bob"), selected: set("bob", "cy")}
	if a.size() != 3 {
		t.Errorf("size %d", a.size())
	}
	for name, tc := range map[string]struct {
		other reach
		want  bool
	}{
		"by a member":     {reach{members: set("ada", "x", "y", "z", "q")}, true},
		"by the other":    {reach{selected: set("cy")}, true},
		"across":          {reach{selected: set("ada")}, true},
		"nobody":          {reach{members: set("dan"), selected: set("eve")}, false},
		"nobody is empty": {reach{}, false},
	} {
		if a.meets(tc.other) != tc.want || tc.other.meets(a) != tc.want {
			t.Errorf("%s: want %v", name, tc.want)
		}
	}
}
