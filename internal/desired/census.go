// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/guard"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// AppCensus counts the accounts and pushed groups of an app by what the statuses say.
type AppCensus struct {
	// Active accounts, and those that are active or may have been created or reactivated.
	Active, Open int
	// Done is how many users lost access in the guard's window.
	Done int
	// Pending changes, and Failed accounts: those that failed to sync.
	Pending, Failed int
	// NoSeats is how many of the pending changes wait for a seat of the app's plan.
	NoSeats int
	// FailedGroups are the pushed groups that failed to sync, NotShown those whose members the app does not show.
	FailedGroups, NotShown []string
	// FailedFor is how many of them failed for each reason.
	FailedFor map[string]int
	// Revoking is the number of pending revocations, whatever they wait for; OldestRevocation is since when the oldest is pending, zero for none.
	Revoking         int
	OldestRevocation time.Time
	// Held are the changes that the guard holds.
	Held []HeldChange
	// Closing: the statuses of some of them do not show their batch yet.
	Closing bool
}

// HeldChange is a change that waits for an approval.
type HeldChange struct {
	// Name of the ScimUser or ScimGroup.
	Name string
	// Effect is what is revoked.
	Effect string
	Batch  string
	// Held is when the batch was closed; zero where that is not known.
	Held time.Time
	// Users is how many users lose access.
	Users int
}

