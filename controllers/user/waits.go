// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// Why a step is not taken yet.
const (
	messageSuspended      = "the ScimApp is suspended (%s); the change is made when that ends"
	messageCreateWaits    = "the ScimApp is not ready, and its condition Ready says why; the account is created when it is"
	messageChangeWaits    = "the ScimApp was not ready when the change was planned, and its condition Ready says why; the change is made when the app is ready"
	messageUntested       = "the revocation waits until the credentials of the ScimApp are tested"
	messageQueued         = "the revocation is queued for the app; revocations are made before other changes"
	messageRevocationWait = "; the revocation is made first when the app can be called again. The conditions of the ScimApp say who has to act"
)

// explain says why a step is not taken yet, and how urgent a write is.
func (n *nextStatus) explain(entry *v1alpha1.Account, account *desired.AccountView, state appState, callable bool) {
	waits := false
	why, suspended := account.App.Object.Suspended()
	switch {
	case entry.HeldBatch != "" && !state.verdict.Allowed && account.Step.Guarded():
		entry.Reason = v1alpha1.ReasonHeld
		entry.Message = "the mass-change guard holds the change in batch " + entry.HeldBatch + "; the condition MassChangeHeld of the ScimApp says how to approve it"
	case suspended:
		say(entry, v1alpha1.ReasonSuspended, fmt.Sprintf(messageSuspended, why))
	case entry.Attempts > 0:
	default:
		waits = explainWait(entry, account, state, callable)
	}
	n.imminent = n.imminent || (waits && state.running && state.healthy)
	// What no change of the spec tells of is announced before it is done.
	n.urgent = n.urgent || (!account.Announced && callable)
}

// explainWait says what a step waits for that is neither held nor failed. It is about to be taken if waits is true.
func explainWait(entry *v1alpha1.Account, account *desired.AccountView, state appState, callable bool) (waits bool) {
	create := account.Step.Action == v1alpha1.ActionCreate
	switch {
	case callable && state.noSeats && provisioner.NeedsSeat(account.Step.Action):
		say(entry, v1alpha1.ReasonNoSeats, provisioner.MessageNoSeats)
	case account.Step.Revocation:
		explainRevocation(entry, state)
		return true
	case create && !callable:
		say(entry, v1alpha1.ReasonAppNotReady, messageCreateWaits)
	case !callable && account.Recorded.Planned != account.Step.Action:
		// The status is written anyway. It is not written when the app is ready again or breaks later: that is shown on the ScimApp.
		say(entry, v1alpha1.ReasonAppNotReady, messageChangeWaits)
	case !create && entry.Reason == v1alpha1.ReasonAppNotReady:
		return true
	default:
		entry.Reason, entry.Message = "", ""
		return true
	}
	return false
}

// explainRevocation says what a revocation waits for. Few users have one, so it costs a write when the reason changes, also where the trouble is that of the app as a whole.
func explainRevocation(entry *v1alpha1.Account, state appState) {
	switch {
	case state.trouble.Reason != "":
		say(entry, state.trouble.Reason, state.trouble.Waiting()+messageRevocationWait)
	case state.known:
		say(entry, v1alpha1.ReasonQueued, messageQueued)
	case entry.Reason == "", entry.Reason == v1alpha1.ReasonHeld, entry.Reason == v1alpha1.ReasonSuspended:
		say(entry, v1alpha1.ReasonAppNotReady, messageUntested)
	}
}

// explainInvalid says that a leaver waits for an app whose configuration is invalid, unless something else keeps the account.
func (n *nextStatus) explainInvalid(entry *v1alpha1.Account, account *desired.AccountView) {
	blocked := entry.Planned == "" && entry.Reason != "" && entry.Reason != v1alpha1.ReasonAppNotReady
	if blocked || !leaves(account) {
		return
	}
	n.pending(entry, true)
	if entry.Attempts == 0 && entry.HeldBatch == "" {
		say(entry, account.Step.Reason, account.Step.Message)
	}
}

func say(entry *v1alpha1.Account, reason, message string) {
	entry.Reason, entry.Message = reason, kube.EntryMessage(message)
}

// pending notes since when a revocation is pending.
func (n *nextStatus) pending(entry *v1alpha1.Account, revocation bool) {
	switch {
	case !revocation:
		entry.PendingRevocationTime = nil
	case entry.PendingRevocationTime == nil:
		entry.PendingRevocationTime = n.cause.DeepCopy()
	}
}

// problem is an account that is out of sync; reason is empty while its change is being made. waits: it resolves without an action on this user.
type problem struct {
	app, reason, message string
	waits                bool
	// retry is when the next attempt is made, nil if nothing has failed.
	retry *metav1.Time
}

// problemOf returns why an account is out of sync. The account status of an app whose configuration is invalid may say nothing.
func problemOf(account *desired.AccountView, entry *v1alpha1.Account) problem {
	p := problem{app: entry.App, reason: entry.Reason, message: entry.Message}
	if account.App == nil && entry.Reason == "" {
		p.reason, p.message = account.Step.Reason, account.Step.Message
	}
	if entry.Attempts > 0 {
		p.retry = entry.NextRetryTime
	}
	// What has not failed waits for the app.
	p.waits = slices.Contains(waiting, p.reason) || (account.Step.Action != "" && entry.Attempts == 0)
	return p
}

// waiting are reasons that need no action on this user: they resolve without one, or by an action elsewhere. The user is not Stalled.
var waiting = []string{
	"", v1alpha1.ReasonHeld, v1alpha1.ReasonSuspended, v1alpha1.ReasonAppNotReady, v1alpha1.ReasonRateLimited, v1alpha1.ReasonServerError, v1alpha1.ReasonUnreachable,
	v1alpha1.ReasonUnexpectedAnswer, v1alpha1.ReasonNoSeats,
}
