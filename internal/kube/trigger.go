// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Waits of a reconcile that failed. The first one is a second, not milliseconds: what fails is mostly the API server under load.
const (
	retryBase = time.Second
	retryMax  = 5 * time.Minute
)

// RateLimiter paces the retries of a controller.
func RateLimiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](retryBase, retryMax)
}

// Trigger puts requests into a controller's queue from outside of Kubernetes: outcomes of calls, an app that has started. What comes before the controller has its queue is kept.
type Trigger struct {
	mu    sync.Mutex
	queue *LowQueue
	early []func(*LowQueue)
}

// Into sets the queue (Build).
func (t *Trigger) Into(queue *LowQueue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = queue
	for _, add := range t.early {
		add(queue)
	}
	t.early = nil
}

// Add asks for a reconcile. It does not block.
func (t *Trigger) Add(key types.NamespacedName) {
	t.add(func(queue *LowQueue) { queue.Add(reconcile.Request{NamespacedName: key}) })
}

// AddLow asks for a reconcile at the lowest priority. It does not block.
func (t *Trigger) AddLow(key types.NamespacedName) {
	t.add(func(queue *LowQueue) { queue.AddLow(reconcile.Request{NamespacedName: key}) })
}

func (t *Trigger) add(add func(*LowQueue)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queue == nil {
		t.early = append(t.early, add)
		return
	}
	add(t.queue)
}

// Changed lets events through unless only the status changed: a controller knows what it wrote.
func Changed() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return MetaChanged(e.ObjectOld, e.ObjectNew) }}
}

// MetaChanged is whether the spec, the annotations, the finalizers or the deletion differ.
func MetaChanged(before, after client.Object) bool {
	return before.GetGeneration() != after.GetGeneration() ||
		before.GetUID() != after.GetUID() ||
		before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero() ||
		!maps.Equal(before.GetAnnotations(), after.GetAnnotations()) ||
		!slices.Equal(before.GetFinalizers(), after.GetFinalizers())
}
