// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/provision"
)

// finalizer keeps the app while its deletion has to deprovision accounts; by default it leaves them as they are and nothing holds it.
func (r *Reconciler) finalizer(ctx context.Context, s *scope) error {
	wanted := s.app.Spec.DeletionPolicy == v1alpha1.DeletionDeprovision
	if !s.app.DeletionTimestamp.IsZero() || wanted == controllerutil.ContainsFinalizer(s.app, v1alpha1.FinalizerDeprovision) {
		return nil
	}
	before := s.app.DeepCopy()
	if wanted {
		controllerutil.AddFinalizer(s.app, v1alpha1.FinalizerDeprovision)
	} else {
		controllerutil.RemoveFinalizer(s.app, v1alpha1.FinalizerDeprovision)
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return r.Client.Patch(ctx, s.app, patch, client.FieldOwner(kube.FieldOwner))
}

// configuration compiles the spec; what is wrong with it is for a person.
func (r *Reconciler) configuration(ctx context.Context, s *scope) error {
	compiled, err := r.View.App(ctx, s.key)
	var invalid *provision.InvalidError
	if errors.As(err, &invalid) {
		s.invalid, s.invalidReason = invalid.Error(), v1alpha1.ReasonInvalidConfiguration
		return nil
	}
	if err != nil {
		return err
	}
	if compiled == nil {
		return fmt.Errorf("the ScimApp has gone from the cache")
	}
	s.compiled = compiled
	return nil
}

// groups resolves the pushed groups to ids, which are followed from then on.
func (r *Reconciler) groups(ctx context.Context, s *scope) error {
	var list v1alpha1.ScimGroupList
	if err := r.Client.List(ctx, &list, client.InNamespace(s.key.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the groups: %w", err)
	}
	var existing []assignment.GroupRef
	for i := range list.Items {
		if group := &list.Items[i]; group.Admitted() && group.DeletionTimestamp.IsZero() {
			existing = append(existing, assignment.GroupRef{ID: group.SCIMID(), DisplayName: group.Spec.DisplayName})
		}
	}
	names := make([]string, len(s.app.Spec.Groups))
	for i := range s.app.Spec.Groups {
		names[i] = s.app.Spec.Groups[i].DisplayName
	}
	resolution := assignment.ResolveGroups(names, s.app.Generation, s.app.Status.Groups, existing)
	s.app.Status.Groups = resolution.Groups
	s.unresolved = slices.Concat(resolution.NotFound, resolution.Ambiguous, resolution.Changed)
	slices.Sort(s.unresolved)
	return nil
}

// count counts the accounts, at most every countEvery unless the guard holds something that the status does not show.
func (r *Reconciler) count(ctx context.Context, s *scope) error {
	now := r.Clock.Now()
	if wait := s.connection.counted.Add(countEvery).Sub(now); wait > 0 && !r.newBatches(s) {
		s.soon(wait)
		return nil
	}
	census, err := r.View.Census(ctx, s.key, now)
	if err != nil {
		return err
	}
	s.census = census
	s.connection.counted = now
	return nil
}

// newBatches is whether the guard holds batches other than those in the status.
func (r *Reconciler) newBatches(s *scope) bool {
	running := r.Apps.Get(s.key)
	if running == nil {
		return false
	}
	held := running.HeldBatches()
	if approved := s.app.Annotations[v1alpha1.AnnotationApproveBatch]; slices.Contains(held, approved) {
		running.Recheck()
	}
	if len(held) != len(s.app.Status.Batches) {
		return true
	}
	return slices.ContainsFunc(s.app.Status.Batches, func(b v1alpha1.HeldBatch) bool { return !slices.Contains(held, b.Digest) })
}

// remove lets a deleted app go once its accounts are deprovisioned, if they are to be, or its namespace goes.
func (r *Reconciler) remove(ctx context.Context, s *scope) error {
	if s.app.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(s.app, v1alpha1.FinalizerDeprovision) {
		return nil
	}
	goes, err := kube.NamespaceGoes(ctx, r.Live, s.key.Namespace)
	if err != nil {
		return err
	}
	if !goes && (s.census == nil || s.census.Active > 0 || len(s.census.Revocations) > 0) {
		s.soon(countEvery)
		return nil
	}
	before := s.app.DeepCopy()
	controllerutil.RemoveFinalizer(s.app, v1alpha1.FinalizerDeprovision)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return r.Client.Patch(ctx, s.app, patch, client.FieldOwner(kube.FieldOwner))
}
