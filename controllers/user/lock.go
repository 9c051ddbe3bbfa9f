// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// Events of a lock.
const (
	eventLocked   = "Locked"
	eventUnlocked = "Unlocked"
)

// lockedTime returns when the lock of a user was noticed, nil if the user is not locked.
func lockedTime(user *v1alpha1.ScimUser, now metav1.Time) *metav1.Time {
	switch {
	case user.Lock() == v1alpha1.LockNone:
		return nil
	case user.Status.LockedTime != nil:
		return user.Status.LockedTime
	}
	at := now.Rfc3339Copy()
	return &at
}

// lockMessage says that a user is locked, which accounts the lock does not reach, and how it is lifted. It repeats no reason of a person: that may name somebody.
func lockMessage(user *v1alpha1.ScimUser) string {
	message := "a person has locked the user; all managed accounts are inactive, whatever the identity provider says"
	var left []string
	for i := range user.Status.Accounts {
		if account := &user.Status.Accounts[i]; account.State == v1alpha1.AccountOrphaned {
			left = append(left, account.App)
		}
	}
	if len(left) > 0 {
		slices.Sort(left)
		message += "; accounts that are no longer managed are left as they are, deactivate them in the app: " + strings.Join(left, ", ")
	}
	if user.Lock() == v1alpha1.LockActive {
		return message + ". To lift the lock, set spec.active to true"
	}
	return message + ". To lift the lock, remove the annotation " + v1alpha1.AnnotationLock
}

// recordLock tells of a lock that was set or lifted. Who did it is in the audit log of the API server alone.
func (r *Reconciler) recordLock(ctx context.Context, user *v1alpha1.ScimUser, before, after *v1alpha1.ScimUserStatus) {
	switch {
	case before.LockedTime == nil && after.LockedTime != nil:
		log.FromContext(ctx).Info("A person has locked the user; its accounts are deactivated in every app", "lock", user.Lock())
		r.Recorder.Eventf(user, nil, corev1.EventTypeWarning, eventLocked, eventLocked, "A person has locked the user (%s); its accounts are deactivated in every app",
			lockedBy(user.Lock()))
	case before.LockedTime != nil && after.LockedTime == nil:
		log.FromContext(ctx).Info("The lock of the user was lifted")
		r.Recorder.Eventf(user, nil, corev1.EventTypeNormal, eventUnlocked, eventUnlocked, "The lock of the user was lifted")
	}
}

func lockedBy(lock v1alpha1.Lock) string {
	if lock == v1alpha1.LockActive {
		return "spec.active: false"
	}
	return "annotation " + v1alpha1.AnnotationLock
}

// clearMark removes the mark of a deactivation by SCIM from a user that a person has made active again: the next deactivation may be a person's.
func (r *Reconciler) clearMark(ctx context.Context, cached *v1alpha1.ScimUser) (cleared bool, err error) {
	if _, marked := cached.Annotations[v1alpha1.AnnotationDeactivatedBy]; !marked || !cached.ActiveInSCIM() {
		return false, nil
	}
	after := cached.DeepCopy()
	delete(after.Annotations, v1alpha1.AnnotationDeactivatedBy)
	patch := client.MergeFromWithOptions(cached, client.MergeFromWithOptimisticLock{})
	return true, client.IgnoreNotFound(r.Client.Patch(ctx, after, patch, client.FieldOwner(kube.FieldOwner)))
}
