// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/guard"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// UserView is a user with the desired and recorded state of its accounts.
type UserView struct {
	// User is a copy of the cached object, with the newest status that is known and the outcomes that are not written yet.
	User *v1alpha1.ScimUser
	// Cached is the object as the cache has it, shared with everybody: it is only read.
	Cached *v1alpha1.ScimUser
	// Stored is the newest status that is in etcd.
	Stored *v1alpha1.ScimUserStatus
	// Stale: the cache is older than what this process wrote; a status cannot be written on this copy.
	Stale bool
	// Refused: the userName belongs to another user, the Holder.
	Refused bool
	Holder  string
	// Outcomes that are not written yet, by app.
	Outcomes map[string]ledger.Outcome[v1alpha1.Account]
	// Accounts by app.
	Accounts []AccountView
}

// AccountView is one account of a user.
type AccountView struct {
	// App is nil if the ScimApp does not exist or its configuration is invalid; nothing is done then. Missing tells which.
	App     *App
	AppName string
	Missing bool
	// Recorded is the account status with the outcome that is not written yet, nil if there is none. Stored is what etcd has.
	Recorded, Stored *v1alpha1.Account
	Desired          plan.Desired
	// Unsettled is the operation that may have taken effect, nil for none.
	Unsettled *ledger.Unsettled
	Step      plan.Step
	// Announced: the step may be taken; after a crash, the next process knows that it may have been.
	Announced bool
	// ByLock: a person has locked the user, and the step deactivates the account because of it. The mass-change guard neither holds nor counts it.
	ByLock bool
	// ByProvider: the provider made the user inactive or deleted it.
	ByProvider bool
}

// User reads a user and decides for all of its accounts. It returns nil if there is none.
func (v *View) User(ctx context.Context, key types.NamespacedName) (*UserView, error) {
	view, err := v.load(ctx, key)
	if view == nil || err != nil {
		return nil, err
	}
	apps, err := v.allApps(ctx, key.Namespace)
	if err != nil {
		return nil, err
	}
	given, err := v.assignments(ctx, view.User)
	if err != nil {
		return nil, err
	}
	for _, name := range accountNames(view.User, given) {
		view.Accounts = append(view.Accounts, v.decide(view, name, apps[name], given[name]))
	}
	v.Book.Adopted(view.User.UID)
	return view, nil
}

// Account reads a user and decides for one account. The account is nil if there is nothing to decide.
func (v *View) Account(ctx context.Context, user types.NamespacedName, app string) (*UserView, *AccountView, error) {
	view, err := v.load(ctx, user)
	if view == nil || err != nil {
		return nil, nil, err
	}
	own, err := v.ownsName(ctx, view.User)
	if err != nil {
		return nil, nil, err
	}
	view.Refused = !own
	given, err := v.assignments(ctx, view.User)
	if err != nil {
		return nil, nil, err
	}
	if given[app] == nil && view.User.Status.Account(app) == nil {
		return view, nil, nil
	}
	compiled, err := v.compiled(ctx, types.NamespacedName{Namespace: user.Namespace, Name: app})
	if err != nil {
		return nil, nil, err
	}
	view.Accounts = []AccountView{v.decide(view, app, compiled, given[app])}
	return view, &view.Accounts[0], nil
}

// StillAnnounced reports whether the step of an account may still be taken, once the ledger knows its operation: no status may have been written since the decision, or be about to
// be, that does not tell of it.
func (v *View) StillAnnounced(ctx context.Context, user *v1alpha1.ScimUser, account *AccountView) (bool, error) {
	key := client.ObjectKeyFromObject(user)
	if v.Book.Writes(key) {
		return false, nil
	}
	now, err := v.load(ctx, key)
	if now == nil || err != nil || now.User.UID != user.UID {
		return false, err
	}
	return account.announced(now), nil
}

// announced reports whether the step may be taken on the newest status.
func (a *AccountView) announced(view *UserView) bool {
	behind := view.Stored.ObservedGeneration != view.User.Generation
	return plan.Announced(a.Step, a.Desired, a.App.Policy(a.Desired, a.Recorded), view.Stored.Account(a.AppName), behind)
}

