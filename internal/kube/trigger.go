// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
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
	"sigs.k8s.io/controller-runtime/pkg/source"
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

// Trigger puts requests into a controller's queue from outside of Kubernetes: outcomes of calls, an app that has started.
type Trigger struct {
	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
	early []reconcile.Request
}

// Source is the trigger as a source of one controller.
func (t *Trigger) Source() source.Source {
	return source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.queue = queue
		for _, request := range t.early {
			queue.Add(request)
		}
		t.early = nil
		return nil
	})
}

// Add asks for a reconcile. It does not block.
func (t *Trigger) Add(key types.NamespacedName) {
	request := reconcile.Request{NamespacedName: key}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queue == nil {
		t.early = append(t.early, request)
		return
	}
	t.queue.Add(request)
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
