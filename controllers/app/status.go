// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/guard"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// runState is what matters of a running app for the status.
type runState struct {
	health provisioner.Health
	// running: calls are made. noSeats: the app has refused accounts because no seat is left, as cause says.
	running, noSeats bool
	cause            string
}

func (r *Reconciler) stateOf(s *scope) runState {
	if app := r.Apps.Get(s.key); app != nil {
		cause, noSeats := app.NoSeats()
		return runState{health: app.Health(), running: true, noSeats: noSeats, cause: cause}
	}
	return runState{}
}

// setStatus fills in the status that follows from what the phases found. It is pure.
func setStatus(s *scope, state runState) {
	s.app.Status.ObservedGeneration = s.app.Generation
	if !s.moved && (s.compiled != nil || s.app.Status.BaseURL == "") {
		s.app.Status.BaseURL = address(s)
	}
	if s.census != nil {
		setCounters(s)
	}
	setSeats(s, state)
	setConnection(s, state)
	setAttributes(s.app)
	setSubjects(s)
	setReady(s)
}

func setCounters(s *scope) {
	status, census := &s.app.Status, s.census
	status.Batches = batches(s)
	status.Held = 0
	for _, batch := range status.Batches {
		status.Held += batch.Remaining
	}
	status.Accounts, status.Failed = count(census.Active), count(census.Failed+len(census.FailedGroups))
	status.OldestPendingRevocation = nil
	if !census.OldestRevocation.IsZero() {
		status.OldestPendingRevocation = &metav1.Time{Time: census.OldestRevocation}
	}
	// Approved changes are still pending.
	status.Pending = count(census.Pending + max(0, len(census.Held)-int(status.Held)))
	setSynced(s)
	kube.SetWhile(s.app, len(status.Batches) > 0, v1alpha1.ConditionMassChangeHeld, v1alpha1.ReasonHeld, heldMessage(s.app))
}

// setSynced fills in the condition AccountsSynced, which is about accounts and pushed groups.
func setSynced(s *scope) {
	status, census := &s.app.Status, s.census
	synced := func(is metav1.ConditionStatus, reason, message string) {
		kube.SetCondition(s.app, v1alpha1.ConditionAccountsSynced, is, reason, message)
	}
	var failed []string
	reason := v1alpha1.ReasonRejected
	if census.Failed > 0 {
		counts := ""
		reason, counts = failedReason(census.FailedFor)
		failed = append(failed, fmt.Sprintf("%d accounts failed to sync%s; kubectl get scimusers shows which, and their status why", census.Failed, counts))
	}
	if len(census.FailedGroups) > 0 {
		failed = append(failed, named(census.FailedGroups, "failed to sync; their status says why"))
	}
	switch {
	case len(failed) > 0:
		synced(metav1.ConditionFalse, reason, strings.Join(failed, "; "))
	case status.Held > 0:
		synced(metav1.ConditionFalse, v1alpha1.ReasonHeld, "revocations are on hold; the condition MassChangeHeld says how to approve them")
	case census.NoSeats > 0:
		synced(metav1.ConditionFalse, v1alpha1.ReasonNoSeats,
			fmt.Sprintf("%d accounts wait for a seat; the condition SeatsAvailable says what to do", census.NoSeats))
	case status.Pending > 0:
		synced(metav1.ConditionFalse, v1alpha1.ReasonProgressing, "changes are pending; they are made while the app is Ready")
	case len(census.NotShown) > 0:
		synced(metav1.ConditionFalse, v1alpha1.ReasonMembersNotShown, named(census.NotShown, "are pushed, but the app does not show their members; check in the app that it takes members"))
	default:
		synced(metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "all accounts are in sync")
	}
}

// named is a sentence about ScimGroups, the first of which it names.
func named(groups []string, what string) string {
	const most = 5
	slices.Sort(groups)
	text := strings.Join(groups[:min(len(groups), most)], ", ")
	if more := len(groups) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%d groups (ScimGroup %s) %s", len(groups), text, what)
}

