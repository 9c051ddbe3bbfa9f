// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// GuardWindow is the time over which the mass-change guard counts.
const GuardWindow = time.Hour

// AppCensus is every account of an app, counted by what the statuses of the users say.
type AppCensus struct {
	// Active accounts, and those that are active or may have been created.
	Active, Open int
	// Done is how many were revoked in the guard's window.
	Done int
	// Pending changes, and Failed accounts: those that cannot be brought to what they should be.
	Pending, Failed int
	// Held are the changes that the guard holds.
	Held []HeldChange
	// Closing is whether some of them do not stand in the users' statuses yet, or otherwise.
	Closing bool
}

// HeldChange is a change that waits for a person.
type HeldChange struct {
	// User is the object's name.
	User   string
	Action v1alpha1.AccountAction
	Batch  string
}

// Census counts the accounts of an app. It costs no more than a look at each status: nothing is decided. held is what the guard holds as far as it has
// counted since this process began, by the user's object name; it goes before the statuses. A batch is closed at once and written user by user, and a person who
// approves it must have seen all of it.
func (v *View) Census(ctx context.Context, app types.NamespacedName, now time.Time, held map[string]HeldChange) (*AppCensus, error) {
	census := &AppCensus{}
	err := v.eachUser(ctx, app, func(user *v1alpha1.ScimUser, entry *v1alpha1.Account) error {
		census.add(user.Name, entry, now, held)
		return nil
	})
	return census, err
}

func (c *AppCensus) add(user string, entry *v1alpha1.Account, now time.Time, held map[string]HeldChange) {
	switch entry.State {
	case v1alpha1.AccountActive:
		c.Active++
		c.Open++
	case v1alpha1.AccountCreating:
		c.Open++
	}
	if revokedLately(entry, now) {
		c.Done++
	}
	change, known := held[user]
	switch {
	case known:
		c.Held = append(c.Held, change)
		c.Closing = c.Closing || change.Batch != entry.HeldBatch
	case entry.HeldBatch != "":
		c.Held = append(c.Held, HeldChange{User: user, Action: entry.Planned, Batch: entry.HeldBatch})
	case entry.Attempts > 0, entry.Planned == "" && entry.Reason != "":
		c.Failed++
	case entry.Planned != "":
		c.Pending++
	}
}

func revokedLately(entry *v1alpha1.Account, now time.Time) bool {
	return entry.RevokedTime != nil && now.Sub(entry.RevokedTime.Time) < GuardWindow
}

// Planned are the object names of the users whose status plans a change of their account that is not held.
func (v *View) Planned(ctx context.Context, app types.NamespacedName) ([]string, error) {
	var users []string
	err := v.eachUser(ctx, app, func(user *v1alpha1.ScimUser, entry *v1alpha1.Account) error {
		if entry.Planned != "" && entry.Reason != v1alpha1.ReasonHeld {
			users = append(users, user.Name)
		}
		return nil
	})
	return users, err
}

// Revocation is a change that takes something from a user and that the guard counts.
type Revocation struct {
	// User is the object's name.
	User   string
	Change plan.Change
	// Batch is the digest of the batch in which exactly this change is held, "" for none.
	Batch string
	// Exclusive is the account's match value, folded.
	Exclusive string
}

// GuardCensus is what the mass-change guard decides on.
type GuardCensus struct {
	// Active accounts, before what is wanted now.
	Active int
	// Revoked are the users, by object name, from whom something was taken in the guard's window.
	Revoked []string
	// Wanted are the revocations that are to be made.
	Wanted []Revocation
}

