// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// runState is what matters of a running app for the status.
type runState struct {
	health provisioner.Health
}

func (r *Reconciler) stateOf(s *scope) runState {
	if app := r.Apps.Get(s.key); app != nil {
		return runState{health: app.Health()}
	}
	return runState{}
}

// setStatus fills in the status that follows from what the phases found. It is pure.
func setStatus(s *scope, state runState) {
	s.app.Status.ObservedGeneration = s.app.Generation
	s.app.Status.BaseURL = s.app.Spec.SCIM.BaseURL
	if s.app.Status.BaseURL == "" && s.compiled != nil {
		s.app.Status.BaseURL = s.compiled.Profile.DefaultBaseURL
	}
	if s.census != nil {
		setCounters(s)
	}
	setConnection(s, state)
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
	status.Accounts, status.Failed = count(census.Active), count(census.Failed)
	// What was approved is still to come.
	status.Pending = count(census.Pending + max(0, len(census.Held)-int(status.Held)))
	switch {
	case census.Failed > 0:
		kube.SetCondition(s.app, v1alpha1.ConditionAccountsSynced, metav1.ConditionFalse, v1alpha1.ReasonRejected,
			fmt.Sprintf("%d accounts cannot be brought to what they should be; kubectl get scimusers shows which, and their status why", census.Failed))
	case status.Held > 0:
		kube.SetCondition(s.app, v1alpha1.ConditionAccountsSynced, metav1.ConditionFalse, v1alpha1.ReasonHeld, "changes are held by the mass-change guard")
	case status.Pending > 0:
		kube.SetCondition(s.app, v1alpha1.ConditionAccountsSynced, metav1.ConditionFalse, v1alpha1.ReasonProgressing, "changes are under way")
	default:
		kube.SetCondition(s.app, v1alpha1.ConditionAccountsSynced, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "every account is as it should be")
	}
	var digests []string
	for _, batch := range status.Batches {
		digests = append(digests, batch.Digest)
	}
	kube.SetWhile(s.app, len(digests) > 0, v1alpha1.ConditionMassChangeHeld, v1alpha1.ReasonHeld, fmt.Sprintf(
		"%d changes that take something from users are held in the batches %s; look at status.batches, then approve one with "+
			"kubectl annotate scimapp %s %s=<digest> --overwrite, or mend what caused it",
		status.Held, strings.Join(digests, ", "), s.app.Name, v1alpha1.AnnotationApproveBatch))
}

// batches are the held changes, grouped, without those that a person has approved.
func batches(s *scope) []v1alpha1.HeldBatch {
	users := map[string][]string{}
	actions := map[string]map[string]int{}
	for _, held := range s.census.Held {
		if held.Batch == s.app.Annotations[v1alpha1.AnnotationApproveBatch] {
			continue
		}
		users[held.Batch] = append(users[held.Batch], held.User)
		if actions[held.Batch] == nil {
			actions[held.Batch] = map[string]int{}
		}
		actions[held.Batch][string(held.Action)]++
	}
	var list []v1alpha1.HeldBatch
	for digest, names := range users {
		slices.Sort(names)
		batch := v1alpha1.HeldBatch{Digest: digest, Changes: count(len(names)), Remaining: count(len(names)), Users: names[:min(len(names), maxBatchUsers)]}
		batch.Message = describeBatch(s, actions[digest])
		for _, before := range s.app.Status.Batches {
			// A batch only shrinks, and its message says how it was closed.
			if before.Digest == digest && before.Changes >= batch.Changes {
				batch.Changes, batch.Message = before.Changes, before.Message
			}
		}
		list = append(list, batch)
	}
	slices.SortFunc(list, func(a, b v1alpha1.HeldBatch) int { return cmp.Compare(a.Digest, b.Digest) })
	return list[:min(len(list), maxBatches)]
}

const (
	// maxBatchUsers is how many users a batch shows; maxBatches is how many batches a status shows.
	maxBatchUsers = 10
	maxBatches    = 16
)

func describeBatch(s *scope, actions map[string]int) string {
	var parts []string
	for action, n := range actions {
		parts = append(parts, fmt.Sprintf("%s %d", action, n))
	}
	slices.Sort(parts)
	return fmt.Sprintf("%s; the app has %d active accounts, %d changes were made in the last hour and %d are allowed", strings.Join(parts, ", "),
		s.census.Active, s.census.Done, plan.GuardThreshold(s.census.Active, s.census.Done, s.app.Spec.Guard))
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
		credentials(metav1.ConditionUnknown, v1alpha1.ReasonNotTested, "not tested: the app does not answer the test")
		setReachable(reachable, health)
	}
}

func setReachable(reachable func(metav1.ConditionStatus, string, string), health provisioner.Health) {
	if health.Reason == "" {
		reachable(metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "the app answers")
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
		return message + "; the token or the plan does not allow this: have it granted in the app, it is tested again every few minutes"
	default:
		return message + "; it is tried again by itself, no account is lost meanwhile"
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
		fmt.Sprintf("%d groups of spec.groups do not exist, or their name stands for another group now: %q; they are pushed as soon as they do",
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
		ready(metav1.ConditionFalse, v1alpha1.ReasonSuspended, "spec.suspend is true: the app is not called; what is due waits")
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
