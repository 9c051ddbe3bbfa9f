// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kubetest drives a controller without a manager, in one goroutine and on the clock of a test.
package kubetest

import (
	"context"
	"slices"
	"time"

	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/internal/kube"
)

// Queue is a controller's queue that one goroutine uses. It has the deduplication, the delays and the back-off of client-go.
type Queue struct {
	workqueue.TypedRateLimiter[reconcile.Request]
	clock *clocktesting.FakePassiveClock
	// due are ready in this order; delayed become ready at a time.
	due     []reconcile.Request
	delayed []delayed
}

type delayed struct {
	request reconcile.Request
	at      time.Time
}

var _ kube.Queue = (*Queue)(nil)

// NewQueue makes an empty queue.
func NewQueue(clock *clocktesting.FakePassiveClock) *Queue {
	return &Queue{TypedRateLimiter: kube.RateLimiter(), clock: clock}
}

// Add implements kube.Queue.
func (q *Queue) Add(request reconcile.Request) {
	if !slices.Contains(q.due, request) {
		q.due = append(q.due, request)
	}
}

// AddAfter implements kube.Queue. A request that is delayed already keeps the earlier time.
func (q *Queue) AddAfter(request reconcile.Request, delay time.Duration) {
	if delay <= 0 {
		q.Add(request)
		return
	}
	at := q.clock.Now().Add(delay)
	i := slices.IndexFunc(q.delayed, func(d delayed) bool { return d.request == request })
	if i >= 0 && !q.delayed[i].at.After(at) {
		return
	}
	if i >= 0 {
		q.delayed = slices.Delete(q.delayed, i, i+1)
	}
	// Behind those of the same time.
	i, _ = slices.BinarySearchFunc(q.delayed, at, func(d delayed, at time.Time) int {
		if d.at.After(at) {
			return 1
		}
		return -1
	})
	q.delayed = slices.Insert(q.delayed, i, delayed{request: request, at: at})
}

// AddRateLimited implements kube.Queue.
func (q *Queue) AddRateLimited(request reconcile.Request) { q.AddAfter(request, q.When(request)) }

// Len implements kube.Queue: how many requests are due.
func (q *Queue) Len() int {
	for len(q.delayed) > 0 && !q.delayed[0].at.After(q.clock.Now()) {
		q.Add(q.delayed[0].request)
		q.delayed = q.delayed[1:]
	}
	return len(q.due)
}

// Get implements kube.Queue. It does not block: with nothing due, it says that the queue is shut down.
func (q *Queue) Get() (reconcile.Request, bool) {
	if q.Len() == 0 {
		return reconcile.Request{}, true
	}
	request := q.due[0]
	q.due = q.due[1:]
	return request, false
}

// Done implements kube.Queue.
func (q *Queue) Done(reconcile.Request) {}

// ShutDown implements kube.Queue.
func (q *Queue) ShutDown() {}

// ShutDownWithDrain implements kube.Queue.
func (q *Queue) ShutDownWithDrain() {}

// ShuttingDown implements kube.Queue.
func (q *Queue) ShuttingDown() bool { return false }

// Run gives the requests that are due up to a time to a reconciler, one after the other, as a controller does. It moves the clock, which shows that time in the end.
func (q *Queue) Run(ctx context.Context, reconciler reconcile.Reconciler, until time.Time) {
	for {
		request, none := q.Get()
		switch {
		case !none:
			q.reconcile(ctx, reconciler, request)
		case len(q.delayed) == 0 || q.delayed[0].at.After(until):
			q.clock.SetTime(until)
			return
		default:
			q.clock.SetTime(q.delayed[0].at)
		}
	}
}

func (q *Queue) reconcile(ctx context.Context, reconciler reconcile.Reconciler, request reconcile.Request) {
	result, err := reconciler.Reconcile(ctx, request)
	if err != nil {
		q.AddRateLimited(request)
		return
	}
	q.Forget(request)
	if result.RequeueAfter > 0 {
		q.AddAfter(request, result.RequeueAfter)
	}
}
