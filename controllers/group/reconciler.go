// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package group reconciles ScimGroups: it admits them, counts their members, and has the apps that list them follow.
package group

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

const (
	// staleWait is the wait for the cache to show what was just written.
	staleWait = 30 * time.Millisecond
	// pushDelay gathers changes of a group's membership: accounts of many members come one by one.
	pushDelay = 500 * time.Millisecond
	// largeEvery is how often a group with slices is reconciled: each reconcile reads all of its members.
	largeEvery = 2 * time.Second
	// missingRetry is how often a group with a missing slice is reconciled.
	missingRetry = 10 * time.Second
	// slicesTrail is how long the members of a deleted group can still be read.
	slicesTrail = 5 * time.Second
	// conflictRetry is how often a refused group is reconciled.
	conflictRetry = time.Hour
)

// Reconciler reconciles ScimGroups.
type Reconciler struct {
	// Client writes, and reads from the cache; Live reads without a cache.
	Client    client.Client
	Live      client.Reader
	Directory *directory.Store
	View      *desired.View
	Apps      *provisioner.Registry
	Recorder  events.EventRecorder
	// Reporter tells of failures; nil for none.
	Reporter *kube.Reporter
	Clock    clock.PassiveClock

	// large are the groups to which looks are rare.
	large   looks
	sweeper *kube.Sweeper
}

// +kubebuilder:rbac:groups=scim-operator.io,resources=scimgroups,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimgroups/status,verbs=patch
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimgrouprecords,verbs=get;create;update;delete
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimusers,verbs=get;list;watch
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimapps,verbs=list;watch
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;create;update;delete
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile brings one group forward.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if wait := r.large.wait(req.NamespacedName, r.Clock.Now()); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	view, err := r.View.Group(ctx, req.NamespacedName)
	if errors.Is(err, membership.ErrIncomplete) {
		return r.incomplete(ctx, req.NamespacedName, err)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if view == nil {
		r.large.forget(req.NamespacedName)
		r.View.Book.Groups.Forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	r.large.looked(view.Group, r.Clock.Now())
	if view.Stale {
		return ctrl.Result{RequeueAfter: staleWait}, nil
	}
	var result ctrl.Result
	done, err := r.endConfirmations(ctx, view)
	if !done && err == nil {
		done, result, err = r.admit(ctx, view)
	}
	if !done && err == nil {
		result, err = r.follow(ctx, view)
	}
	switch {
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: staleWait}, nil
	case errors.Is(err, membership.ErrIncomplete):
		return r.incomplete(ctx, req.NamespacedName, err)
	}
	return result, err
}

// follow has the apps follow a group that takes effect, or goes.
func (r *Reconciler) follow(ctx context.Context, view *desired.GroupView) (ctrl.Result, error) {
	result, wrote, err := r.push(ctx, view)
	switch {
	case err != nil || view.Group.DeletionTimestamp.IsZero():
		return result, err
	case wrote:
		// The finalizer is bound to what was just written.
		return ctrl.Result{RequeueAfter: staleWait}, nil
	default:
		after, err := r.finalize(ctx, view)
		if after.RequeueAfter > 0 {
			result = after
		}
		return result, err
	}
}

func conflictOf(err error) *directory.ConflictError {
	var conflict *directory.ConflictError
	if errors.As(err, &conflict) {
		return conflict
	}
	return nil
}