// load reads the user and the pending writes of this process.
func (v *View) load(ctx context.Context, key types.NamespacedName) (*UserView, error) {
	if err := v.begin(ctx); err != nil {
		return nil, err
	}
	var uid types.UID
	var outcomes map[string]ledger.Outcome[v1alpha1.Account]
	for {
		cached := &v1alpha1.ScimUser{}
		if err := v.cache.Get(ctx, key, cached, client.UnsafeDisableDeepCopy); err != nil {
			if apierrors.IsNotFound(err) {
				v.forgetSelection(key)
			}
			return nil, client.IgnoreNotFound(err)
		}
		if cached.UID == uid {
			// The outcomes were read before the object: what is written and forgotten in between is in the object, or in the written status.
			return v.withPending(cached, outcomes), nil
		}
		uid = cached.UID
		outcomes = v.outcomes(key.Namespace, uid)
	}
}

// begin notes which users' specs were newer than their statuses when this process took over.
func (v *View) begin(ctx context.Context) error {
	return v.Book.Begin(func() ([]v1alpha1.ScimUser, error) {
		var list v1alpha1.ScimUserList
		if err := v.cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing the users to compare status and spec: %w", err)
		}
		return list.Items, nil
	})
}

func (v *View) outcomes(namespace string, uid types.UID) map[string]ledger.Outcome[v1alpha1.Account] {
	outcomes := map[string]ledger.Outcome[v1alpha1.Account]{}
	for app, l := range v.Book.Namespace(namespace) {
		if outcome, ok := l.AccountOutcome(uid); ok {
			outcomes[app] = outcome
		}
	}
	return outcomes
}

// withPending applies the pending writes of this process to a copy of the cached user.
func (v *View) withPending(cached *v1alpha1.ScimUser, outcomes map[string]ledger.Outcome[v1alpha1.Account]) *UserView {
	user := cached.DeepCopy()
	view := &UserView{User: user, Cached: cached, Stored: &cached.Status, Outcomes: outcomes}
	if newest := v.Book.Users.Newer(cached); newest != nil {
		view.Stale, view.Stored = true, newest
		user.Status = *newest.DeepCopy()
	}
	for app, outcome := range outcomes {
		user.Status.Accounts = withAccount(user.Status.Accounts, app, outcome)
	}
	return view
}

// latest returns a user, only to be read, with its newest status: the cached object itself if there is no pending write.
func (v *View) latest(ctx context.Context, cached *v1alpha1.ScimUser) (*v1alpha1.ScimUser, *v1alpha1.ScimUserStatus, error) {
	outcomes := v.outcomes(cached.Namespace, cached.UID)
	again := &v1alpha1.ScimUser{}
	key := client.ObjectKeyFromObject(cached)
	if err := v.cache.Get(ctx, key, again, client.UnsafeDisableDeepCopy); err != nil {
		return nil, nil, client.IgnoreNotFound(err)
	}
	if len(outcomes) == 0 {
		if newest := v.Book.Users.Newer(again); newest == nil {
			return again, &again.Status, nil
		}
	}
	view := v.withPending(again, outcomes)
	return view.User, view.Stored, nil
}

// withAccount puts an outcome in its place.
func withAccount(accounts []v1alpha1.Account, app string, outcome ledger.Outcome[v1alpha1.Account]) []v1alpha1.Account {
	i := slices.IndexFunc(accounts, func(a v1alpha1.Account) bool { return a.App == app })
	switch {
	case i >= 0 && outcome.Drop:
		return slices.Delete(accounts, i, i+1)
	case i >= 0:
		accounts[i] = *outcome.Entry.DeepCopy()
	case !outcome.Drop:
		accounts = append(accounts, *outcome.Entry.DeepCopy())
	}
	return accounts
}

