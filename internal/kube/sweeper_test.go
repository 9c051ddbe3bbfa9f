// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/kube/kubetest"
)

var errUnknown = errors.New("cannot tell")

// listing is a cache of users, by namespace, which may fail.
type listing struct {
	client.Reader
	users map[string]int
	// fails is how many of the next lists fail.
	fails int
	// during is called while a list is being made.
	during func()
	lists  int
}

func (l *listing) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	l.lists++
	if l.during != nil {
		l.during()
	}
	if l.fails > 0 {
		l.fails--
		return errors.New("no list")
	}
	namespace := (&client.ListOptions{}).ApplyOptions(opts).Namespace
	users := list.(*v1alpha1.ScimUserList)
	for i := range l.users[namespace] {
		user := v1alpha1.ScimUser{}
		user.Namespace, user.Name = namespace, fmt.Sprintf("u%05d", l.users[namespace]-1-i)
		users.Items = append(users.Items, user)
	}
	return nil
}

// sweeps is a sweeper on a clock, with the times at which each object was reconciled.
type sweeps struct {
	*testing.T
	begin   time.Time
	clock   *clocktesting.FakePassiveClock
	cache   *listing
	queue   *kubetest.Queue
	sweeper *kube.Sweeper
	seen    map[string][]time.Duration
}

func newSweeps(t *testing.T, users map[string]int) *sweeps {
	s := &sweeps{T: t, begin: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), cache: &listing{users: users}, seen: map[string][]time.Duration{}}
	s.clock = clocktesting.NewFakePassiveClock(s.begin)
	s.queue = kubetest.NewQueue(s.clock)
	s.sweeper = kube.NewSweeper(s.cache, s.clock, "users", &v1alpha1.ScimUserList{})
	return s
}

func (s *sweeps) request(namespace string) {
	s.sweeper.Request(s.Context(), namespace, errUnknown, s.queue)
}

func (s *sweeps) until(d time.Duration) {
	next := reconcile.Func(func(_ context.Context, req ctrl.Request) (ctrl.Result, error) {
		s.seen[req.String()] = append(s.seen[req.String()], s.clock.Since(s.begin))
		return ctrl.Result{}, nil
	})
	s.queue.Run(s.Context(), s.sweeper.Reconciler(next), s.begin.Add(d))
}

