// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Watch is one kind that a controller follows: an event of the kind that passes all Predicates goes to the Handler, which enqueues the objects to reconcile.
//
// Each controller gives its watches as a list, its own kind included, so that a test or a simulation can deliver events without a manager.
type Watch struct {
	// Object is an empty object of the kind.
	Object     client.Object
	Handler    handler.EventHandler
	Predicates []predicate.Predicate
	// MayWait reports whether an object that is there when the controller starts is enqueued at the lowest priority: after a restart, new changes do not wait for all that
	// were there before. nil: none may.
	MayWait func(client.Object) bool
}

// Own is the watch of a controller's own kind: each event enqueues its object.
func Own(object client.Object, predicates ...predicate.Predicate) Watch {
	return Watch{Object: object, Handler: &handler.EnqueueRequestForObject{}, Predicates: predicates}
}

// Build adds a controller to the manager. Its events come from the watches and the triggers, its namespaces take turns, and the resync enqueues every object once in
// each period, while this process leads.
func Build(
	mgr ctrl.Manager, name string, watches []Watch, options controller.Options, reconciler reconcile.Reconciler, resync *Resync, triggers ...*Trigger,
) error {
	var low lowQueue
	options.NewQueue = func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		queue := FairQueue(name, limiter)
		resync.Into(queue)
		low.queue = queue
		for _, trigger := range triggers {
			trigger.Into(queue)
		}
		return queue
	}
	if err := mgr.Add(resync); err != nil {
		return fmt.Errorf("adding the resync: %w", err)
	}
	b := ctrl.NewControllerManagedBy(mgr).Named(name).WithOptions(options)
	for _, watch := range watches {
		b = b.Watches(watch.Object, low.handler(watch), builder.WithPredicates(watch.Predicates...))
	}
	return b.Complete(reconciler)
}

// lowQueue enqueues at the lowest priority what is there when the controller starts and may wait.
type lowQueue struct{ queue *LowQueue }

// handler returns the handler of a watch.
func (l *lowQueue) handler(watch Watch) handler.EventHandler {
	if watch.MayWait == nil {
		return watch.Handler
	}
	return &initialHandler{EventHandler: watch.Handler, low: l, mayWait: watch.MayWait}
}

type initialHandler struct {
	handler.EventHandler
	low     *lowQueue
	mayWait func(client.Object) bool
}

// Create implements handler.EventHandler.
func (h *initialHandler) Create(ctx context.Context, e event.CreateEvent, queue Queue) {
	if e.IsInInitialList && h.mayWait(e.Object) {
		h.low.queue.AddLow(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.Object)})
		return
	}
	h.EventHandler.Create(ctx, e, queue)
}