// Census counts the accounts of an app from their statuses; it decides nothing. held are the changes that the guard of this process holds, which take precedence
// over the statuses: a batch is closed at once and written user by user, and a person who approves it must have seen all of it.
func (v *View) Census(ctx context.Context, app types.NamespacedName, now time.Time, held map[ledger.ID]HeldChange) (*AppCensus, error) {
	census := &AppCensus{}
	err := v.eachUser(ctx, app, func(view *UserView, entry *v1alpha1.Account) error {
		census.add(view.User, entry, now, held)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return census, v.countGroups(ctx, census, app, held)
}

func (c *AppCensus) add(user *v1alpha1.ScimUser, entry *v1alpha1.Account, now time.Time, held map[ledger.ID]HeldChange) {
	switch entry.State {
	case v1alpha1.AccountActive:
		c.Active++
		c.Open++
	case v1alpha1.AccountCreating:
		c.Open++
	case v1alpha1.AccountInactive:
		if entry.Operation != nil {
			// A late effect may have reactivated it.
			c.Open++
		}
	}
	if revokedLately(entry, now) {
		c.Done++
	}
	c.revoking(entry.PendingRevocationTime)
	change, known := held[ledger.ID{Kind: ledger.Account, UID: user.UID}]
	switch {
	case known:
		c.Held = append(c.Held, change)
		c.Closing = c.Closing || change.Batch != entry.HeldBatch
	case entry.HeldBatch != "":
		c.Held = append(c.Held, HeldChange{Name: user.Name, Effect: string(entry.Planned), Batch: entry.HeldBatch, Users: 1})
	case entry.Reason == v1alpha1.ReasonNoSeats && entry.Attempts == 0:
		c.NoSeats++
		c.Pending++
	case entry.Attempts > 0, entry.Planned == "" && entry.Reason != "" && entry.PendingRevocationTime == nil:
		c.fail(entry.Reason)
	case entry.Planned != "", entry.State == v1alpha1.AccountPending, entry.PendingRevocationTime != nil:
		c.Pending++
	}
}

func (c *AppCensus) fail(reason string) {
	c.Failed++
	if reason == "" {
		return
	}
	if c.FailedFor == nil {
		c.FailedFor = map[string]int{}
	}
	c.FailedFor[reason]++
}

// countGroups adds the pending and held removals of pushed groups, and those that failed to sync.
func (v *View) countGroups(ctx context.Context, census *AppCensus, app types.NamespacedName, held map[ledger.ID]HeldChange) error {
	return v.eachGroup(ctx, app, func(group *v1alpha1.ScimGroup, entry *v1alpha1.PushedGroupStatus) {
		census.revoking(entry.PendingRevocationTime)
		change, known := held[ledger.ID{Kind: ledger.Group, UID: group.UID}]
		switch {
		case entry.Attempts > 0:
			census.FailedGroups = append(census.FailedGroups, group.Name)
		case entry.MembersHidden:
			census.NotShown = append(census.NotShown, group.Name)
		}
		switch {
		case known:
			census.Held = append(census.Held, change)
			census.Closing = census.Closing || change.Batch != entry.HeldBatch
		case entry.HeldBatch != "":
			census.Held = append(census.Held, HeldChange{Name: group.Name, Effect: RemoveMembers, Batch: entry.HeldBatch, Users: int(entry.Held)})
		}
	})
}

// RemoveMembers is the effect of a removal from a pushed group.
const RemoveMembers = "RemoveMembers"

// revokedLately reports whether the user lost access within the guard's window. A time in the future comes from a clock that was ahead and counts for the window at most.
func revokedLately(entry *v1alpha1.Account, now time.Time) bool {
	if entry.RevokedTime == nil {
		return false
	}
	age := now.Sub(entry.RevokedTime.Time)
	return age < guard.Window && age > -guard.Window
}

// RevokedLately reports whether the status says that the user lost access within the guard's window.
func RevokedLately(entry *v1alpha1.Account, now time.Time) bool { return revokedLately(entry, now) }

// Planned are the object names of the users whose status plans a change of their account that is not held.
func (v *View) Planned(ctx context.Context, app types.NamespacedName) ([]string, error) {
	var users []string
	compiled, err := v.App(ctx, app)
	if err != nil {
		return nil, err
	}
	held := func(entry *v1alpha1.Account) bool {
		return entry.Reason == v1alpha1.ReasonHeld && (compiled == nil || entry.HeldBatch != compiled.ApprovedBatch())
	}
	err = v.eachUser(ctx, app, func(view *UserView, entry *v1alpha1.Account) error {
		if (entry.Planned != "" || entry.State == v1alpha1.AccountPending) && !held(entry) {
			users = append(users, view.User.Name)
		}
		return nil
	})
	return users, err
}

// GuardCensus is what the mass-change guard decides on.
type GuardCensus struct {
	Count guard.Count
	// Revocations that are to be made, of accounts and of pushed groups.
	Revocations []Revocation
	// Leavers are the users whom the provider made inactive or deleted and who lost access in the window, by the guard's id, with the time.
	Leavers map[string]time.Time

	active map[string]bool
}

// Revocation is a change after which users have less access, with the key of the work that makes it.
type Revocation struct {
	guard.Revocation
	ID ledger.ID
	// Name of the ScimUser or ScimGroup.
	Name   string
	Change guard.Change
	// Exclusive is the account's match value or the group's name, folded.
	Exclusive string
}

// Revocations decides for every account and pushed group of an app whether users are to lose access. The error is an *InvalidError if the app's configuration is
// invalid.
func (v *View) Revocations(ctx context.Context, key types.NamespacedName, now time.Time) (*GuardCensus, error) {
	census := &GuardCensus{Count: guard.Count{Done: map[string]bool{}}, Leavers: map[string]time.Time{}}
	app, err := v.App(ctx, key)
	if app == nil || err != nil {
		return census, err
	}
	mappings, err := v.mappings(ctx, key.Namespace)
	if err != nil {
		return nil, err
	}
	book := v.Book.Ledger(key)
	err = v.eachUser(ctx, key, func(view *UserView, entry *v1alpha1.Account) error {
		census.revoked(view.User, entry, now)
		view.Refused = refused(view.User)
		v.adopt(book, view, view.Stored.Account(key.Name), app)
		given, err := v.given(ctx, mappings, view.User)
		if errors.Is(err, membership.ErrIncomplete) {
			// Nothing is decided for this user until its groups are known, so nothing is revoked either.
			return nil
		}
		if err != nil {
			return err
		}
		if app.mayRevoke(view.User, entry, given[key.Name], book) {
			census.add(v.decide(view, key.Name, &compiledApp{app: app}, given[key.Name]), view.User)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	census.merge(book, app, now)
	return census, v.addRemovals(ctx, census, app, book)
}

// revoked counts a user who lost access within the guard's window.
func (c *GuardCensus) revoked(user *v1alpha1.ScimUser, entry *v1alpha1.Account, now time.Time) {
	id := ledger.GuardID(entry.RemoteID, user.UID)
	if entry.State == v1alpha1.AccountActive {
		c.Count.Active++
		if c.active == nil {
			c.active = map[string]bool{}
		}
		c.active[id] = true
	}
	if !revokedLately(entry, now) {
		return
	}
	c.Count.Done[id] = true
	if byProvider(user) {
		c.Leavers[id] = entry.RevokedTime.Time
	}
}

// merge adds the revocations that the ledger and the status of the app record.
func (c *GuardCensus) merge(book *ledger.Ledger, app *App, now time.Time) {
	recorded := map[string]ledger.Revoked{}
	if status := app.Object.Status.Guard; status != nil {
		recorded, c.Count.Unnamed = ledger.ParseRecords(status.Revoked, now)
	}
	for _, known := range []map[string]ledger.Revoked{recorded, book.RevokedUsers()} {
		for user, r := range known {
			c.Count.Done[user] = true
			if r.Leaver && r.At.After(c.Leavers[user]) {
				c.Leavers[user] = r.At
			}
		}
	}
	for user := range c.Count.Done {
		if c.active[user] {
			c.Count.Both++
		}
	}
}

func (c *GuardCensus) add(account AccountView, user *v1alpha1.ScimUser) {
	if !account.Step.Revocation {
		return
	}
	revocation := Revocation{
		Revocation: guard.Revocation{Subject: "user/" + user.Name, Users: []string{ledger.GuardID(account.Recorded.RemoteID, user.UID)}, ByProvider: account.ByProvider,
			Unconfirmed: account.Recorded.State == v1alpha1.AccountCreating},
		ID:        ledger.ID{Kind: ledger.Account, UID: user.UID},
		Name:      user.Name,
		Change:    guard.Change{Subject: user.SCIMID(), Effect: string(account.Step.Effect)},
		Exclusive: account.App.Exclusive(account.Desired),
	}
	if account.Recorded.Planned == account.Step.Action || account.Recorded.Planned == account.Step.Effect {
		revocation.Batch = account.Recorded.HeldBatch
	}
	c.Revocations = append(c.Revocations, revocation)
}

// addRemovals adds the members that pushed groups are to lose, as the last read of each group showed.
func (v *View) addRemovals(ctx context.Context, census *GuardCensus, app *App, book *ledger.Ledger) error {
	removals := book.AllRemovals()
	if len(removals) == 0 {
		return nil
	}
	return v.eachGroup(ctx, client.ObjectKeyFromObject(app.Object), func(group *v1alpha1.ScimGroup, entry *v1alpha1.PushedGroupStatus) {
		id := ledger.ID{Kind: ledger.Group, UID: group.UID}
		lost, ok := removals[id]
		if !ok {
			return
		}
		batch, outside := book.RemovalsBatch(id, lost, entry.HeldBatch, entry.HeldMembers)
		revocation := Revocation{
			// A closed batch never grows: what is outside of it closes another one.
			Revocation: guard.Revocation{Subject: "group/" + group.Name, Users: lost.Users, AlwaysHold: lost.Empties || outside, Batch: batch},
			ID:         id, Name: group.Name,
			Change:    guard.Change{Subject: group.SCIMID(), Effect: RemoveMembers, Members: lost.Members},
			Exclusive: exclusiveOf(group),
		}
		census.Revocations = append(census.Revocations, revocation)
	})
}

// mayRevoke reports whether a revocation may be necessary, without computing attributes.
func (a *App) mayRevoke(user *v1alpha1.ScimUser, entry *v1alpha1.Account, given *assignment.Assignment, book *ledger.Ledger) bool {
	unsettled := book.Unsettled(ledger.ID{Kind: ledger.Account, UID: user.UID})
	switch {
	case entry.State == v1alpha1.AccountOrphaned:
		return false
	case entry.State == v1alpha1.AccountInactive && unsettled == nil:
		return false
	case given == nil, !user.IsActive(), !user.DeletionTimestamp.IsZero(), !a.Object.DeletionTimestamp.IsZero():
		return true
	case a.mapped[a.roles.Attribute]:
		return len(entry.Roles) > 0 || unsettled != nil
	case plan.MayHaveUnconfirmedRoles(entry):
		return true
	case plan.MayHaveFormerRoles(entry, a.roles.Attribute, a.paths):
		return true
	}
	roles, _ := a.rolesFor(given.Roles)
	return len(plan.Undesired(entry.Roles, roles)) > 0 || (unsettled != nil && len(plan.Undesired(unsettled.Operation.Roles, roles)) > 0)
}

// eachUser calls a function for each user with an account of the app, as this process knows the status. Users are only to be read.
func (v *View) eachUser(ctx context.Context, app types.NamespacedName, each func(*UserView, *v1alpha1.Account) error) error {
	var list v1alpha1.ScimUserList
	err := v.cache.List(ctx, &list, client.InNamespace(app.Namespace), client.MatchingFields{IndexUserApp: app.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return fmt.Errorf("listing the users of the app: %w", err)
	}
	if err := v.begin(ctx); err != nil {
		return err
	}
	for i := range list.Items {
		user, stored, err := v.latest(ctx, &list.Items[i])
		if err != nil {
			return err
		}
		if user == nil {
			continue
		}
		if entry := user.Status.Account(app.Name); entry != nil {
			if err := each(&UserView{User: user, Stored: stored}, entry); err != nil {
				return err
			}
		}
	}
	return nil
}

// HasRemoteIDs reports whether a status has the id of an account or group of the app.
func (v *View) HasRemoteIDs(ctx context.Context, app types.NamespacedName) (bool, error) {
	has := false
	err := v.eachUser(ctx, app, func(_ *UserView, entry *v1alpha1.Account) error {
		has = has || entry.RemoteID != ""
		return nil
	})
	if has || err != nil {
		return has, err
	}
	err = v.eachGroup(ctx, app, func(_ *v1alpha1.ScimGroup, entry *v1alpha1.PushedGroupStatus) { has = has || entry.RemoteID != "" })
	return has, err
}

// eachGroup calls a function for each group with an entry of the app, as this process knows the status.
func (v *View) eachGroup(ctx context.Context, app types.NamespacedName, each func(*v1alpha1.ScimGroup, *v1alpha1.PushedGroupStatus)) error {
	var list v1alpha1.ScimGroupList
	err := v.cache.List(ctx, &list, client.InNamespace(app.Namespace), client.MatchingFields{IndexGroupApp: app.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return fmt.Errorf("listing the groups of the app: %w", err)
	}
	for i := range list.Items {
		view, err := v.loadGroup(ctx, client.ObjectKeyFromObject(&list.Items[i]))
		if err != nil {
			return err
		}
		if view == nil {
			continue
		}
		if entry := view.Group.Status.App(app.Name); entry != nil {
			each(view.Group, entry)
		}
	}
	return nil
}

// Owner returns another user who has an account, nil for none. A user that is being deleted does not count: its successor takes the account over.
func (v *View) Owner(ctx context.Context, app types.NamespacedName, remoteID, except string) (*v1alpha1.ScimUser, error) {
	var list v1alpha1.ScimUserList
	fields := client.MatchingFields{IndexUserRemote: RemoteKey(app.Name, remoteID)}
	if err := v.cache.List(ctx, &list, client.InNamespace(app.Namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("looking for the owner of an account: %w", err)
	}
	for i := range list.Items {
		user, _, err := v.latest(ctx, &list.Items[i])
		if err != nil {
			return nil, err
		}
		if user == nil {
			continue
		}
		entry := user.Status.Account(app.Name)
		if entry == nil || entry.RemoteID != remoteID {
			continue
		}
		if user.Name != except && user.DeletionTimestamp.IsZero() && entry.State != v1alpha1.AccountOrphaned {
			return user, nil
		}
	}
	return nil, nil
}
