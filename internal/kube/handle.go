// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Waits of a handler that cannot tell yet whom a change concerns, mostly because another cache is behind: 3 s in all.
const (
	tellAgain = 50 * time.Millisecond
	tellTries = 6
)

// Handle makes a handler of one function that gets an object before and after a change, and tells which objects the change concerns. before is
// nil at creation, after at deletion. Where the function fails, it is asked again a few times.
func Handle[T client.Object](concerned func(ctx context.Context, before, after T) ([]types.NamespacedName, error)) handler.EventHandler {
	return HandleOr(concerned, nil)
}

// HandleOr is Handle with a second function, which is asked instead of the first once that has failed for good: for changes that must not be missed.
func HandleOr[T client.Object](
	concerned func(ctx context.Context, before, after T) ([]types.NamespacedName, error),
	otherwise func(ctx context.Context, namespace string) ([]types.NamespacedName, error),
) handler.EventHandler {
	t := &teller[T]{concerned: concerned, otherwise: otherwise}
	var none T
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if object, ok := e.Object.(T); ok {
				t.tell(ctx, none, object, object.GetNamespace(), q, 0)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			before, ok := e.ObjectOld.(T)
			after, ok2 := e.ObjectNew.(T)
			if ok && ok2 {
				t.tell(ctx, before, after, after.GetNamespace(), q, 0)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			if object, ok := e.Object.(T); ok {
				t.tell(ctx, object, none, object.GetNamespace(), q, 0)
			}
		},
	}
}

type teller[T client.Object] struct {
	concerned func(ctx context.Context, before, after T) ([]types.NamespacedName, error)
	otherwise func(ctx context.Context, namespace string) ([]types.NamespacedName, error)
}

func (t *teller[T]) tell(ctx context.Context, before, after T, namespace string, q queue, tries int) {
	keys, err := t.concerned(ctx, before, after)
	if err != nil && tries < tellTries {
		// The context ends with the event.
		later := context.WithoutCancel(ctx)
		time.AfterFunc(tellAgain<<tries, func() {
			if !q.ShuttingDown() {
				t.tell(later, before, after, namespace, q, tries+1)
			}
		})
		return
	}
	if err != nil && t.otherwise != nil {
		log.FromContext(ctx).Error(err, "Cannot tell which objects a change concerns; all that it may concern are looked at")
		keys, err = t.otherwise(ctx, namespace)
	}
	if err != nil {
		log.FromContext(ctx).Error(err, "Cannot tell which objects a change concerns; they are found at their own next change")
		return
	}
	for _, key := range keys {
		q.Add(reconcile.Request{NamespacedName: key})
	}
}
