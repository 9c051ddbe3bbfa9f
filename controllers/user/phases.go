// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// admit lets a user take effect: its userName is its own, it has an id and the finalizer. done means that this reconcile ends here.
func (r *Reconciler) admit(ctx context.Context, view *desired.UserView) (done bool, result ctrl.Result, err error) {
	user := view.User
	if !user.DeletionTimestamp.IsZero() {
		return false, ctrl.Result{}, nil
	}
	entitled, err := r.Directory.Entitled(ctx, user)
	if err != nil {
		return true, ctrl.Result{}, err
	}
	if user.Admitted() && entitled && controllerutil.ContainsFinalizer(user, v1alpha1.FinalizerDeprovision) {
		return false, ctrl.Result{}, nil
	}
	admitted := user.DeepCopy()
	err = r.Directory.Admit(ctx, admitted)
	if conflict := conflictOf(err); conflict != nil {
		if admitted.UID == "" {
			return true, ctrl.Result{}, nil
		}
		// Nothing is done for it, and nothing to the other one; only the end of an app still reaches its account.
		view.Refuse(conflict.Holder)
		return false, ctrl.Result{RequeueAfter: sweepEvery}, nil
	}
	if err != nil || admitted.ResourceVersion != user.ResourceVersion {
		// What was written comes back as an event.
		return true, ctrl.Result{}, err
	}
	return false, ctrl.Result{}, nil
}

// accounts works out the status, writes it when there is something to say, and enqueues what is to be done in the apps.
func (r *Reconciler) accounts(ctx context.Context, view *desired.UserView) (result ctrl.Result, wrote bool, err error) {
	if !r.recorded(view) {
		return ctrl.Result{RequeueAfter: recordWait}, false, nil
	}
	next, wait, wrote, err := r.writeStatus(ctx, view)
	switch {
	case err != nil:
		return ctrl.Result{}, false, err
	case next == nil:
		return ctrl.Result{RequeueAfter: wait}, false, nil
	case wait > 0:
		r.enqueue(view, next, false)
		return ctrl.Result{RequeueAfter: wait}, false, nil
	}
	r.enqueue(view, next, true)
	result.RequeueAfter = nextRetry(next.status.Accounts, r.Clock.Now())
	if wrote && inputsChanged(view.Stored, &next.status) {
		result = sooner(result, ctrl.Result{RequeueAfter: staleWait})
	}
	return result, wrote, nil
}

// writeStatus computes the status and writes it if there is something to say. It has to wait for an outcome, or, if next is nil, for a call that has begun since the user was
// read: the status has to hold its operation.
func (r *Reconciler) writeStatus(ctx context.Context, view *desired.UserView) (next *nextStatus, wait time.Duration, wrote bool, err error) {
	book, uid, key := r.View.Book, view.User.UID, client.ObjectKeyFromObject(view.User)
	book.BeginWrite(key)
	defer book.EndWrite(key)
	if r.begun(view) {
		return nil, time.Millisecond, false, nil
	}
	next = r.compute(view)
	if wait := r.gather(view, next); wait > 0 {
		return next, wait, false, nil
	}
	for app := range next.announced {
		r.ledger(view, app).Announced(ledger.ID{Kind: ledger.Account, UID: uid})
	}
	after := view.Cached.DeepCopy()
	after.Status = next.status
	wrote, err = kube.PatchStatus(ctx, r.Client, view.Cached, after)
	if err != nil {
		return nil, 0, false, err
	}
	if wrote {
		book.Users.Put(after, after.Status.DeepCopy())
		r.record(view)
		r.Reporter.Tell(ctx, view.User, reports(view.Stored, &next.status)...)
	}
	for i := range next.status.Accounts {
		if entry := &next.status.Accounts[i]; entry.Operation == nil {
			r.ledger(view, entry.App).NoneStored(ledger.ID{Kind: ledger.Account, UID: uid})
		}
	}
	for _, app := range slices.Sorted(maps.Keys(view.Outcomes)) {
		r.ledger(view, app).AccountWritten(uid, view.Outcomes[app])
		r.Apps.WakeWaiting(r.appKey(view, app), uid)
	}
	book.End(ledger.Since{UID: uid, For: waitStatus})
	return next, 0, wrote, nil
}

