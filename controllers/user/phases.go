// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
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
		return true, ctrl.Result{RequeueAfter: sweepEvery}, r.refuse(ctx, user, conflict.Holder)
	}
	if err != nil || admitted.ResourceVersion != user.ResourceVersion {
		// What was written comes back as an event.
		return true, ctrl.Result{}, err
	}
	return false, ctrl.Result{}, nil
}

// refuse tells a user that its userName belongs to another one. Nothing is done for it, and nothing to the other one.
func (r *Reconciler) refuse(ctx context.Context, user *v1alpha1.ScimUser, holder string) error {
	after := user.DeepCopy()
	refused(after, holder)
	_, err := kube.PatchStatus(ctx, r.Client, user, after)
	return err
}

// accounts works out the status, writes it when there is something to say, and sets the apps to work.
func (r *Reconciler) accounts(ctx context.Context, view *desired.UserView) (result ctrl.Result, wrote bool, err error) {
	key := client.ObjectKeyFromObject(view.User)
	next := r.compute(view)
	if wait := r.gather(view, next); wait > 0 {
		r.enqueue(view, next, false)
		return ctrl.Result{RequeueAfter: wait}, false, nil
	}
	after := view.Cached.DeepCopy()
	after.Status = next.status
	wrote, err = kube.PatchStatus(ctx, r.Client, view.Cached, after)
	if err != nil {
		return ctrl.Result{}, false, err
	}
	if wrote {
		r.View.Users.Written(key, after.ResourceVersion, after.Status.DeepCopy(), view.Outcomes)
		r.record(view)
	} else {
		r.View.Users.Settled(key, view.Outcomes)
	}
	r.deferred.forget(key)
	r.enqueue(view, next, true)
	return ctrl.Result{RequeueAfter: nextRetry(next.status.Accounts, r.Clock.Now())}, wrote, nil
}

// nextRetry is how long it takes until an account is tried again, 0 if none is to be. The queues hold only what is due: what waits for an hour
// would keep others out.
func nextRetry(accounts []v1alpha1.Account, now time.Time) time.Duration {
	var soonest time.Duration
	for i := range accounts {
		if at := accounts[i].NextRetryTime; at != nil {
			if wait := max(at.Sub(now), time.Second); soonest == 0 || wait < soonest {
				soonest = wait
			}
		}
	}
	return soonest
}

// compute is the status as it should be now.
func (r *Reconciler) compute(view *desired.UserView) *nextStatus {
	return computeStatus(view, func(account *desired.AccountView) appState {
		app := r.Apps.Get(types.NamespacedName{Namespace: view.User.Namespace, Name: account.AppName})
		if app == nil {
			return appState{}
		}
		return appState{
			running: true, healthy: app.Health().Reason == "",
			heldBatch: app.HeldBatch(view.User.Name, account.Step.Action), passed: app.Passed(view.User.Name),
		}
	})
}

// gather is how long to wait before a status is written: outcomes of several apps go together, and a change that is being made right now is
// not announced first. 0 means now.
func (r *Reconciler) gather(view *desired.UserView, next *nextStatus) time.Duration {
	if next.urgent {
		return 0
	}
	key := client.ObjectKeyFromObject(view.User)
	now := r.Clock.Now()
	if len(view.Outcomes) > 0 {
		if !r.Apps.Busy(key.Namespace, provisioner.Key{Kind: provisioner.KindAccount, Name: key.Name}) {
			if r.View.Users.Complete(key, view.User.UID, view.Outcomes) {
				return 0
			}
			// The last one came in after the user was looked at.
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
		return max(0, showPlanAfter-now.Sub(r.deferred.since(key, now)))
	}
	return 0
}

// enqueue gives the apps the keys that they have to look at. intentsWritten says that the intents to create stand in etcd.
func (r *Reconciler) enqueue(view *desired.UserView, next *nextStatus, intentsWritten bool) {
	for i := range view.Accounts {
		account := &view.Accounts[i]
		if account.App == nil || account.Step.Action == "" {
			continue
		}
		app := r.Apps.Get(types.NamespacedName{Namespace: view.User.Namespace, Name: account.AppName})
		if app == nil {
			continue
		}
		key := provisioner.Key{Kind: provisioner.KindAccount, Name: view.User.Name}
		if next.intents[account.AppName] {
			if !intentsWritten {
				continue
			}
			app.Intended(key)
		}
		app.Enqueue(key, classOf(account), account.App.Exclusive(account.Wanted), 0)
	}
}

func classOf(account *desired.AccountView) provisioner.Class {
	switch {
	case account.Step.Revocation:
		return provisioner.ClassRevocation
	case account.Step.Action == v1alpha1.ActionCreate:
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
	for app, outcome := range view.Outcomes {
		if outcome.Event != "" {
			r.Recorder.Eventf(view.User, nil, corev1.EventTypeNormal, outcome.Event, outcome.Event, "%s in %s", accountEvent(outcome.Event), app)
		}
	}
}

// accountEvent is what happened, as a person says it.
func accountEvent(event string) string {
	if event == desired.EventVanished {
		return "The account was gone and is looked for"
	}
	return event + " the account"
}

// deferrals remember since when users wait for something, such as a write for a change that is under way.
type deferrals struct {
	mu    sync.Mutex
	times map[types.NamespacedName]time.Time
}

func (d *deferrals) since(key types.NamespacedName, now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.times == nil {
		d.times = map[types.NamespacedName]time.Time{}
	}
	if _, ok := d.times[key]; !ok {
		d.times[key] = now
	}
	return d.times[key]
}

func (d *deferrals) forget(key types.NamespacedName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.times, key)
}
