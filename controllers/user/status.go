// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// appState is the state of a running app, as far as a user's status depends on it.
type appState struct {
	running, healthy bool
	// noSeats: the app has no seat left.
	noSeats bool
	// trouble is why the app is not called, and known whether that is known.
	trouble provisioner.Health
	known   bool
	// verdict of the mass-change guard on the account's revocation.
	verdict ledger.Verdict
}

// nextStatus is a status to write, and how urgent that is.
type nextStatus struct {
	now metav1.Time
	// cause is when what a new revocation follows from has happened.
	cause  metav1.Time
	status v1alpha1.ScimUserStatus
	// intents are the apps in which the account is to be created and whose account status says so only with this write.
	intents map[string]bool
	// announced are the apps whose account status has an operation that this process is about to call.
	announced map[string]bool
	// urgent: it has to be written before anything else happens.
	urgent bool
	// imminent: a change is about to be made whose outcome will be written anyway.
	imminent bool
}

// computeStatus is the status that follows from what is known of a user. It is pure.
func computeStatus(view *desired.UserView, now metav1.Time, state func(*desired.AccountView) appState) *nextStatus {
	next := &nextStatus{now: now, cause: desired.CausedAt(view.User, view.User.Status.ObservedGeneration, now), intents: map[string]bool{}, announced: map[string]bool{}}
	after := view.User.DeepCopy()
	after.Status.Accounts = nil
	inSync := 0
	var problems []problem
	room := maxAccounts - len(view.User.Status.Accounts)
	for i := range view.Accounts {
		account := &view.Accounts[i]
		if account.Step.Drop {
			continue
		}
		if account.Recorded == nil {
			if room--; room < 0 {
				problems = append(problems, problem{app: account.AppName, reason: v1alpha1.ReasonTooManyAccounts, message: tooManyAccounts})
				continue
			}
		}
		entry := next.entryOf(account, state)
		after.Status.Accounts = append(after.Status.Accounts, entry)
		if account.Step.InSync || settled(account) {
			inSync++
		} else {
			problems = append(problems, problemOf(account, &entry))
		}
	}
	after.Status.ObservedGeneration = after.Generation
	after.Status.Active = strconv.FormatBool(after.IsActive())
	after.Status.LockedTime = lockedTime(after, now)
	after.Status.Summary = fmt.Sprintf("%d/%d", inSync, len(after.Status.Accounts))
	if view.Refused {
		refused(after, view.Holder)
	} else {
		setConditions(after, problems)
		if len(problems) == 0 && after.Status.LockedTime != nil {
			kube.SetCondition(after, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonLocked, lockMessage(after))
		}
	}
	handled(view, after)
	next.status = after.Status
	return next
}

// maxAccounts is how many accounts a user may have (ScimUser.status.accounts).
const maxAccounts = 64

const tooManyAccounts = "the user already has 64 accounts, the maximum; remove the user from the mappings of other apps"

// entryOf leaves the account status of an app whose configuration is invalid as it is, but for an unsettled operation and for what a leaver waits for: an invalid configuration
// is a failure of the app, and costs no write for each user.
func (n *nextStatus) entryOf(account *desired.AccountView, state func(*desired.AccountView) appState) v1alpha1.Account {
	if account.App == nil && account.Recorded != nil {
		entry := *account.Recorded.DeepCopy()
		entry.Operation = n.operation(account, false)
		n.explainInvalid(&entry, account)
		return entry
	}
	return n.entry(account, state(account))
}

// settled reports whether an account was in sync when the configuration of its app became invalid, and the user should still have it.
func settled(account *desired.AccountView) bool {
	if account.App != nil || account.Recorded == nil {
		return false
	}
	return account.Recorded.Planned == "" && account.Recorded.Reason == "" && !leaves(account)
}

// leaves reports whether an account may be usable although the user should not have it. The configuration of the app, which may be invalid, is left out.
func leaves(account *desired.AccountView) bool {
	usable := account.Recorded.State == v1alpha1.AccountActive || account.Recorded.State == v1alpha1.AccountCreating
	return usable && (account.ByProvider || !account.Desired.Assigned)
}

// entry returns the next status of an account.
func (n *nextStatus) entry(account *desired.AccountView, state appState) v1alpha1.Account {
	step := account.Step
	entry := v1alpha1.Account{App: account.AppName, State: v1alpha1.AccountPending}
	if account.Recorded != nil {
		entry = *account.Recorded.DeepCopy()
	}
	entry.RejectedAttributes, _ = plan.Shown(step.Rejected, plan.MaxRejected)
	batch := batchOf(&entry, account, state)
	if entry.Planned != step.Action {
		// What failed was something else.
		entry.Attempts, entry.NextRetryTime, entry.Reason, entry.Message = 0, nil, "", ""
	}
	n.pending(&entry, step.Revocation)
	entry.Planned, entry.PlannedAttributes, entry.HeldBatch = step.Action, nil, batch
	callable := state.callable(account)
	entry.Operation = n.operation(account, callable)
	switch {
	case step.Action == "":
		entry.Reason, entry.Message = step.Reason, kube.EntryMessage(step.Message)
		return entry
	case step.Action == v1alpha1.ActionCheck:
		n.explainCheck(&entry, step, state)
		return entry
	case step.Action == v1alpha1.ActionUpdate, step.Action == v1alpha1.ActionReactivate:
		names := append(slices.Clone(step.Set), step.Clear...)
		slices.Sort(names)
		entry.PlannedAttributes, _ = plan.Shown(names, plan.MaxPlanned)
	case step.Action == v1alpha1.ActionCreate && entry.State != v1alpha1.AccountCreating && callable:
		// No intent is written while the app cannot be called: nothing may be revoked later that was never tried.
		entry.State, entry.RemoteID, entry.Applied, entry.Roles = v1alpha1.AccountCreating, "", "", nil
		entry.MatchValue = plan.StorableMatchValue(account.App.MatchValue(account.Desired))
		n.intents[account.AppName] = true
		n.urgent = true
	}
	n.explain(&entry, account, state, callable)
	return entry
}

