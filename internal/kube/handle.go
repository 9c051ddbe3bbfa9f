// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Handle makes a handler that enqueues the objects that a function returns for an object before and after a change. before is nil at creation, after at
// deletion. The function may return keys together with an error: the keys are enqueued, and the error requests a sweep of the object's namespace.
func Handle[T client.Object](
	sweeper *Sweeper, concerned func(ctx context.Context, before, after T) ([]types.NamespacedName, error),
) handler.EventHandler {
	return HandleAfter(sweeper, 0, concerned)
}

// HandleAfter is Handle for objects that are enqueued after a delay, so that several changes become one reconcile.
func HandleAfter[T client.Object](
	sweeper *Sweeper, delay time.Duration, concerned func(ctx context.Context, before, after T) ([]types.NamespacedName, error),
) handler.EventHandler {
	enqueue := func(ctx context.Context, before, after T, namespace string, queue Queue) {
		keys, err := concerned(ctx, before, after)
		if err != nil {
			sweeper.Request(ctx, namespace, err, queue)
		}
		for _, key := range inOrder(keys) {
			enqueueAfter(queue, key, delay)
		}
	}
	var none T
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, queue Queue) {
			// At the start, the watch of the controller's own kind enqueues every object (Own).
			if object, ok := e.Object.(T); ok && !e.IsInInitialList {
				enqueue(ctx, none, object, object.GetNamespace(), queue)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, queue Queue) {
			before, ok1 := e.ObjectOld.(T)
			after, ok2 := e.ObjectNew.(T)
			if ok1 && ok2 {
				enqueue(ctx, before, after, after.GetNamespace(), queue)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, queue Queue) {
			if object, ok := e.Object.(T); ok {
				enqueue(ctx, object, none, object.GetNamespace(), queue)
			}
		},
	}
}

// Deleted makes a handler that calls a function for each object that does not exist any more, and enqueues nothing. It tells of objects whose finalizers others removed.
func Deleted[T client.Object](forget func(T)) handler.EventHandler {
	return handler.Funcs{DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ Queue) {
		if object, ok := e.Object.(T); ok {
			forget(object)
		}
	}}
}

// enqueueAfter adds a key to a queue. Without a delay it is none of those that the queue counts as retries.
func enqueueAfter(queue Queue, key types.NamespacedName, delay time.Duration) {
	request := reconcile.Request{NamespacedName: key}
	if delay <= 0 {
		queue.Add(request)
		return
	}
	queue.AddAfter(request, delay)
}

// inOrder sorts keys and drops the repeated ones: the order in which objects are enqueued depends on nothing but the objects.
func inOrder(keys []types.NamespacedName) []types.NamespacedName {
	slices.SortFunc(keys, func(a, b types.NamespacedName) int {
		if order := strings.Compare(a.Namespace, b.Namespace); order != 0 {
			return order
		}
		return strings.Compare(a.Name, b.Name)
	})
	return slices.Compact(keys)
}
