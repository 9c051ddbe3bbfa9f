// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// failedFor is how long an object's reconciles have to fail before its status says so: most failures are over with the first retry, and are not worth a write.
const failedFor = 10 * time.Second

// Explanation is why the reconciles of an object fail, for its Ready condition.
type Explanation struct{ Reason, Message string }

// ReportFailures has the failure of a reconciler shown in the status of the object: a phase that fails ends a reconcile before it writes the status, which would go on to
// say what was true before. Ready becomes Unknown, with the reason and when it is retried; the next reconcile that succeeds sets it again.
//
// explain says more of an error, false if it knows nothing of it; nil knows nothing. No text of an error gets into a status: it may have personal values.
func ReportFailures(
	next reconcile.Reconciler, c client.Client, clk clock.PassiveClock, kind v1alpha1.Conditioned, explain func(error) (Explanation, bool),
) reconcile.Reconciler {
	return &reporter{next: next, client: c, clock: clk, kind: kind, explain: explain, since: map[types.NamespacedName]time.Time{}}
}

type reporter struct {
	next    reconcile.Reconciler
	client  client.Client
	clock   clock.PassiveClock
	kind    v1alpha1.Conditioned
	explain func(error) (Explanation, bool)

	mu sync.Mutex
	// since is when the reconciles of an object began to fail.
	since map[types.NamespacedName]time.Time
}

// Reconcile implements reconcile.Reconciler.
func (r *reporter) Reconcile(ctx context.Context, req ctrl.Request) (result ctrl.Result, err error) {
	defer func() {
		if !r.lasts(req.NamespacedName, err) || ctx.Err() != nil {
			return
		}
		if reportErr := r.report(ctx, req.NamespacedName, err); reportErr != nil {
			log.FromContext(ctx).V(1).Info("failed to write the status of an object that is not reconciled", "error", reportErr.Error())
		}
	}()
	return r.next.Reconcile(ctx, req)
}

// lasts reports whether the reconciles of an object have failed for long enough.
func (r *reporter) lasts(key types.NamespacedName, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		delete(r.since, key)
		return false
	}
	now := r.clock.Now()
	since, fails := r.since[key]
	if !fails {
		r.since[key] = now
		return false
	}
	return now.Sub(since) >= failedFor
}

// report writes the condition, where it is another one than before.
func (r *reporter) report(ctx context.Context, key types.NamespacedName, cause error) error {
	before := r.kind.DeepCopyObject().(v1alpha1.Conditioned)
	if err := r.client.Get(ctx, key, before); err != nil {
		return client.IgnoreNotFound(err)
	}
	after := before.DeepCopyObject().(v1alpha1.Conditioned)
	why := r.explanation(cause)
	SetCondition(after, v1alpha1.ConditionReady, metav1.ConditionUnknown, why.Reason, why.Message+fmt.Sprintf("; retrying with back-off of at most %s", retryMax))
	_, err := PatchStatus(ctx, r.client, before, after)
	if apierrors.IsConflict(err) {
		// The retry reads it again.
		return nil
	}
	return client.IgnoreNotFound(err)
}

func (r *reporter) explanation(cause error) Explanation {
	if r.explain != nil {
		if why, ok := r.explain(cause); ok {
			return why
		}
	}
	why := Explanation{Reason: v1alpha1.ReasonReconcileFailed, Message: "the reconcile failed; the log of the operator has the error"}
	switch reason := apierrors.ReasonForError(cause); {
	case reason != metav1.StatusReasonUnknown:
		why.Message = fmt.Sprintf("the reconcile failed: the Kubernetes API server answered %s; the log of the operator has the error", reason)
	case errors.Is(cause, context.DeadlineExceeded):
		why.Message = "the reconcile failed: the Kubernetes API server did not answer in time"
	}
	return why
}
