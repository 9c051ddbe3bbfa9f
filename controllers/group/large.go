// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// looks are when large groups were last looked at. Members of such a group, and their accounts, may change many times a second; what the apps and the status say of the
// group follows at its own pace. Whether a user has an account does not depend on it.
type looks struct {
	mu sync.Mutex
	at map[types.NamespacedName]time.Time
}

// wait is how long the next look at a group has to wait, 0 for not at all.
func (l *looks) wait(group types.NamespacedName, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.at[group]
	if !ok {
		return 0
	}
	return max(0, largeEvery-now.Sub(at))
}

// looked notes a look at a group, if it is a large one.
func (l *looks) looked(group *v1alpha1.ScimGroup, now time.Time) {
	key := client.ObjectKeyFromObject(group)
	if len(group.Spec.Slices) == 0 {
		l.forget(key)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at = map[types.NamespacedName]time.Time{}
	}
	l.at[key] = now
}

func (l *looks) forget(group types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.at, group)
}

// incomplete deals with a group of which the cache lacks a part. Mostly that is behind, and it is tried again. Where the part does not exist, the status says so.
func (r *Reconciler) incomplete(ctx context.Context, key types.NamespacedName, cause error) (ctrl.Result, error) {
	// What is remembered of the membership may be older than the loss of the slice.
	r.View.SliceVanished(&v1alpha1.ScimGroupSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace}, Spec: v1alpha1.ScimGroupSliceSpec{Group: key.Name},
	})
	group := &v1alpha1.ScimGroup{}
	if err := r.Live.Get(ctx, key, group); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	missing, err := r.missing(ctx, group)
	if err != nil || missing == "" {
		return ctrl.Result{}, errors.Join(cause, err)
	}
	after := group.DeepCopy()
	lost(after, missing)
	_, err = kube.PatchStatus(ctx, r.Client, group, after)
	return ctrl.Result{RequeueAfter: missingRetry}, err
}

// missing is the first slice that a group names and that does not exist, "" if there is none.
func (r *Reconciler) missing(ctx context.Context, group *v1alpha1.ScimGroup) (string, error) {
	slice := &v1alpha1.ScimGroupSlice{}
	for _, ref := range group.Spec.Slices {
		key := types.NamespacedName{Namespace: group.Namespace, Name: ref.Name}
		err := r.Client.Get(ctx, key, slice, client.UnsafeDisableDeepCopy)
		if apierrors.IsNotFound(err) {
			err = r.Live.Get(ctx, key, &v1alpha1.ScimGroupSlice{})
		}
		if apierrors.IsNotFound(err) {
			return ref.Name, nil
		}
		if err != nil {
			return "", fmt.Errorf("reading a slice of a group: %w", err)
		}
	}
	return "", nil
}

// lost is the status of a group of which a slice is missing.
func lost(group *v1alpha1.ScimGroup, slice string) {
	message := "ScimGroupSlice " + slice + " does not exist: the members of the group are unknown, and no account in the namespace changes until it exists. " +
		"Restore the slice, or push the members of the group again"
	group.Status.ObservedGeneration = group.Generation
	kube.SetCondition(group, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersMissing, message)
	kube.RemoveCondition(group, v1alpha1.ConditionReconciling)
	kube.SetCondition(group, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonMembersMissing, message)
}
