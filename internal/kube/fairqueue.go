// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"sync"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// FairQueue makes a queue that gives each namespace with work its turn: round robin between namespaces, first in first out within one. So the load of one
// namespace does not delay the others. Requests of the lowest priority come when there are no others, and once in lowShare requests while there are.
//
// Only the order differs from the queue of client-go. Deduplication, delays, rate limits and metrics are those of client-go.
func FairQueue(controller string, limiter workqueue.TypedRateLimiter[reconcile.Request]) *LowQueue {
	order := &fairQueue{}
	queue := &priorities{
		TypedInterface: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[reconcile.Request]{Name: controller, Queue: order}), order: order,
	}
	delaying := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[reconcile.Request]{Name: controller, Queue: queue})
	limited := workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[reconcile.Request]{
		Name: controller, DelayingQueue: delaying,
	})
	return &LowQueue{TypedRateLimitingInterface: limited, queue: queue}
}

// LowQueue is the queue of a controller, with requests of the lowest priority.
type LowQueue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	queue *priorities
}

// AddLow adds a request at the lowest priority. One that waits already keeps its place, and one that is added again by Add gets the usual priority.
func (q *LowQueue) AddLow(request reconcile.Request) { q.queue.addLow(request) }

// priorities tells the order at which priority a request is added. Delayed requests are added here, too.
type priorities struct {
	workqueue.TypedInterface[reconcile.Request]

	// mu guards order.addsLow, which the order reads while a request is added.
	mu    sync.Mutex
	order *fairQueue
}

// Add implements workqueue.TypedInterface.
func (p *priorities) Add(request reconcile.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.TypedInterface.Add(request)
}

// Done implements workqueue.TypedInterface. A request that was added while it was processed is pushed now.
func (p *priorities) Done(request reconcile.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.TypedInterface.Done(request)
}

func (p *priorities) addLow(request reconcile.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.order.addsLow = true
	p.TypedInterface.Add(request)
	p.order.addsLow = false
}

// lowShare: one of so many requests is of the lowest priority while there are others, so that those do not starve.
const lowShare = 16

// fairQueue implements workqueue.Queue, which is used by one goroutine at a time.
type fairQueue struct {
	// turns are the namespaces with work. The first one is next.
	turns fifo[*lane]
	lanes map[string]*lane
	// low are the requests of the lowest priority, in the order of lowOrder, which has some that were moved to their lane since.
	low      map[reconcile.Request]bool
	lowOrder fifo[reconcile.Request]
	// addsLow: the request that is being added is of the lowest priority.
	addsLow bool
	size    int
	pops    int
}

// lane is the work of one namespace. It is never empty.
type lane struct {
	namespace string
	requests  fifo[reconcile.Request]
}

// Touch implements workqueue.Queue: a request that is added again keeps its place, unless it is of the lowest priority no longer.
func (q *fairQueue) Touch(request reconcile.Request) {
	if !q.addsLow && q.low[request] {
		q.leaveLow(request)
		q.pushLane(request)
	}
}

func (q *fairQueue) leaveLow(request reconcile.Request) {
	delete(q.low, request)
	if len(q.low) == 0 {
		q.low, q.lowOrder = nil, nil
	}
}

// Push implements workqueue.Queue.
func (q *fairQueue) Push(request reconcile.Request) {
	q.size++
	if !q.addsLow {
		q.pushLane(request)
		return
	}
	if q.low == nil {
		q.low = map[reconcile.Request]bool{}
	}
	q.low[request] = true
	q.lowOrder.push(request)
}

func (q *fairQueue) pushLane(request reconcile.Request) {
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
}

// Len implements workqueue.Queue.
func (q *fairQueue) Len() int { return q.size }

// Pop implements workqueue.Queue.
func (q *fairQueue) Pop() reconcile.Request {
	q.size--
	q.pops++
	if len(q.low) > 0 && (len(q.turns) == 0 || q.pops%lowShare == 0) {
		return q.popLow()
	}
	l := q.turns.pop()
	request := l.requests.pop()
	if len(l.requests) == 0 {
		delete(q.lanes, l.namespace)
	} else {
		q.turns.push(l)
	}
	return request
}

// popLow takes the next request of the lowest priority. There is one.
func (q *fairQueue) popLow() reconcile.Request {
	for {
		request := q.lowOrder.pop()
		if !q.low[request] {
			continue
		}
		q.leaveLow(request)
		return request
	}
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