// heldMessage says what is held, and how to approve it.
func heldMessage(app *v1alpha1.ScimApp) string {
	var digests []string
	overflow := ""
	for _, batch := range app.Status.Batches {
		if batch.Digest == guard.OverflowBatch {
			overflow = "; further changes are in " + batch.Digest + ", which can be approved once another batch is settled"
			continue
		}
		digests = append(digests, batch.Digest)
	}
	return fmt.Sprintf("%d revocations are on hold in the batches %s; see status.batches, then approve one with "+
		"kubectl annotate scimapp %s %s=<digest> --overwrite, or fix the cause%s",
		app.Status.Held, strings.Join(digests, ", "), app.Name, v1alpha1.AnnotationApproveBatch, overflow)
}

// batches are the held changes, grouped, without those that a person has approved.
func batches(s *scope) []v1alpha1.HeldBatch {
	changes := map[string][]desired.HeldChange{}
	for _, held := range s.census.Held {
		if held.Batch != desired.ApprovedBatch(s.app) {
			changes[held.Batch] = append(changes[held.Batch], held)
		}
	}
	var list []v1alpha1.HeldBatch
	for digest, held := range changes {
		list = append(list, batchOf(s, digest, held))
	}
	slices.SortFunc(list, func(a, b v1alpha1.HeldBatch) int { return cmp.Compare(a.Digest, b.Digest) })
	return list[:min(len(list), maxBatches)]
}

// batchOf describes a batch. It only shrinks, and its message says how it was closed.
func batchOf(s *scope, digest string, held []desired.HeldChange) v1alpha1.HeldBatch {
	names, effects := make([]string, len(held)), map[string]int{}
	batch := v1alpha1.HeldBatch{Digest: digest, Changes: count(len(held)), Remaining: count(len(held))}
	for i, change := range held {
		names[i] = change.Name
		effects[change.Effect] += change.Users
		if !change.Held.IsZero() {
			at := metav1.NewTime(change.Held.Truncate(time.Second))
			batch.HeldTime = &at
		}
	}
	slices.Sort(names)
	batch.Users = names[:min(len(names), maxBatchUsers)]
	batch.Message = describeBatch(s, effects)
	for _, before := range s.app.Status.Batches {
		if before.Digest != digest {
			continue
		}
		if batch.HeldTime == nil || before.HeldTime != nil {
			batch.HeldTime = before.HeldTime
		}
		if before.Changes >= batch.Changes {
			batch.Changes, batch.Message = before.Changes, before.Message
		}
	}
	return batch
}

const (
	// maxBatchUsers is how many users a batch shows; maxBatches is how many batches a status shows.
	maxBatchUsers = 10
	maxBatches    = 16
)

func describeBatch(s *scope, effects map[string]int) string {
	var parts []string
	for effect, n := range effects {
		parts = append(parts, fmt.Sprintf("%s %d", effect, n))
	}
	slices.Sort(parts)
	limits := guard.LimitsOf(s.app.Spec.Guard)
	if g := s.app.Status.Guard; g != nil {
		limits.Minimum, limits.Percent = int(g.Minimum), int(g.Percent)
	}
	return fmt.Sprintf("%s; the app has %d active accounts, %d users lost access in the last hour and the threshold is %d", strings.Join(parts, ", "),
		s.census.Active, s.census.Done, guard.Threshold(s.census.Active, s.census.Done, limits))
}

// count of something as a status has it.
func count(n int) int32 {
	return int32(min(n, 1<<30))
}

// setConnection says whether the credentials are good and the app answers.
func setConnection(s *scope, state runState) {
	known := s.connection
	credentials := func(status metav1.ConditionStatus, reason, message string) {
		kube.SetCondition(s.app, v1alpha1.ConditionCredentialsValid, status, reason, message)
	}
	reachable := func(status metav1.ConditionStatus, reason, message string) {
		kube.SetCondition(s.app, v1alpha1.ConditionReachable, status, reason, message)
	}
	health := state.health
	if !known.tested {
		health = provisioner.Health{Reason: known.reason, Message: known.message}
	}
	switch {
	case s.app.Spec.Suspend:
		credentials(metav1.ConditionUnknown, v1alpha1.ReasonSuspended, "not tested: the app is suspended")
		reachable(metav1.ConditionUnknown, v1alpha1.ReasonSuspended, "not called: the app is suspended")
	case s.invalid != "":
		credentials(metav1.ConditionUnknown, v1alpha1.ReasonNotTested, "not tested: "+s.invalid)
		reachable(metav1.ConditionUnknown, v1alpha1.ReasonNotTested, "not called: "+s.invalid)
	case !known.tested && health.Reason == "":
		setUntested(s)
	case health.FailedCredentials():
		credentials(metav1.ConditionFalse, health.Reason, advice(health.Reason, health.Message))
		reachable(metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "the app answers")
	case known.tested:
		credentials(metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "the app accepted the credentials")
		setReachable(reachable, health)
	default:
		credentials(metav1.ConditionUnknown, v1alpha1.ReasonNotTested, "not tested: "+untestedBecause(health))
		setReachable(reachable, health)
	}
}