// callable reports whether a worker takes the step when it gets the key.
func (s appState) callable(account *desired.AccountView) bool {
	held := account.Step.Guarded() && !account.ByLock && account.Step.Action != v1alpha1.ActionObserve && !s.verdict.Allowed
	if !s.running || !s.healthy || held {
		return false
	}
	_, suspended := account.App.Object.Suspended()
	return !suspended
}

// operation returns the operation of the account status: the unsettled one, merged with the one that is about to be called. Only its settlement erases it; one that was
// announced and never called is erased when the step changes.
func (n *nextStatus) operation(account *desired.AccountView, callable bool) *v1alpha1.AccountOperation {
	var op *plan.Operation
	if account.Unsettled != nil {
		op = account.Unsettled.Operation
	}
	if writes(account) {
		policy := account.App.Policy(account.Desired, account.Recorded)
		if callable || plan.Announced(account.Step, account.Desired, policy, account.Stored, false) {
			op = plan.Merge(op, plan.OperationOf(account.Step, account.Desired, policy))
			n.announced[account.AppName] = true
		}
	}
	if op == nil {
		return nil
	}
	next := op.Status(n.now)
	if account.Stored != nil && account.Stored.Operation != nil {
		next.StartTime = account.Stored.Operation.StartTime
	}
	return next
}

// writes reports whether the step changes an account that exists.
func writes(account *desired.AccountView) bool {
	if account.Recorded == nil || (account.Recorded.State != v1alpha1.AccountActive && account.Recorded.State != v1alpha1.AccountInactive) {
		return false
	}
	switch account.Step.Action {
	case v1alpha1.ActionUpdate, v1alpha1.ActionReactivate, v1alpha1.ActionDeactivate, v1alpha1.ActionDelete:
		return true
	default:
		return false
	}
}

// batchOf is the batch in which the guard holds the step. An entry keeps its batch until the guard says otherwise: after a restart it has
// not counted yet, and what was approved is not to be counted anew.
func batchOf(entry *v1alpha1.Account, account *desired.AccountView, state appState) string {
	step := account.Step
	switch {
	case account.ByLock, !step.Guarded() && len(step.Withheld) == 0:
		return ""
	case len(step.Withheld) > 0 && state.verdict.Effect == "":
		return entry.HeldBatch
	case state.verdict.Effect == "" && (entry.Planned == step.Action || entry.Planned == step.Effect):
		return entry.HeldBatch
	default:
		return state.verdict.Batch
	}
}

func setConditions(user *v1alpha1.ScimUser, problems []problem) {
	i := slices.IndexFunc(problems, func(p problem) bool { return !p.waits })
	stalled := i >= 0
	worst := v1alpha1.ReasonProgressing
	for _, p := range problems {
		if p.reason != "" && p.reason != v1alpha1.ReasonQueued {
			worst = p.reason
			break
		}
	}
	if stalled {
		worst = problems[i].reason
	}
	text := describe(problems)
	switch {
	case len(problems) == 0:
		kube.SetCondition(user, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "all accounts are in sync"+notes(user))
	default:
		kube.SetCondition(user, v1alpha1.ConditionReady, metav1.ConditionFalse, worst, text)
	}
	kube.SetWhile(user, len(problems) > 0 && !stalled, v1alpha1.ConditionReconciling, worst, text)
	kube.SetWhile(user, stalled, v1alpha1.ConditionStalled, worst, text)
}

// describe lists the accounts that are out of sync, by app.
func describe(problems []problem) string {
	parts := make([]string, len(problems))
	for i, p := range problems {
		parts[i] = p.app + ": changes are pending"
		if p.reason != "" {
			parts[i] = p.app + ": " + p.reason + ": " + p.message + kube.NextAttempt(p.retry)
		}
	}
	return strings.Join(parts, "; ")
}

// refused is the status of a user whose userName belongs to another one.
func refused(user *v1alpha1.ScimUser, holder string) {
	message := "the userName belongs to ScimUser " + holder + "; change spec.userName of this object or delete one of them"
	user.Status.ObservedGeneration = user.Generation
	user.Status.Active = "false"
	kube.SetCondition(user, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonUserNameConflict, message)
	kube.RemoveCondition(user, v1alpha1.ConditionReconciling)
	kube.SetCondition(user, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonUserNameConflict, message)
}
