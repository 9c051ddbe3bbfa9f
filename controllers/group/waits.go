// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// Why a change of a pushed group is not made yet.
const (
	messageSuspended    = "the ScimApp is suspended (%s); the change is made when that ends"
	messageCreateWaits  = "the ScimApp is not ready, and its condition Ready says why; the group is pushed when it is"
	messageUntested     = "the removal waits until the credentials of the ScimApp are tested"
	messageQueued       = "the removal is queued for the app; removals are made before other changes"
	messageRemovalWaits = "; the removal is made first when the app can be called again. The conditions of the ScimApp say who has to act"
)

// appState is the state of an app, as far as a group's status depends on it.
type appState struct {
	// callable: no intent is written while the app may not be called.
	callable, suspended bool
	// why the app is suspended.
	why string
	// trouble is why the app is not called, and known whether that is known.
	trouble provisioner.Health
	known   bool
}

// stateOf returns the state of the app of a pushed group.
func (r *Reconciler) stateOf(view *desired.GroupView) func(*desired.PushedGroupView) appState {
	return func(pushed *desired.PushedGroupView) appState {
		state := appState{}
		if pushed.App != nil {
			state.why, state.suspended = pushed.App.Object.Suspended()
		}
		key := types.NamespacedName{Namespace: view.Group.Namespace, Name: pushed.AppName}
		state.trouble, state.known = r.Apps.Trouble(key)
		worker := r.Apps.Get(key)
		state.callable = !state.suspended && worker != nil && worker.Health().Reason == ""
		return state
	}
}

// explain says why a change is not made yet, and since when a removal is pending. Removals cost a write when the reason changes, also where the trouble is that of the app as a
// whole; other changes do not.
func explain(entry *v1alpha1.PushedGroupStatus, pushed *desired.PushedGroupView, state appState, cause metav1.Time) {
	removes := entry.HeldBatch != "" || removesMembers(pushed)
	switch {
	case !removes:
		entry.PendingRevocationTime = nil
	case entry.PendingRevocationTime == nil:
		entry.PendingRevocationTime = &cause
	}
	if pushed.Step.Action == "" || entry.Attempts > 0 || entry.HeldBatch != "" || entry.NextRetryTime != nil {
		return
	}
	reason, message := "", ""
	switch {
	case removes && entry.Reason != "" && !state.known && !state.suspended:
		// It stays until it is known after a restart whether the app is ready.
		return
	case state.suspended:
		reason, message = v1alpha1.ReasonSuspended, fmt.Sprintf(messageSuspended, state.why)
	case removes:
		reason, message = whyRemovalWaits(state)
	case pushed.Step.Action == v1alpha1.ActionCreate && !state.callable:
		reason, message = v1alpha1.ReasonAppNotReady, messageCreateWaits
	}
	entry.Reason, entry.Message = reason, kube.EntryMessage(message)
}

func whyRemovalWaits(state appState) (reason, message string) {
	switch {
	case state.trouble.Reason != "":
		return state.trouble.Reason, state.trouble.Waiting() + messageRemovalWaits
	case !state.known:
		return v1alpha1.ReasonAppNotReady, messageUntested
	default:
		return v1alpha1.ReasonQueued, messageQueued
	}
}

// removesMembers reports whether the step of a group removes members from the app, or the group.
func removesMembers(pushed *desired.PushedGroupView) bool {
	return pushed.App != nil && pushed.Step.Action != "" && pushed.Step.Action != v1alpha1.ActionRelease && classOf(pushed) == provisioner.ClassRevocation
}
