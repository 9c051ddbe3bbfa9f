// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// portioned is a cache of users with the index of a resync.
type portioned struct {
	client.Reader
	values  client.IndexerFunc
	users   map[string][]v1alpha1.ScimUser
	largest int
	fails   bool
}

func (p *portioned) IndexField(_ context.Context, _ client.Object, _ string, values client.IndexerFunc) error {
	p.values = values
	return nil
}

func (p *portioned) put(name string) {
	user := v1alpha1.ScimUser{}
	user.Namespace, user.Name = "acme", name
	for _, value := range p.values(&user) {
		p.users[value] = append(p.users[value], user)
	}
}

func (p *portioned) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if p.fails {
		p.fails = false
		return errors.New("no list")
	}
	options := (&client.ListOptions{}).ApplyOptions(opts)
	users := p.users[options.FieldSelector.Requirements()[0].Value]
	p.largest = max(p.largest, len(users))
	list.(*v1alpha1.ScimUserList).Items = users
	return nil
}

// visits is when each key was enqueued last, and how often each was.
type visits struct {
	clock *clocktesting.FakeClock
	last  map[string]time.Time
	count map[string]int
}

func (v *visits) AddLow(request reconcile.Request) {
	v.last[request.Name] = v.clock.Now()
	v.count[request.Name]++
}

const resyncPeriod = 30 * time.Minute

func newResync(t *testing.T, users int) (*kube.Resync, *portioned, *visits) {
	t.Helper()
	cache := &portioned{users: map[string][]v1alpha1.ScimUser{}}
	if err := kube.RegisterResync(t.Context(), cache, &v1alpha1.ScimUser{}); err != nil {
		t.Fatal(err)
	}
	for i := range users {
		cache.put(fmt.Sprintf("u%d", i))
	}
	v := &visits{clock: clocktesting.NewFakeClock(time.Unix(1_000_000, 0)), last: map[string]time.Time{}, count: map[string]int{}}
	r := &kube.Resync{Cache: cache, Schedule: kube.Schedule{Period: resyncPeriod, Clock: v.clock}, Kind: &v1alpha1.ScimUserList{}}
	r.Into(v)
	return r, cache, v
}

// run makes the steps of some time.
func run(t *testing.T, r *kube.Resync, clock *clocktesting.FakeClock, d time.Duration) {
	t.Helper()
	for end := clock.Now().Add(d); clock.Now().Before(end); {
		wait := r.Step(t.Context())
		if wait <= 0 {
			t.Fatalf("the next step is after %s", wait)
		}
		clock.Step(min(wait, end.Sub(clock.Now())))
	}
	r.Step(t.Context())
}

func TestAResyncEnqueuesEveryObjectOncePerPeriodAndInSmallPortions(t *testing.T) {
	const users = 20_000
	r, cache, visited := newResync(t, users)
	for period := 1; period <= 3; period++ {
		run(t, r, visited.clock, resyncPeriod)
		if len(visited.count) != users {
			t.Fatalf("period %d: %d of %d users are enqueued", period, len(visited.count), users)
		}
		for name, count := range visited.count {
			if count != period {
				t.Fatalf("period %d: %s is enqueued %d times", period, name, count)
			}
		}
	}
	if cache.largest > users/100 {
		t.Errorf("a portion has %d of %d users", cache.largest, users)
	}
}

func TestAResyncFindsAnObjectWithinOnePeriodWheneverItCame(t *testing.T) {
	r, cache, visited := newResync(t, 0)
	came := map[string]time.Time{}
	for i := range 500 {
		name := fmt.Sprintf("u%d", i)
		came[name] = visited.clock.Now()
		cache.put(name)
		run(t, r, visited.clock, resyncPeriod/100)
	}
	run(t, r, visited.clock, resyncPeriod)
	for name, at := range came {
		// A step is late by at most the least time between two.
		if wait := visited.last[name].Sub(at); visited.count[name] == 0 || (visited.count[name] == 1 && wait > resyncPeriod+time.Second) {
			t.Errorf("%s is enqueued %d times, after %s", name, visited.count[name], wait)
		}
	}
}

func TestAResyncReadsAPortionAgainThatCouldNotBeRead(t *testing.T) {
	r, cache, visited := newResync(t, 3_000)
	r.Step(t.Context())
	visited.clock.Step(resyncPeriod / 2)
	cache.fails = true
	r.Step(t.Context())
	run(t, r, visited.clock, resyncPeriod/2)
	for name, count := range visited.count {
		if count != 1 {
			t.Errorf("%s is enqueued %d times", name, count)
		}
	}
	if len(visited.count) != 3_000 {
		t.Errorf("%d users are enqueued", len(visited.count))
	}
}

func TestAResyncThatWasHeldUpEnqueuesEveryObjectOnce(t *testing.T) {
	r, _, visited := newResync(t, 100)
	r.Step(t.Context())
	visited.clock.Step(10 * resyncPeriod)
	r.Step(t.Context())
	for name, count := range visited.count {
		if count != 1 {
			t.Errorf("%s is enqueued %d times", name, count)
		}
	}
	if len(visited.count) != 100 {
		t.Errorf("%d users are enqueued", len(visited.count))
	}
}

func TestAResyncEnqueuesWhatIsRememberedOfObjectsThatDoNotExist(t *testing.T) {
	r, _, visited := newResync(t, 1)
	r.Known = func() []types.NamespacedName { return []types.NamespacedName{{Namespace: "acme", Name: "former"}} }
	var before []string
	r.Before = func(key types.NamespacedName) { before = append(before, key.Name) }
	r.Key = func(object client.Object) types.NamespacedName {
		return types.NamespacedName{Namespace: object.GetNamespace(), Name: "owner of " + object.GetName()}
	}
	run(t, r, visited.clock, resyncPeriod)
	if visited.count["former"] != 1 || visited.count["owner of u0"] != 1 || len(before) != 2 {
		t.Errorf("enqueued %v, told of %q before", visited.count, before)
	}
}

// Every kind within its share: what depends on another kind is found within the rest of the period.
func TestTheSharesOfAScheduleAddUpToThePeriod(t *testing.T) {
	s := kube.Schedule{Period: resyncPeriod}
	if got := s.First().Period + s.Last().Period; got != resyncPeriod {
		t.Errorf("got %s", got)
	}
}
