// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package groupslice removes the ScimGroupSlices that no group names any more: those that changes have replaced, and what crashes have left behind. What may go, and
// why nothing that counts is among it, is the directory's matter (docs/decisions/0009-group-slices.md).
package groupslice

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/kube"
)

const (
	// trail is how long a replaced slice stays: who is concerned by the change is found by comparing it with the one that came for it.
	trail = 30 * time.Second
	// look is when a new slice is looked at. Nearly all are named by then.
	look = time.Minute
	// again is the wait after a group has changed under the sweeper.
	again = time.Second
)

// Reconciler sweeps the slices of one group at a time. Its requests are ScimGroups, there or not.
type Reconciler struct {
	Directory *directory.Store
	Clock     clock.PassiveClock

	dropped dropped
}

// +kubebuilder:rbac:groups=scim-operator.io,resources=scimgroupslices,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimgroups,verbs=get;list;watch;update

// SetupWithManager starts the controller with the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, schedule kube.Schedule) error {
	resync := &kube.Resync{Cache: mgr.GetClient(), Schedule: schedule, Kind: &v1alpha1.ScimGroupSliceList{}, Key: groupOf}
	return kube.Build(mgr, "scimgroupslice", r.Watches(), controller.Options{RateLimiter: kube.RateLimiter()}, r, resync)
}

// groupOf is the group of a slice.
func groupOf(object client.Object) types.NamespacedName {
	key := types.NamespacedName{Namespace: object.GetNamespace()}
	if slice, ok := object.(*v1alpha1.ScimGroupSlice); ok {
		key.Name = slice.Spec.Group
	}
	return key
}

// Watches are the kinds that the controller follows.
func (r *Reconciler) Watches() []kube.Watch {
	return []kube.Watch{
		{Object: &v1alpha1.ScimGroupSlice{}, Handler: made()},
		{Object: &v1alpha1.ScimGroup{}, Handler: r.replaced()},
	}
}

// Reconcile removes what the group no longer needs.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ripe, next := r.dropped.ripe(req.NamespacedName, r.Clock.Now().Add(-trail))
	later, err := r.Directory.SweepSlices(ctx, req.Namespace, req.Name, func(slice string) bool { return ripe[slice] })
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: again}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	r.dropped.forget(req.NamespacedName, ripe)
	if next > 0 && (later == 0 || next < later) {
		later = next
	}
	return ctrl.Result{RequeueAfter: later}, nil
}

// made: the group of a new slice, in case that it was written for a change that came to nothing.
func made() handler.EventHandler {
	return handler.Funcs{CreateFunc: func(_ context.Context, e event.CreateEvent, q kube.Queue) {
		slice, ok := e.Object.(*v1alpha1.ScimGroupSlice)
		if !ok {
			return
		}
		request := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: slice.Namespace, Name: slice.Spec.Group}}
		if e.IsInInitialList {
			q.Add(request)
		} else {
			q.AddAfter(request, look)
		}
	}}
}

// replaced: a group that names a slice no longer, or is gone.
func (r *Reconciler) replaced() handler.EventHandler {
	return handler.Funcs{
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q kube.Queue) {
			before, ok1 := e.ObjectOld.(*v1alpha1.ScimGroup)
			after, ok2 := e.ObjectNew.(*v1alpha1.ScimGroup)
			if !ok1 || !ok2 || before.UID != after.UID {
				return
			}
			request := requestOf(after)
			if r.dropped.note(request.NamespacedName, before.Spec.Slices, after.Spec.Slices, r.Clock.Now()) {
				q.AddAfter(request, trail)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q kube.Queue) {
			if group, ok := e.Object.(*v1alpha1.ScimGroup); ok && len(group.Spec.Slices) > 0 {
				q.Add(requestOf(group))
			}
		},
	}
}

func requestOf(group *v1alpha1.ScimGroup) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: group.Namespace, Name: group.Name}}
}
