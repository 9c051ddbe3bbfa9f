// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Queue is the queue of a controller.
type Queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

const (
	// sweepRate is how many objects of a namespace a sweep enqueues in a second.
	sweepRate = 500
	// sweepEvery is the least time between the starts of two sweeps of one namespace.
	sweepEvery = 5 * time.Second
)

// Sweeper re-evaluates all objects of a namespace. A handler that fails to map an event to objects requests a sweep instead, so that no event is lost.
//
// A sweep is a request in the queue of the controller, without a name. So deduplication, back-off and the turns of namespaces hold for sweeps, too, and no
// goroutine or timer is needed. Of one namespace, one sweep is running and one waiting at most.
//
// A sweep enqueues each object once. Where an object cannot be evaluated yet, its own reconcile fails and is retried by the rate limiter of the queue.
type Sweeper struct {
	cache client.Reader
	clock clock.PassiveClock
	kind  string
	list  client.ObjectList

	mu     sync.Mutex
	sweeps map[string]sweep
	// queue is where the requests for sweeps came from.
	queue Queue
}

// sweep is the state of one namespace.
type sweep struct {
	// next is when the next sweep may start.
	next time.Time
	// waiting: one was requested and has not started.
	waiting bool
}

// NewSweeper makes a sweeper of the objects that fit into a list, which are read from the cache. The kind is its plural in messages: "users".
func NewSweeper(cache client.Reader, clock clock.PassiveClock, kind string, list client.ObjectList) *Sweeper {
	return &Sweeper{cache: cache, clock: clock, kind: kind, list: list, sweeps: map[string]sweep{}}
}

// Request enqueues a sweep of a namespace. The cause is logged unless a sweep is waiting already. It does not block.
func (s *Sweeper) Request(ctx context.Context, namespace string, cause error, queue Queue) {
	s.mu.Lock()
	state := s.sweeps[namespace]
	wait, waiting := state.next.Sub(s.clock.Now()), state.waiting
	state.waiting = true
	s.sweeps[namespace], s.queue = state, queue
	s.mu.Unlock()
	if !waiting {
		log.FromContext(ctx).Error(cause, "failed to map event to objects; re-evaluating all "+s.kind+" of the namespace", "namespace", namespace)
	}
	enqueueAfter(queue, types.NamespacedName{Namespace: namespace}, wait)
}

// Reconciler makes the sweeps that Request enqueues. All other requests go to next.
func (s *Sweeper) Reconciler(next reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
		if req.Name != "" {
			return next.Reconcile(ctx, req)
		}
		return s.sweep(ctx, req.Namespace)
	})
}

// sweep enqueues the objects of a namespace. It does nothing if no sweep is waiting, and comes back if it is too early for one.
func (s *Sweeper) sweep(ctx context.Context, namespace string) (ctrl.Result, error) {
	now := s.clock.Now()
	queue, wait := s.start(namespace, now)
	if queue == nil {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	keys, err := s.keys(ctx, namespace)
	if err != nil {
		s.end(namespace, now.Add(retryBase), true)
		return ctrl.Result{}, err
	}
	for i, key := range keys {
		enqueueAfter(queue, key, spread(i))
	}
	s.end(namespace, now.Add(max(sweepEvery, spread(len(keys)))), false)
	return ctrl.Result{}, nil
}

// spread is when a sweep enqueues its i-th object.
func spread(i int) time.Duration { return time.Duration(i) * time.Second / sweepRate }

// start starts the sweep that is waiting. Without one, or before its time, it returns no queue; then the second result is how long the sweep has to wait.
func (s *Sweeper) start(namespace string, now time.Time) (Queue, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.sweeps[namespace]
	switch wait := state.next.Sub(now); {
	case !state.waiting:
		return nil, 0
	case wait > 0:
		return nil, wait
	}
	maps.DeleteFunc(s.sweeps, func(_ string, other sweep) bool { return !other.waiting && !other.next.After(now) })
	// A request that comes from now on is one for the next sweep: this one may have listed the objects already.
	s.sweeps[namespace] = sweep{next: now.Add(sweepEvery)}
	return s.queue, 0
}

// end notes when the next sweep may start, and whether the one that ends has to be repeated.
func (s *Sweeper) end(namespace string, next time.Time, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweeps[namespace] = sweep{next: next, waiting: again || s.sweeps[namespace].waiting}
}

// keys are the objects of a namespace.
func (s *Sweeper) keys(ctx context.Context, namespace string) ([]types.NamespacedName, error) {
	list := s.list.DeepCopyObject().(client.ObjectList)
	if err := s.cache.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the %s of a namespace to re-evaluate them: %w", s.kind, err)
	}
	var keys []types.NamespacedName
	err := meta.EachListItem(list, func(item runtime.Object) error {
		if object, ok := item.(client.Object); ok {
			keys = append(keys, client.ObjectKeyFromObject(object))
		}
		return nil
	})
	return inOrder(keys), err
}
