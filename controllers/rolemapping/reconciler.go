// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rolemapping reconciles ScimRoleMappings: it resolves the subjects, checks roles and attributes against the app, counts the users, and says in the
// status what came of it. It gives nobody anything: who has what is decided by internal/assignment, from the spec and the groups that are resolved here.
package rolemapping

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/membership"
)

// staleWait is the wait for the cache to show what was just written.
const staleWait = 30 * time.Millisecond

// Reconciler reconciles ScimRoleMappings.
type Reconciler struct {
	// Client writes, and reads from a cache that has the indexes of directory.RegisterIndexes.
	Client client.Client
	Clock  clock.PassiveClock
	// Reporter tells of failures; nil for none.
	Reporter *kube.Reporter

	// countDelay is how long the count of users may trail; defaultCountDelay when 0.
	countDelay time.Duration

	tallies tallies
	// memberships are read from the cache.
	memberships *membership.Reader
	sweeper     *kube.Sweeper
}

// +kubebuilder:rbac:groups=scim-operator.io,resources=scimapps;scimrolemappings,verbs=list;watch
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimrolemappings/status,verbs=patch
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimgroups;scimusers,verbs=get;list;watch

// Reconcile brings the status of one mapping up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	before := &v1alpha1.ScimRoleMapping{}
	err := r.Client.Get(ctx, req.NamespacedName, before)
	if apierrors.IsNotFound(err) || !before.DeletionTimestamp.IsZero() {
		r.tallies.forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	found, err := r.look(ctx, before)
	if err != nil {
		return ctrl.Result{}, err
	}
	after := before.DeepCopy()
	report(after, found)
	wrote, err := kube.PatchStatus(ctx, r.Client, before, after)
	if wrote && err == nil {
		r.Reporter.Tell(ctx, after, kube.ConditionReports(before.Status.Conditions, after.Status.Conditions, metav1.ConditionFalse,
			v1alpha1.ConditionReady, v1alpha1.ConditionSubjectsResolved)...)
	}
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: staleWait}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}