func accountNames(user *v1alpha1.ScimUser, given map[string]*assignment.Assignment) []string {
	var names []string
	for i := range user.Status.Accounts {
		names = append(names, user.Status.Accounts[i].App)
	}
	for name := range given {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (v *View) decide(view *UserView, name string, app *compiledApp, given *assignment.Assignment) AccountView {
	user := view.User
	account := AccountView{AppName: name, Recorded: user.Status.Account(name), Stored: view.Stored.Account(name), ByProvider: byProvider(user)}
	if app == nil {
		account.Missing = true
		account.Step = plan.Step{Drop: true, InSync: true}
		return account
	}
	id := ledger.ID{Kind: ledger.Account, UID: user.UID}
	book := v.Book.Ledger(types.NamespacedName{Namespace: user.Namespace, Name: name})
	v.adopt(book, view, account.Stored, app.app)
	account.Unsettled = book.Unsettled(id)
	if app.err != nil {
		account.Desired.Assigned = given != nil
		account.Step = plan.Step{Reason: v1alpha1.ReasonAppNotReady, Message: "the configuration of the ScimApp is invalid; its Ready condition says why"}
		return account
	}
	account.App = app.app
	account.Desired = app.app.desiredAccount(user, given)
	var op *plan.Operation
	if account.Unsettled != nil {
		op = account.Unsettled.Operation
	}
	policy := app.app.Policy(account.Desired, account.Recorded)
	policy.HoldClears = holdsClears(book.Verdict(id, string(plan.EffectClear)), account.Recorded)
	account.Step = plan.Decide(account.Desired, account.Recorded, op, policy)
	if view.Refused {
		account.refuse()
	}
	account.ByLock = account.Desired.Locked && account.Step.Effect == v1alpha1.ActionDeactivate
	account.check(user)
	account.Announced = account.announced(view)
	return account
}

// holdsClears reports whether the guard holds the clearing of attributes: by its verdict or, before its first count, by the batch in the status.
func holdsClears(verdict ledger.Verdict, recorded *v1alpha1.Account) bool {
	if verdict.Effect != "" {
		return !verdict.Allowed
	}
	return recorded != nil && guard.OfAttributes(recorded.HeldBatch)
}

// byProvider reports whether the provider made the user inactive or deleted it.
func byProvider(user *v1alpha1.ScimUser) bool {
	return !user.IsActive() || !user.DeletionTimestamp.IsZero()
}

// Refuse marks the userName as that of another user, the holder: no account is changed.
func (u *UserView) Refuse(holder string) {
	u.Refused, u.Holder = true, holder
	for i := range u.Accounts {
		u.Accounts[i].refuse()
	}
}

// refuse drops the step of a user whose userName belongs to another one. The deletion of the app still ends its account, and so does a user who is locked, inactive or deleted: the
// status knows the account by its id, so the name does not matter.
func (a *AccountView) refuse() {
	leaves := (!a.Desired.Active || a.Desired.Deleted) && a.Step.Revocation && a.Recorded.RemoteID != ""
	if a.App != nil && a.App.Object.DeletionTimestamp.IsZero() && !a.Step.Drop && !leaves {
		a.Step = plan.Step{Reason: v1alpha1.ReasonUserNameConflict, Message: "the userName belongs to another user; nothing is changed in the app until this user has a userName of its own"}
	}
}

// adopt takes over the operation that an earlier process left for an account that exists. If it may have revoked access, it counts for the guard from now on: it may take
// effect as late as now. What had a batch was approved. app is nil if its configuration is invalid.
func (v *View) adopt(book *ledger.Ledger, view *UserView, stored *v1alpha1.Account, app *App) {
	if stored == nil || (stored.State != v1alpha1.AccountActive && stored.State != v1alpha1.AccountInactive) {
		return
	}
	user, roleAttribute := view.User, ""
	if app != nil {
		roleAttribute = app.roles.Attribute
	}
	adopted := book.Adopt(ledger.ID{Kind: ledger.Account, UID: user.UID}, stored.Operation, v.Book.Behind(user.UID))
	if adopted && stored.HeldBatch == "" && user.Lock() == v1alpha1.LockNone && plan.ParseOperation(stored.Operation).Revokes(stored, roleAttribute) {
		book.AddRevoked(ledger.GuardID(stored.RemoteID, user.UID), ledger.Revoked{At: v.Book.Now(), Leaver: byProvider(user)})
	}
}
