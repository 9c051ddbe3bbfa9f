// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// LetGo has a reconciler let the objects of a kind go with their namespace although it may do nothing else there any more.
//
// Where the operator's rights are Roles in the namespaces that it serves, those go when a namespace is deleted, and before what they are for: Kubernetes deletes
// everything in it, in no order. The right to take finalizers off is then one of the few that the operator has left, see docs/rbac.md.
func LetGo(next reconcile.Reconciler, c client.Client, live client.Reader, kind client.Object, finalizers ...string) reconcile.Reconciler {
	return &letGo{next: next, client: c, live: live, kind: kind, finalizers: finalizers}
}

type letGo struct {
	next       reconcile.Reconciler
	client     client.Client
	live       client.Reader
	kind       client.Object
	finalizers []string
}

// Reconcile implements reconcile.Reconciler.
func (l *letGo) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	result, err := l.next.Reconcile(ctx, req)
	if !apierrors.IsForbidden(err) {
		return result, err
	}
	let, letErr := l.letGo(ctx, req.NamespacedName)
	switch {
	case apierrors.IsConflict(letErr):
		return ctrl.Result{RequeueAfter: Jitter(100 * time.Millisecond)}, nil
	case !let:
		return result, errors.Join(err, letErr)
	}
	return ctrl.Result{}, nil
}

// letGo takes the finalizers off an object that is deleted with its namespace. It is false for any other, and for one that has none of them.
func (l *letGo) letGo(ctx context.Context, key types.NamespacedName) (bool, error) {
	object := l.kind.DeepCopyObject().(client.Object)
	if err := l.client.Get(ctx, key, object); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	if object.GetDeletionTimestamp().IsZero() {
		return false, nil
	}
	before := object.DeepCopyObject().(client.Object)
	var has bool
	for _, finalizer := range l.finalizers {
		has = controllerutil.RemoveFinalizer(object, finalizer) || has
	}
	if !has {
		return false, nil
	}
	goes, err := NamespaceGoes(ctx, l.live, key.Namespace)
	if err != nil || !goes {
		return false, err
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	err = l.client.Patch(ctx, object, patch, client.FieldOwner(FieldOwner))
	return client.IgnoreNotFound(err) == nil, client.IgnoreNotFound(err)
}
