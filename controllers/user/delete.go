// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"context"
	"slices"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// finalize lets a deleted user go once nothing of it is left to deprovision, and no other user has its userName by way of this object.
// Deleting the namespace always finishes: the accounts then stay as they are. The log says so, for Kubernetes takes no event in a namespace that goes.
func (r *Reconciler) finalize(ctx context.Context, view *desired.UserView) (ctrl.Result, error) {
	user := view.User
	if !controllerutil.ContainsFinalizer(user, v1alpha1.FinalizerDeprovision) {
		return ctrl.Result{}, nil
	}
	if !deprovisioned(view) {
		goes, err := kube.NamespaceGoes(ctx, r.Live, user.Namespace)
		if err != nil || !goes {
			return ctrl.Result{}, err
		}
		log.FromContext(ctx).Info("The namespace is being deleted: the user's accounts in the apps stay as they are")
		return ctrl.Result{}, r.removeFinalizers(ctx, user)
	}
	if !r.revocationsRecorded(view) {
		return ctrl.Result{RequeueAfter: recordWait}, nil
	}
	if err := r.leaveGroups(ctx, user); err != nil {
		return ctrl.Result{}, err
	}
	left := r.View.Book.Since(ledger.Since{UID: user.UID, For: waitGroups})
	if wait := groupsTrail - r.Clock.Now().Sub(left); wait > 0 {
		// What was written to a group before the user was deleted may still be missing in the cache.
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	if err := r.Directory.ReleaseReservation(ctx, user); err != nil {
		return ctrl.Result{}, err
	}
	vanish, err := r.Directory.MayVanish(ctx, user)
	if err == nil && !vanish {
		vanish, err = kube.NamespaceGoes(ctx, r.Live, user.Namespace)
	}
	if err != nil || !vanish {
		return ctrl.Result{RequeueAfter: sweepEvery}, err
	}
	return ctrl.Result{}, r.removeFinalizers(ctx, user)
}

// sweep removes a reservation that reserves nothing any more, or whose namespace goes.
func (r *Reconciler) sweep(ctx context.Context, user *v1alpha1.ScimUser) (ctrl.Result, error) {
	gone, err := r.Directory.SweepReservation(ctx, user)
	if gone || err != nil {
		return ctrl.Result{}, err
	}
	if !user.DeletionTimestamp.IsZero() {
		goes, err := kube.NamespaceGoes(ctx, r.Live, user.Namespace)
		if err != nil {
			return ctrl.Result{}, err
		}
		if goes {
			return ctrl.Result{}, r.removeFinalizers(ctx, user)
		}
	}
	return ctrl.Result{RequeueAfter: sweepEvery}, nil
}

// revocationsRecorded reports whether every app's status records the user's revocations within the guard's window: the user's own status is deleted with the user.
func (r *Reconciler) revocationsRecorded(view *desired.UserView) bool {
	recorded := true
	for i := range view.User.Status.Accounts {
		entry := &view.User.Status.Accounts[i]
		if desired.RevokedLately(entry, r.Clock.Now()) {
			recorded = r.askRecord(view, entry.App, entry, entry.RevokedTime.Time) && recorded
		}
	}
	return recorded
}

// deprovisioned reports whether every account is in sync for a user that is being deleted.
func deprovisioned(view *desired.UserView) bool {
	return !slices.ContainsFunc(view.Accounts, func(a desired.AccountView) bool { return !a.Step.Drop && !a.Step.InSync })
}

// removeFinalizers removes the finalizers, bound to the resourceVersion on which the decision was made.
func (r *Reconciler) removeFinalizers(ctx context.Context, user *v1alpha1.ScimUser) error {
	before := user.DeepCopy()
	controllerutil.RemoveFinalizer(user, v1alpha1.FinalizerDeprovision)
	controllerutil.RemoveFinalizer(user, v1alpha1.FinalizerReservation)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, user, patch, client.FieldOwner(kube.FieldOwner)); client.IgnoreNotFound(err) != nil {
		return err
	}
	r.View.Book.Users.Forget(client.ObjectKeyFromObject(user))
	r.forget(user)
	return nil
}

// forget drops what is remembered of a user that does not exist any more.
func (r *Reconciler) forget(user *v1alpha1.ScimUser) {
	r.View.Book.Adopted(user.UID)
	r.View.Book.End(ledger.Since{UID: user.UID, For: waitGroups})
	r.View.Book.End(ledger.Since{UID: user.UID, For: waitStatus})
	r.Apps.ForgetUser(user.Namespace, user.UID)
}

// leaveGroups takes the user out of its groups. Groups that Git manages keep the member; it stands for nobody.
func (r *Reconciler) leaveGroups(ctx context.Context, user *v1alpha1.ScimUser) error {
	id := user.SCIMID()
	if id == "" {
		return nil
	}
	groups, err := r.View.DirectGroupsOf(ctx, user.Namespace, id)
	if err != nil {
		return err
	}
	for _, group := range groups {
		if group.Spec.ManagedBy == v1alpha1.ManagedByGit {
			continue
		}
		if err := r.Directory.RemoveMember(ctx, group.Namespace, group.Name, id); err != nil {
			return err
		}
	}
	return nil
}