func TestASweepEnqueuesAllObjectsOfTheNamespace(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	for name, tc := range map[string]struct {
		users map[string]int
		do    func(*sweeps)
		// want are the times at which the first and the last user of "a" are reconciled.
		first, last []time.Duration
		lists       int
	}{
		"at once, one after the other": {
			users: map[string]int{"a": 5, "b": 5}, do: func(s *sweeps) { s.request("a") },
			first: []time.Duration{0}, last: []time.Duration{8 * ms}, lists: 1,
		},
		"an empty namespace": {do: func(s *sweeps) { s.request("a") }, lists: 1},
		"once for many requests": {
			users: map[string]int{"a": 5}, do: func(s *sweeps) { s.request("a"); s.request("a"); s.request("a") },
			first: []time.Duration{0}, last: []time.Duration{8 * ms}, lists: 1,
		},
		"again for requests that come while it is running, after a while": {
			users: map[string]int{"a": 5}, do: func(s *sweeps) { s.request("a"); s.until(4 * ms); s.request("a"); s.until(ms * 6); s.request("a") },
			first: []time.Duration{0, 5 * s}, last: []time.Duration{8 * ms, 5*s + 8*ms}, lists: 2,
		},
		"again for a request that comes while the objects are listed": {
			users: map[string]int{"a": 5}, do: func(s *sweeps) {
				s.cache.during = func() { s.cache.during = nil; s.request("a") }
				s.request("a")
			},
			first: []time.Duration{0, 5 * s}, last: []time.Duration{8 * ms, 5*s + 8*ms}, lists: 2,
		},
		"at once if the last one is a while ago": {
			users: map[string]int{"a": 5}, do: func(t *sweeps) { t.request("a"); t.until(6 * s); t.request("a") },
			first: []time.Duration{0, 6 * s}, last: []time.Duration{8 * ms, 6*s + 8*ms}, lists: 2,
		},
		"not before the last one has enqueued all": {
			users: map[string]int{"a": 5001}, do: func(t *sweeps) { t.request("a"); t.until(s); t.request("a") },
			first: []time.Duration{0, 10*s + 2*ms}, last: []time.Duration{10 * s, 20*s + 2*ms}, lists: 2,
		},
		"each namespace by itself": {
			users: map[string]int{"a": 5, "b": 5}, do: func(s *sweeps) { s.request("b"); s.until(2 * ms); s.request("a") },
			first: []time.Duration{2 * ms}, last: []time.Duration{10 * ms}, lists: 2,
		},
		"with back-off while they cannot be listed": {
			users: map[string]int{"a": 5}, do: func(s *sweeps) { s.cache.fails = 3; s.request("a") },
			first: []time.Duration{7 * s}, last: []time.Duration{7*s + 8*ms}, lists: 4,
		},
		"at most once a second for many requests while they cannot be listed": {
			users: map[string]int{"a": 5}, do: func(t *sweeps) {
				t.cache.fails = 4
				for at := time.Duration(0); at < 4*s; at += 10 * ms {
					t.until(at)
					t.request("a")
				}
			},
			first: []time.Duration{4 * s}, last: []time.Duration{4*s + 8*ms}, lists: 5,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSweeps(t, tc.users)
			tc.do(s)
			s.until(time.Minute)
			first, last := s.seen["a/u00000"], s.seen[fmt.Sprintf("a/u%05d", tc.users["a"]-1)]
			if diff := cmp.Diff([][]time.Duration{tc.first, tc.last}, [][]time.Duration{first, last}); diff != "" {
				t.Error(diff)
			}
			if s.cache.lists != tc.lists {
				t.Errorf("%d lists, want %d", s.cache.lists, tc.lists)
			}
		})
	}
}

func TestASweepIsLoggedOnce(t *testing.T) {
	s := newSweeps(t, nil)
	var logged []string
	ctx := log.IntoContext(t.Context(), funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{}))
	for range 3 {
		s.sweeper.Request(ctx, "a", errUnknown, s.queue)
	}
	want := []string{
		`"msg"="failed to map event to objects; re-evaluating all users of the namespace" "error"="cannot tell" "namespace"="a"`,
	}
	if diff := cmp.Diff(want, logged); diff != "" {
		t.Error(diff)
	}
}

// Requests come from the goroutines of all informers, sweeps are made by any worker: each request is followed by a list, and each list was requested.
func TestSweepsAreRequestedByManyGoroutines(t *testing.T) {
	const rounds, informers, workers = 50, 8, 4
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	cache := &listing{users: map[string]int{"a": 1}}
	sweeper := kube.NewSweeper(cache, clock, "users", &v1alpha1.ScimUserList{})
	queue := kube.FairQueue("", kube.RateLimiter())
	seen := make(chan struct{}, rounds*informers)
	reconciler := sweeper.Reconciler(reconcile.Func(func(context.Context, ctrl.Request) (ctrl.Result, error) {
		seen <- struct{}{}
		return ctrl.Result{}, nil
	}))
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for {
				request, shutdown := queue.Get()
				if shutdown {
					return
				}
				if _, err := reconciler.Reconcile(t.Context(), request); err != nil {
					t.Error(err)
				}
				queue.Done(request)
			}
		})
	}
	for range rounds {
		clock.SetTime(clock.Now().Add(time.Hour))
		var informing sync.WaitGroup
		for range informers {
			informing.Go(func() { sweeper.Request(t.Context(), "a", errUnknown, queue) })
		}
		informing.Wait()
		<-seen
	}
	queue.ShutDown()
	working.Wait()
	if cache.lists != rounds {
		t.Errorf("%d sweeps, want %d: what comes within 5 s of the start is one later sweep", cache.lists, rounds)
	}
}
