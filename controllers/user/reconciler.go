// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package user reconciles ScimUsers: it admits them, keeps the state of their accounts in their status and sets the apps to work. It is the
// only writer of a user's status.
package user

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
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

const (
	// burst is how long outcomes of several apps are gathered before they are written together.
	burst = 2 * time.Second
	// staleWait is the wait for the cache to show what was just written.
	staleWait = 30 * time.Millisecond
	// showPlanAfter is how long a change may be under way before the status shows it as planned. Most are made sooner, and a change costs
	// one status write then, not two.
	showPlanAfter = 5 * time.Second
	// sweepEvery is how often a reservation is reconciled.
	sweepEvery = time.Hour
	// groupsTrail is how far the cache of groups may be behind the one of users: they come by watches of their own.
	groupsTrail = 5 * time.Second
	// recordWait is the wait for the status of an app to record a revocation; the app's reconciler enqueues the user sooner.
	recordWait = 5 * time.Second
)

// What a user waits for (ledger.Since).
const (
	waitStatus = "status"
	waitGroups = "groups"
)

// Reconciler reconciles ScimUsers.
type Reconciler struct {
	// Client writes; Live reads without a cache.
	Client    client.Client
	Live      client.Reader
	Directory *directory.Store
	View      *desired.View
	Apps      *provisioner.Registry
	Recorder  events.EventRecorder
	// Reporter tells of failures; nil for none.
	Reporter *kube.Reporter
	Clock    clock.PassiveClock

	sweeper *kube.Sweeper
}

// +kubebuilder:rbac:groups=scim-operator.io,resources=scimusers,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimusers/status,verbs=patch
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimgroups,verbs=get;list;watch;update
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimapps;scimrolemappings,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile brings one user's accounts forward.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	view, err := r.View.User(ctx, req.NamespacedName)
	if err != nil {
		return ctrl.Result{}, err
	}
	if view == nil {
		r.View.Book.Users.Forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	switch {
	case view.Stale:
		return ctrl.Result{RequeueAfter: staleWait}, nil
	case view.User.Spec.UserName == "" && view.User.Spec.Reservation != nil:
		return r.sweep(ctx, view.User)
	}
	if cleared, err := r.clearMark(ctx, view.Cached); cleared || err != nil {
		var later ctrl.Result
		return later, ignoreConflict(&later, err)
	}
	if ended, err := r.endConfirmations(ctx, view); ended || err != nil {
		var later ctrl.Result
		return later, ignoreConflict(&later, err)
	}
	done, later, err := r.admit(ctx, view)
	if done || err != nil {
		return later, ignoreConflict(&later, err)
	}
	result, wrote, err := r.accounts(ctx, view)
	result = sooner(later, result)
	if err == nil && wrote && !view.User.DeletionTimestamp.IsZero() {
		// The finalizers are bound to what was just written.
		return ctrl.Result{RequeueAfter: staleWait}, nil
	}
	if err == nil && !view.User.DeletionTimestamp.IsZero() {
		var after ctrl.Result
		after, err = r.finalize(ctx, view)
		result = sooner(result, after)
	}
	return result, ignoreConflict(&result, err)
}

// ignoreConflict turns a lost race for the object into another look: it is no failure.
func ignoreConflict(result *ctrl.Result, err error) error {
	if apierrors.IsConflict(err) {
		*result = ctrl.Result{RequeueAfter: staleWait}
		return nil
	}
	return err
}

// sooner is the result that comes back first.
func sooner(a, b ctrl.Result) ctrl.Result {
	if a.RequeueAfter == 0 || (b.RequeueAfter > 0 && b.RequeueAfter < a.RequeueAfter) {
		return b
	}
	return a
}

// conflictOf is the conflict that kept a user from being admitted, nil if it was something else.
func conflictOf(err error) *directory.ConflictError {
	var conflict *directory.ConflictError
	if errors.As(err, &conflict) {
		return conflict
	}
	return nil
}