// begun reports whether an operation has begun or ended since the user was read.
func (r *Reconciler) begun(view *desired.UserView) bool {
	id := ledger.ID{Kind: ledger.Account, UID: view.User.UID}
	return slices.ContainsFunc(view.Accounts, func(account desired.AccountView) bool {
		return !account.Missing && !reflect.DeepEqual(account.Unsettled, r.ledger(view, account.AppName).Unsettled(id))
	})
}

// inputsChanged reports whether the status changes an input of the next decision. The workers may decide before the cache shows it.
func inputsChanged(before, after *v1alpha1.ScimUserStatus) bool {
	return before.ObservedGeneration != after.ObservedGeneration || desired.RefusedBy(before) != desired.RefusedBy(after)
}

// recorded reports whether every app's status records the revocations whose account status is to be dropped: the guard must not forget them.
func (r *Reconciler) recorded(view *desired.UserView) bool {
	recorded := true
	for _, app := range slices.Sorted(maps.Keys(view.Outcomes)) {
		outcome := view.Outcomes[app]
		if outcome.Drop && outcome.Revoked {
			recorded = r.askRecord(view, app, &outcome.Entry, outcome.At) && recorded
		}
	}
	return recorded
}

// askRecord asks for a revocation to be recorded in the status of an app, and returns whether it is. An app that does not exist has no guard.
func (r *Reconciler) askRecord(view *desired.UserView, app string, entry *v1alpha1.Account, at time.Time) bool {
	i := slices.IndexFunc(view.Accounts, func(a desired.AccountView) bool { return a.AppName == app })
	if i >= 0 && view.Accounts[i].Missing {
		return true
	}
	leaver := !view.User.IsActive() || !view.User.DeletionTimestamp.IsZero()
	return r.Apps.AskRecord(r.appKey(view, app), ledger.GuardID(entry.RemoteID, view.User.UID), ledger.Revoked{At: at, Leaver: leaver},
		ledger.Waiting{Kind: ledger.Account, Name: view.User.Name})
}

func (r *Reconciler) appKey(view *desired.UserView, app string) types.NamespacedName {
	return types.NamespacedName{Namespace: view.User.Namespace, Name: app}
}

func (r *Reconciler) ledger(view *desired.UserView, app string) *ledger.Ledger {
	return r.View.Book.Ledger(r.appKey(view, app))
}

// nextRetry returns the time until the next retry of an account, 0 if there is none, or if all are due and queued. Only due keys are queued: one that waits for an hour
// would take the place of another one.
func nextRetry(accounts []v1alpha1.Account, now time.Time) time.Duration {
	var soonest time.Duration
	for i := range accounts {
		if at := accounts[i].NextRetryTime; at != nil && at.After(now) {
			if wait := min(max(at.Sub(now), time.Second), ledger.MaxWait); soonest == 0 || wait < soonest {
				soonest = wait
			}
		}
	}
	return soonest
}

// compute is the status as it should be now.
func (r *Reconciler) compute(view *desired.UserView) *nextStatus {
	return computeStatus(view, metav1.NewTime(r.Clock.Now()), func(account *desired.AccountView) appState {
		key := r.appKey(view, account.AppName)
		state := appState{}
		state.trouble, state.known = r.Apps.Trouble(key)
		if app := r.Apps.Get(key); app != nil {
			state.running, state.healthy = true, app.Health().Reason == ""
			_, state.noSeats = app.NoSeats()
			state.verdict = r.ledger(view, account.AppName).Verdict(ledger.ID{Kind: ledger.Account, UID: view.User.UID}, string(account.Step.Effect))
		}
		return state
	})
}

