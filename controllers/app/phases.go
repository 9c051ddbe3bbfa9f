// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/guard"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// errWritten ends a reconcile that wrote the object: what was written comes back as an event.
var errWritten = errors.New("the object was written")

// finalizer keeps the app while its deletion has to deprovision accounts; by default it leaves them as they are, and there is no finalizer. Setting deletionPolicy to Orphan ends
// the deletion of an app that waits for its accounts.
func (r *Reconciler) finalizer(ctx context.Context, s *scope) error {
	wanted := s.app.Spec.DeletionPolicy == v1alpha1.DeletionDeprovision
	has := controllerutil.ContainsFinalizer(s.app, v1alpha1.FinalizerDeprovision)
	if wanted == has || (wanted && !s.app.DeletionTimestamp.IsZero()) {
		return nil
	}
	return r.setFinalizer(ctx, s, wanted)
}

func (r *Reconciler) setFinalizer(ctx context.Context, s *scope, wanted bool) error {
	before := s.app.DeepCopy()
	if wanted {
		controllerutil.AddFinalizer(s.app, v1alpha1.FinalizerDeprovision)
	} else {
		controllerutil.RemoveFinalizer(s.app, v1alpha1.FinalizerDeprovision)
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return cmp.Or(r.Client.Patch(ctx, s.app, patch, client.FieldOwner(kube.FieldOwner)), errWritten)
}

// configuration compiles the spec; what is wrong with it is for a person.
func (r *Reconciler) configuration(ctx context.Context, s *scope) error {
	compiled, err := r.View.App(ctx, s.key)
	var invalid *desired.InvalidError
	if errors.As(err, &invalid) {
		s.invalid, s.invalidReason = invalid.Error(), v1alpha1.ReasonInvalidConfiguration
		return nil
	}
	if err != nil {
		return err
	}
	if compiled == nil {
		return fmt.Errorf("the ScimApp is missing from the cache")
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

// count counts the accounts, at most every countEvery, or sooner if the guard holds something that the status does not show.
func (r *Reconciler) count(ctx context.Context, s *scope) error {
	now := r.Clock.Now()
	every := countEvery
	mismatch := r.newBatches(s)
	if mismatch != s.connection.mismatch {
		s.connection.mismatch, s.connection.mismatchSince = mismatch, now
	}
	if mismatch != "" {
		every = countBatchesEvery
		if now.Sub(s.connection.mismatchSince) > countBatchesSoon {
			// What is held may wait for an app that does not answer.
			every = countBatchesLate
		}
		s.soon(every)
	}
	if wait := s.connection.counted.Add(every).Sub(now); wait > 0 {
		s.soon(wait)
		return nil
	}
	r.Apps.Counted(s.key)
	var held map[ledger.ID]desired.HeldChange
	if running := r.Apps.Get(s.key); running != nil {
		held = running.HeldChanges()
	}
	census, err := r.View.Census(ctx, s.key, now, held)
	if err != nil {
		return err
	}
	s.census = census
	s.connection.counted, s.connection.closing = now, census.Closing
	r.Metrics.PendingRevocations(s.key, census.Revoking, census.OldestRevocation)
	if census.Closing {
		s.soon(countBatchesEvery)
	}
	return nil
}

// guard writes the guard's limits in force, and the revocations that no other status records.
func (r *Reconciler) guard(_ context.Context, s *scope) error {
	now := r.Clock.Now()
	_, status := guard.InForce(s.app.Spec.Guard, s.app.Status.Guard, now)
	status.Revoked, s.recorded = ledger.RecordRevoked(status.Revoked, r.View.Book.Ledger(s.key).RevokedUsers(), now)
	s.app.Status.Guard = &status
	if status.LooserFrom != nil {
		s.soon(max(time.Second, status.LooserFrom.Sub(now)))
	}
	return nil
}

// newBatches returns how the batches that the guard holds differ from those in the status, empty for not at all. They do, too, while a person has approved one of them, or the users'
// statuses did not show a held change when they were counted. The guard then counts again: held changes may be approved, or no longer desired.
func (r *Reconciler) newBatches(s *scope) string {
	running := r.Apps.Get(s.key)
	if running == nil {
		return ""
	}
	shown := make([]string, len(s.app.Status.Batches))
	for i, batch := range s.app.Status.Batches {
		shown[i] = batch.Digest
	}
	slices.Sort(shown)
	held := running.HeldBatches()
	if !s.connection.closing && slices.Equal(held[:min(len(held), maxBatches)], shown) && !slices.Contains(held, desired.ApprovedBatch(s.app)) {
		return ""
	}
	running.Recheck()
	return fmt.Sprint(held, shown, s.connection.closing, s.app.Annotations[v1alpha1.AnnotationApproveBatch])
}

// remove removes the finalizer of a deleted app once its accounts are deprovisioned, or its namespace is being deleted.
func (r *Reconciler) remove(ctx context.Context, s *scope) error {
	if s.app.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(s.app, v1alpha1.FinalizerDeprovision) {
		return nil
	}
	goes, err := kube.NamespaceGoes(ctx, r.Live, s.key.Namespace)
	if err != nil {
		return err
	}
	// Another ScimApp has the tenant, so this one may make no call.
	goes = goes || s.invalidReason == v1alpha1.ReasonTenantConflict
	if !goes && (s.census == nil || s.census.Open > 0) {
		s.soon(countEvery)
		return nil
	}
	return r.setFinalizer(ctx, s, false)
}