// Revocations decides for every account of an app whether something is to be taken from it. The error is an *InvalidError if the app's
// configuration does not allow to say.
func (v *View) Revocations(ctx context.Context, key types.NamespacedName, now time.Time) (*GuardCensus, error) {
	app, err := v.App(ctx, key)
	if app == nil || err != nil {
		return &GuardCensus{}, err
	}
	mappings, err := v.mappings(ctx, key.Namespace)
	if err != nil {
		return nil, err
	}
	census := &GuardCensus{}
	err = v.eachUser(ctx, key, func(user *v1alpha1.ScimUser, entry *v1alpha1.Account) error {
		given, err := v.given(ctx, mappings, user)
		if err != nil {
			return err
		}
		census.add(app, user, entry, given[key.Name], now)
		return nil
	})
	return census, err
}

func (c *GuardCensus) add(app *App, user *v1alpha1.ScimUser, entry *v1alpha1.Account, given *assignment.Assignment, now time.Time) {
	if entry.State == v1alpha1.AccountActive {
		c.Active++
	}
	if revokedLately(entry, now) {
		c.Revoked = append(c.Revoked, user.Name)
	}
	if refused(user) || !app.mayRevoke(user, entry, given) {
		return
	}
	account := decide(user, app.Object.Name, &compiledApp{app: app}, given)
	if !account.Step.Revocation {
		return
	}
	revocation := Revocation{
		User:      user.Name,
		Change:    plan.Change{User: user.SCIMID(), Action: string(account.Step.Action)},
		Exclusive: app.Exclusive(account.Wanted),
	}
	if entry.Planned == account.Step.Action {
		revocation.Batch = entry.HeldBatch
	}
	c.Wanted = append(c.Wanted, revocation)
}

// mayRevoke is whether something may have to be taken from the account: what can be said without computing its attributes.
func (a *App) mayRevoke(user *v1alpha1.ScimUser, entry *v1alpha1.Account, given *assignment.Assignment) bool {
	switch entry.State {
	case v1alpha1.AccountOrphaned:
		return false
	case v1alpha1.AccountInactive:
		// One that was about to be switched on may be on.
		return entry.Planned != ""
	}
	if given == nil || !user.IsActive() || !user.DeletionTimestamp.IsZero() || !a.Object.DeletionTimestamp.IsZero() {
		return true
	}
	roles, _ := a.rolesFor(given.Roles)
	return slices.ContainsFunc(entry.Roles, func(role string) bool { return !slices.Contains(roles, role) })
}

// eachUser calls a function for each user with an entry of the app, as the status is known to this process. Users are only to be read.
func (v *View) eachUser(ctx context.Context, app types.NamespacedName, each func(*v1alpha1.ScimUser, *v1alpha1.Account) error) error {
	var list v1alpha1.ScimUserList
	err := v.cache.List(ctx, &list, client.InNamespace(app.Namespace), client.MatchingFields{IndexUserApp: app.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return fmt.Errorf("listing the users of the app: %w", err)
	}
	if err := v.doubts.find(ctx, v.cache); err != nil {
		return err
	}
	for i := range list.Items {
		user := &list.Items[i]
		user = v.known(user, v.Users.Look(client.ObjectKeyFromObject(user)))
		entry := user.Status.Account(app.Name)
		if entry == nil {
			continue
		}
		if err := each(user, entry); err != nil {
			return err
		}
	}
	return nil
}

// Owner is the object name of another user who has an account, "" for none. A user that is being deleted does not count: its successor
// takes the account over.
func (v *View) Owner(ctx context.Context, app types.NamespacedName, remoteID, except string) (string, error) {
	var list v1alpha1.ScimUserList
	fields := client.MatchingFields{IndexUserRemote: RemoteKey(app.Name, remoteID)}
	if err := v.cache.List(ctx, &list, client.InNamespace(app.Namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("looking for the owner of an account: %w", err)
	}
	for i := range list.Items {
		user := &list.Items[i]
		entry := user.Status.Account(app.Name)
		if entry == nil || entry.RemoteID != remoteID {
			continue
		}
		if user.Name != except && user.DeletionTimestamp.IsZero() && entry.State != v1alpha1.AccountOrphaned {
			return user.Name, nil
		}
	}
	return "", nil
}
