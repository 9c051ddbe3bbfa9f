// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// queue is a controller's queue: each key once, one that is added while it is worked on comes again afterwards, delayed ones at their time. The scheduler picks any of
// those that are ready, so their order does not matter.
type queue struct {
	mu      sync.Mutex
	limiter workqueue.TypedRateLimiter[reconcile.Request]
	ready   map[reconcile.Request]bool
	delayed map[reconcile.Request]time.Time
	running map[reconcile.Request]bool
	closed  bool
}

var _ workqueue.TypedRateLimitingInterface[reconcile.Request] = (*queue)(nil)

func newQueue(limiter workqueue.TypedRateLimiter[reconcile.Request]) *queue {
	return &queue{
		limiter: limiter, ready: map[reconcile.Request]bool{}, delayed: map[reconcile.Request]time.Time{}, running: map[reconcile.Request]bool{},
	}
}

// Add implements workqueue.TypedInterface.
func (q *queue) Add(request reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ready[request] = true
}

// AddLow implements what a resync needs.
func (q *queue) AddLow(request reconcile.Request) { q.Add(request) }

// AddAfter implements workqueue.TypedDelayingInterface.
func (q *queue) AddAfter(request reconcile.Request, after time.Duration) {
	if after <= 0 {
		q.Add(request)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	due := time.Now().Add(after)
	if have, ok := q.delayed[request]; !ok || due.Before(have) {
		q.delayed[request] = due
	}
}

// AddRateLimited implements workqueue.TypedRateLimitingInterface.
func (q *queue) AddRateLimited(request reconcile.Request) {
	q.AddAfter(request, q.limiter.When(request))
}

// Forget implements workqueue.TypedRateLimitingInterface.
func (q *queue) Forget(request reconcile.Request) { q.limiter.Forget(request) }

// NumRequeues implements workqueue.TypedRateLimitingInterface.
func (q *queue) NumRequeues(request reconcile.Request) int { return q.limiter.NumRequeues(request) }

// Len implements workqueue.TypedInterface.
func (q *queue) Len() int { return len(q.ready) }

// Get implements workqueue.TypedInterface. The scheduler uses take instead.
func (q *queue) Get() (request reconcile.Request, shutdown bool) { return request, true }

// Done implements workqueue.TypedInterface.
func (q *queue) Done(request reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.running, request)
}

// ShutDown implements workqueue.TypedInterface.
func (q *queue) ShutDown() { q.closed = true }

// ShutDownWithDrain implements workqueue.TypedInterface.
func (q *queue) ShutDownWithDrain() { q.closed = true }

// ShuttingDown implements workqueue.TypedInterface.
func (q *queue) ShuttingDown() bool { return q.closed }

// available are the keys that may be worked on now, sorted.
func (q *queue) available() []reconcile.Request {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for request, due := range q.delayed {
		if !due.After(now) {
			delete(q.delayed, request)
			q.ready[request] = true
		}
	}
	if len(q.ready) == 0 {
		return nil
	}
	list := make([]reconcile.Request, 0, len(q.ready))
	for request := range q.ready {
		if !q.running[request] {
			list = append(list, request)
		}
	}
	slices.SortFunc(list, func(a, b reconcile.Request) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// take begins the work on a key.
func (q *queue) take(request reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.ready, request)
	q.running[request] = true
}

// due is when the next delayed key becomes ready, false if there is none.
func (q *queue) due() (at time.Time, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, due := range q.delayed {
		if !ok || due.Before(at) {
			at, ok = due, true
		}
	}
	return at, ok
}