// gather is how long to wait before a status is written: outcomes of several apps go together, and a change that is being made right now is
// not announced first. 0 means now.
func (r *Reconciler) gather(view *desired.UserView, next *nextStatus) time.Duration {
	if next.urgent {
		return 0
	}
	now := r.Clock.Now()
	if len(view.Outcomes) > 0 {
		if !r.Apps.Busy(view.User.Namespace, provisioner.Key{Kind: provisioner.KindAccount, Name: view.User.Name}) {
			if r.complete(view) {
				return 0
			}
			// The last one came in after the user was read.
			return time.Millisecond
		}
		oldest := now
		for _, outcome := range view.Outcomes {
			if outcome.At.Before(oldest) {
				oldest = outcome.At
			}
		}
		return max(0, burst-now.Sub(oldest))
	}
	if next.imminent {
		return max(0, showPlanAfter-now.Sub(r.View.Book.Since(ledger.Since{UID: view.User.UID, For: waitStatus})))
	}
	return 0
}

// complete reports whether no other outcome has come since the user was read.
func (r *Reconciler) complete(view *desired.UserView) bool {
	for app, l := range r.View.Book.Namespace(view.User.Namespace) {
		outcome, had := view.Outcomes[app]
		if l.NewerAccount(view.User.UID, outcome, had) {
			return false
		}
	}
	return true
}

// enqueue enqueues the accounts that need a call. written: the status is in etcd. Before that, neither a create nor an account with an unwritten outcome is enqueued.
func (r *Reconciler) enqueue(view *desired.UserView, next *nextStatus, written bool) {
	for i := range view.Accounts {
		account := &view.Accounts[i]
		if account.App == nil {
			continue
		}
		id := ledger.ID{Kind: ledger.Account, UID: view.User.UID}
		if account.Step.Action == "" {
			// A 404 to a change that is no longer desired proves nothing for a later one.
			r.ledger(view, account.AppName).Present(id)
		}
		if !account.Step.Revocation {
			// What the guard decided, and a person approved, was for a revocation that is no longer desired: the same one later is counted again.
			r.ledger(view, account.AppName).DropVerdict(id)
		}
		if account.Step.Action == "" || next.status.Account(account.AppName) == nil {
			// Nothing is to be done, or the status has no room for the account.
			continue
		}
		app := r.Apps.Get(types.NamespacedName{Namespace: view.User.Namespace, Name: account.AppName})
		if app == nil {
			continue
		}
		key := provisioner.Key{Kind: provisioner.KindAccount, Name: view.User.Name}
		if _, outcome := view.Outcomes[account.AppName]; outcome && !written {
			continue
		}
		if next.intents[account.AppName] {
			if !written {
				continue
			}
			r.ledger(view, account.AppName).Intended(id)
		}
		app.Enqueue(key, classOf(account), account.App.Exclusive(account.Desired), 0)
	}
}

func classOf(account *desired.AccountView) provisioner.Class {
	switch {
	case account.Step.Revocation:
		return provisioner.ClassRevocation
	case provisioner.NeedsSeat(account.Step.Action), account.Step.Action == v1alpha1.ActionCheck:
		return provisioner.ClassJoiner
	default:
		return provisioner.ClassChange
	}
}

// record tells of the changes that were made, and the apps that their counters move.
func (r *Reconciler) record(view *desired.UserView) {
	for i := range view.Accounts {
		r.Apps.Changed(types.NamespacedName{Namespace: view.User.Namespace, Name: view.Accounts[i].AppName})
	}
	for _, app := range slices.Sorted(maps.Keys(view.Outcomes)) {
		outcome := view.Outcomes[app]
		if outcome.Event != "" {
			r.Recorder.Eventf(view.User, nil, corev1.EventTypeNormal, outcome.Event, outcome.Event, "%s in %s", accountEvent(outcome.Event), app)
		}
	}
}

// accountEvent is what happened, as a person says it.
func accountEvent(event string) string {
	switch event {
	case ledger.EventNotFound:
		return "The account was not found and is looked up again"
	case ledger.EventAbsenceConfirmed:
		return "A person confirmed that there is no account"
	}
	return event + " the account"
}
