// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Handle makes a handler of one function that gets an object before and after a change, and tells which objects the change concerns. before is
// nil at creation, after at deletion.
func Handle[T client.Object](concerned func(ctx context.Context, before, after T) ([]types.NamespacedName, error)) handler.EventHandler {
	enqueue := func(ctx context.Context, before, after T, q queue) {
		keys, err := concerned(ctx, before, after)
		if err != nil {
			log.FromContext(ctx).Error(err, "Cannot tell which objects a change concerns; they are found at their own next change")
			return
		}
		for _, key := range keys {
			q.Add(reconcile.Request{NamespacedName: key})
		}
	}
	var none T
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if object, ok := e.Object.(T); ok {
				enqueue(ctx, none, object, q)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			before, ok := e.ObjectOld.(T)
			after, ok2 := e.ObjectNew.(T)
			if ok && ok2 {
				enqueue(ctx, before, after, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			if object, ok := e.Object.(T); ok {
				enqueue(ctx, object, none, q)
			}
		},
	}
}