func setReachable(reachable func(metav1.ConditionStatus, string, string), health provisioner.Health) {
	if health.Reason == "" {
		reachable(metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "the app answers")
		return
	}
	if health.Reason == v1alpha1.ReasonRateLimited {
		reachable(metav1.ConditionTrue, v1alpha1.ReasonRateLimited, "the app asked for no calls for a while; pending changes are queued")
		return
	}
	reachable(metav1.ConditionFalse, health.Reason, advice(health.Reason, health.Message))
}

// advice adds to what the app said whether it is tried again and who has to act.
func advice(reason, message string) string {
	switch reason {
	case v1alpha1.ReasonCredentialsRejected:
		return message + "; put a valid token into the Secret of spec.scim.token, it is tested at once"
	case v1alpha1.ReasonInsufficientPermissions:
		return message + "; the token or the plan does not allow this; grant it in the app, it is tested again within 10 minutes"
	default:
		return message + "; retrying; no account is affected"
	}
}

func setSubjects(s *scope) {
	if len(s.app.Spec.Groups) == 0 {
		kube.RemoveCondition(s.app, v1alpha1.ConditionSubjectsResolved)
		return
	}
	if len(s.unresolved) == 0 {
		kube.SetCondition(s.app, v1alpha1.ConditionSubjectsResolved, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "every group of spec.groups exists")
		return
	}
	kube.SetCondition(s.app, v1alpha1.ConditionSubjectsResolved, metav1.ConditionFalse, v1alpha1.ReasonSubjectNotFound,
		fmt.Sprintf("%d groups of spec.groups do not exist, or their name belongs to another group now: %q; they are pushed once they exist",
			len(s.unresolved), s.unresolved[:min(len(s.unresolved), maxBatchUsers)]))
}

// setReady sums up: configuration, credentials, reachability.
func setReady(s *scope) {
	ready := func(status metav1.ConditionStatus, reason, message string) {
		kube.SetCondition(s.app, v1alpha1.ConditionReady, status, reason, message)
	}
	stalled := false
	switch {
	case s.app.Spec.Suspend:
		ready(metav1.ConditionFalse, v1alpha1.ReasonSuspended, "spec.suspend is true: the app is not called; pending changes are queued")
	case s.invalid != "":
		ready(metav1.ConditionFalse, s.invalidReason, s.invalid)
		stalled = true
	default:
		stalled = readyFromConditions(s.app, ready)
	}
	condition := find(s.app, v1alpha1.ConditionReady)
	kube.SetWhile(s.app, stalled, v1alpha1.ConditionStalled, condition.Reason, condition.Message)
	kube.SetWhile(s.app, condition.Status != metav1.ConditionTrue && !stalled && !s.app.Spec.Suspend, v1alpha1.ConditionReconciling, condition.Reason, condition.Message)
}

// readyFromConditions is Ready where the configuration is right. It tells whether only a person can help.
func readyFromConditions(app *v1alpha1.ScimApp, ready func(metav1.ConditionStatus, string, string)) (stalled bool) {
	for _, part := range []string{v1alpha1.ConditionCredentialsValid, v1alpha1.ConditionReachable} {
		if condition := find(app, part); condition.Status != metav1.ConditionTrue {
			ready(condition.Status, condition.Reason, condition.Message)
			return condition.Status == metav1.ConditionFalse && provisioner.Health{Reason: condition.Reason}.FailedCredentials()
		}
	}
	ready(metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "configuration, credentials and reachability are good")
	return false
}

func find(app *v1alpha1.ScimApp, conditionType string) metav1.Condition {
	for _, condition := range app.Status.Conditions {
		if condition.Type == conditionType {
			return condition
		}
	}
	return metav1.Condition{Type: conditionType, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonNotTested}
}
