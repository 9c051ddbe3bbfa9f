// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// maxUnresolved is how many ids of unresolved members a status shows.
const maxUnresolved = 10

const messageMembersNotShown = "the app confirms changes of the members and shows a group without any; the operator goes by the members that it has written. " +
	"Check in the app that the group has its members: some apps take none"

// computeStatus fills in the status that follows from what is known of a group, and tells in which apps the group is to be created and
// whose entry says so only now. It is pure.
func computeStatus(
	after *v1alpha1.ScimGroup, view *desired.GroupView, unresolved []string, now metav1.Time, state func(*desired.PushedGroupView) appState,
) (intents map[string]bool) {
	intents = map[string]bool{}
	cause := desired.CausedAt(view.Group, view.Group.Status.ObservedGeneration, now)
	status := &after.Status
	status.Members = int32(after.Spec.MemberCount())
	status.UnresolvedMembers = int32(len(unresolved))
	status.Unresolved = unresolved[:min(len(unresolved), maxUnresolved)]
	status.ObservedGeneration = after.Generation
	status.Apps = nil
	var problems []string
	reason, waits := v1alpha1.ReasonProgressing, true
	inSync := 0
	for i := range view.Apps {
		pushed := &view.Apps[i]
		if pushed.Step.Drop {
			continue
		}
		app := state(pushed)
		entry := entryOf(pushed, intents, app.callable)
		explain(&entry, pushed, app, cause)
		status.Apps = append(status.Apps, entry)
		if pushed.Step.InSync {
			inSync++
			continue
		}
		problems = append(problems, describe(entry))
		switch {
		case entry.Reason == v1alpha1.ReasonSuspended && waits:
			reason = entry.Reason
		case entry.Attempts > 0 && waits:
			reason, waits = entry.Reason, false
		case entry.HeldBatch != "" && waits, reason == v1alpha1.ReasonProgressing && entry.Reason != "" && entry.Reason != v1alpha1.ReasonQueued:
			reason = entry.Reason
		}
	}
	status.Summary = fmt.Sprintf("%d/%d", inSync, len(status.Apps))
	setConditions(after, problems, reason, waits)
	return intents
}

func entryOf(pushed *desired.PushedGroupView, intents map[string]bool, callable bool) v1alpha1.PushedGroupStatus {
	entry := v1alpha1.PushedGroupStatus{App: pushed.AppName, State: v1alpha1.GroupPending}
	if pushed.Entry != nil {
		entry = *pushed.Entry.DeepCopy()
	}
	switch {
	case pushed.App == nil && pushed.Entry != nil:
		// The configuration of the app is invalid: what is held stays held.
		entry.Reason, entry.Message = pushed.Step.Reason, kube.EntryMessage(pushed.Step.Message)
		return entry
	case pushed.Step.Action == "":
		entry.Reason, entry.Message = pushed.Step.Reason, kube.EntryMessage(pushed.Step.Message)
		entry.Attempts, entry.NextRetryTime, entry.HeldBatch, entry.Held, entry.HeldMembers = 0, nil, "", 0, ""
		if pushed.WithoutAccount > 0 && entry.Reason == "" {
			entry.Reason = v1alpha1.ReasonMembersPending
			entry.Message = fmt.Sprintf("%d members have no active account in the app and are left out, because a push never creates accounts; "+
				"assign the app to them by a ScimRoleMapping", pushed.WithoutAccount)
		}
	case !callable:
		// No intent is written while the app cannot be called.
	case pushed.Step.Action == v1alpha1.ActionCreate && entry.State != v1alpha1.GroupCreating:
		entry.State, entry.MatchValue = v1alpha1.GroupCreating, plan.StorableMatchValue(pushed.Desired.DisplayName)
		intents[pushed.AppName] = true
	case pushed.Step.Action == v1alpha1.ActionUpdate && entry.Applied != "":
		// After a crash it is not known what the app has; the next process reads it.
		entry.Applied = ""
		intents[pushed.AppName] = true
	}
	if pushed.Step.Action == "" && entry.MembersHidden && entry.Reason == "" {
		entry.Reason, entry.Message = v1alpha1.ReasonMembersNotShown, messageMembersNotShown
	}
	return entry
}

func describe(entry v1alpha1.PushedGroupStatus) string {
	if entry.Reason == "" {
		return entry.App + ": changes are pending"
	}
	text := entry.App + ": " + entry.Reason + ": " + entry.Message
	if entry.Attempts > 0 {
		text += kube.NextAttempt(entry.NextRetryTime)
	}
	return text
}

func setConditions(group *v1alpha1.ScimGroup, problems []string, reason string, waits bool) {
	text := strings.Join(problems, "; ")
	if len(problems) == 0 {
		kube.SetCondition(group, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "the group is in sync in all apps")
	} else {
		kube.SetCondition(group, v1alpha1.ConditionReady, metav1.ConditionFalse, reason, text)
	}
	kube.SetWhile(group, len(problems) > 0 && waits, v1alpha1.ConditionReconciling, reason, text)
	kube.SetWhile(group, len(problems) > 0 && !waits, v1alpha1.ConditionStalled, reason, text)
}

// refused is the status of a group whose displayName belongs to another one.
func refused(group *v1alpha1.ScimGroup, holder string) {
	message := "the displayName belongs to ScimGroup " + holder + "; change spec.displayName of this object or delete one of them"
	group.Status.ObservedGeneration = group.Generation
	kube.SetCondition(group, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDisplayNameConflict, message)
	kube.RemoveCondition(group, v1alpha1.ConditionReconciling)
	kube.SetCondition(group, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonDisplayNameConflict, message)
}
