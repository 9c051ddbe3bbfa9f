// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// FairQueue makes a queue that gives each namespace with work its turn: round robin between namespaces, first in first out within one. So the load of one
// namespace does not delay the others. It has the signature of controller.Options.NewQueue.
//
// Only the order differs from the queue of client-go. Deduplication, delays, rate limits and metrics are those of client-go.
func FairQueue(controller string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	queue := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[reconcile.Request]{Name: controller, Queue: &fairQueue{}})
	delaying := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[reconcile.Request]{Name: controller, Queue: queue})
	return workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[reconcile.Request]{
		Name: controller, DelayingQueue: delaying,
	})
}

// fairQueue implements workqueue.Queue, which is used by one goroutine at a time.
type fairQueue struct {
	// turns are the namespaces with work. The first one is next.
	turns fifo[*lane]
	lanes map[string]*lane
	size  int
}

// lane is the work of one namespace. It is never empty.
type lane struct {
	namespace string
	requests  fifo[reconcile.Request]
}

// Touch implements workqueue.Queue: a request that is added again keeps its place.
func (q *fairQueue) Touch(reconcile.Request) {}

// Push implements workqueue.Queue.
func (q *fairQueue) Push(request reconcile.Request) {
	l := q.lanes[request.Namespace]
	if l == nil {
		if q.lanes == nil {
			q.lanes = map[string]*lane{}
		}
		l = &lane{namespace: request.Namespace}
		q.lanes[request.Namespace] = l
		q.turns.push(l)
	}
	l.requests.push(request)
	q.size++
}

// Len implements workqueue.Queue.
func (q *fairQueue) Len() int { return q.size }

// Pop implements workqueue.Queue.
func (q *fairQueue) Pop() reconcile.Request {
	l := q.turns.pop()
	request := l.requests.pop()
	q.size--
	if len(l.requests) == 0 {
		delete(q.lanes, l.namespace)
	} else {
		q.turns.push(l)
	}
	return request
}

// fifo is a slice used as client-go's queue uses one: append copies only the elements that are left, so that both operations take constant time on average.
type fifo[T any] []T

func (f *fifo[T]) push(element T) { *f = append(*f, element) }

func (f *fifo[T]) pop() T {
	var none T
	element := (*f)[0]
	// The array stays referenced, the element must not.
	(*f)[0] = none
	*f = (*f)[1:]
	return element
}
