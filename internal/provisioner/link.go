// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// holdWait is the wait for an account that another call holds.
const holdWait = 200 * time.Millisecond

// create looks the account up, links it if it is there and creates it otherwise. At most two calls.
func (c *accountCall) create(ctx context.Context) error {
	looked := c.worker.clock.Now()
	found, err := c.find(ctx)
	if err != nil {
		return err
	}
	if found == nil {
		return c.createNew(ctx)
	}
	return c.adopt(ctx, found, looked)
}

// mine reports whether the operator created an account for this user: it carries the user's id, or this process looked the account up, did not find it, and sent its create.
// An app that keeps our id shows it on what we created.
func (c *accountCall) mine(found *connector.User) bool {
	unmarked := found.ExternalID == "" && !c.App.Profile.KeepsExternalID
	if mapped, ok := c.Desired.Values["externalId"]; ok {
		return c.worker.ledger.WasSent(c.id) && (unmarked || found.ExternalID == mapped)
	}
	return found.ExternalID == c.view.User.SCIMID() || (unmarked && c.worker.ledger.WasSent(c.id))
}

// mayBeMine reports whether nothing tells whose account it is: the app keeps no externalId, or has the mapped one, which somebody else may have written.
func (c *accountCall) mayBeMine(found *connector.User) bool {
	if mapped, ok := c.Desired.Values["externalId"]; ok {
		return found.ExternalID == mapped
	}
	return found.ExternalID == "" && !c.App.Profile.KeepsExternalID
}

// createNew creates the account, once no earlier create can show up any more.
func (c *accountCall) createNew(ctx context.Context) error {
	if wait := c.worker.ledger.SettleWait(c.id, true); wait > 0 {
		return &retryLater{after: wait}
	}
	// An earlier create has made nothing: the lookup would show it. If the app refuses this one, an account that is found is not ours.
	c.worker.ledger.KnownAgain(c.id)
	if current := c.App.MatchValue(c.Desired); c.Recorded.MatchValue != "" && scim.Fold(c.Recorded.MatchValue) != scim.Fold(current) {
		entry := c.Recorded.DeepCopy()
		entry.MatchValue = current
		// The name to look up is written before it is used.
		c.put(*entry, false, "")
		return nil
	}
	values := c.Desired.Values
	if _, mapped := values["externalId"]; c.App.Profile.KeepsExternalID && !mapped {
		values = maps.Clone(values)
		values["externalId"] = c.view.User.SCIMID()
	}
	w := &attributeWrite{c: c, call: v1alpha1.ActionCreate}
	w.send = func(ctx context.Context, names []string) (connector.User, error) {
		given := make(connector.Attributes, len(names))
		for _, name := range names {
			given[name] = values[name]
		}
		c.worker.ledger.Sent(c.id)
		return c.connector().CreateUser(ctx, given)
	}
	w.fallback = w.only(slices.Concat(c.App.Profile.RequiredAttributes, []string{c.App.Profile.MatchAttribute, "externalId", c.App.RoleAttribute()})...)
	names := slices.Sorted(maps.Keys(values))
	refused := c.App.RefusedIn(v1alpha1.ActionCreate)
	err := w.write(ctx, without(names, without(refused, w.needed(refused))))
	if connector.Is(err, connector.Conflict) {
		return c.conflicted(ctx, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	return c.created(ctx, w, values)
}

// created records the account that a create has returned, once it passes the checks of a lookup.
func (c *accountCall) created(ctx context.Context, w *attributeWrite, values map[string]any) error {
	created := w.user
	if c.App.Profile.MatchAttribute == "userName" && created.UserName != "" && scim.Fold(created.UserName) != scim.Fold(connector.BoundText(c.App.MatchValue(c.Desired))) {
		c.worker.ledger.MarkUnknown(c.id)
		c.fail(v1alpha1.ReasonServerError, "the app answered the create with an account of another userName; it will be looked up. If this stays, ask the vendor why", true)
		return nil
	}
	if c.foreign(&created) || c.App.Protected(created.UserName) {
		// The app has answered with an account that was there before, and may have left it as it was.
		c.worker.ledger.Refused(c.id)
		return c.adopt(ctx, &created, c.worker.clock.Now())
	}
	owner, err := c.otherOwner(ctx, created.ID)
	if err != nil {
		c.worker.ledger.MarkUnknown(c.id)
		return err
	}
	if owner != nil {
		c.worker.ledger.MarkUnknown(c.id)
		c.contested(owner)
		return nil
	}
	state := v1alpha1.AccountActive
	if created.ActiveShown && !created.Active {
		state = v1alpha1.AccountInactive
	}
	c.worker.ledger.KnownAgain(c.id)
	roles, applied := c.given(ctx, w, values)
	c.succeed(state, created.ID, "Created", roles, applied)
	return nil
}

// given returns the roles of an account that was created, and what the app has of its attributes. Other roles than the desired ones are replaced by an update.
func (c *accountCall) given(ctx context.Context, w *attributeWrite, values map[string]any) ([]string, plan.Applied) {
	taken := slices.DeleteFunc(slices.Clone(w.taken), func(name string) bool { _, mapped := c.Desired.Values[name]; return !mapped })
	v := c.judge(ctx, w.user.ID, w.user, taken, values)
	applied := plan.Applied{}.With(c.Desired.Values, taken, nil)
	rejected := slices.DeleteFunc(w.rejected(), func(name string) bool { _, mapped := c.Desired.Values[name]; return !mapped })
	applied = applied.WithRefused(c.Desired, c.App.Policy(c.Desired, c.Recorded), rejected)
	roles := c.Desired.Roles
	switch name := c.App.RoleAttribute(); {
	case name != "" && c.Desired.Values[name] != nil && !slices.Contains(taken, name):
		roles = nil
	case v.contradicts:
		roles, applied = v.shown, applied.WithUnknown(name)
	case v.unconfirmed:
		roles, applied = nil, applied.WithUnconfirmed(name)
	}
	return roles, applied
}

// link takes over an account that exists, as the app shows it. What differs is written once the link is in etcd: a crash in between would leave changes to an account that
// is not recorded as linked, or that a lookup does not find.
func (c *accountCall) link(found *connector.User) {
	state, roles, applied := c.linked(found)
	c.worker.ledger.KnownAgain(c.id)
	c.worker.ledger.ExpectLateEffect(c.id, found.ID)
	c.succeed(state, found.ID, "Linked", roles, applied)
}

// linked is the recorded state of an account that was found. What a create of the operator may have written to it counts as recorded, to be cleared if it is not desired.
func (c *accountCall) linked(found *connector.User) (state v1alpha1.AccountState, roles []string, applied plan.Applied) {
	var made []string
	if c.mine(found) {
		made = c.App.Policy(c.Desired, c.Recorded).Mapped
	}
	return plan.Linked(c.Desired, c.App.Observed(*found), made)
}

// findMade finds the account of a create that may have taken effect, and holds it. nil: there is none that is this user's, or an error, and that is the outcome.
func (c *accountCall) findMade(ctx context.Context) (*connector.User, error) {
	looked := c.worker.clock.Now()
	found, err := c.find(ctx)
	if err != nil {
		return nil, err
	}
	if found == nil {
		if wait := c.worker.ledger.SettleWait(c.id, true); wait > 0 {
			return nil, &retryLater{after: wait}
		}
		c.drop("")
		return nil, nil
	}
	switch {
	case c.protect(found):
		return nil, nil
	case c.mine(found):
		return found, c.hold(found.ID, looked)
	case found.ActiveShown && !found.Active:
		// Nobody can use it, whoever created it.
		c.drop("")
		return nil, nil
	case c.mayBeMine(found) && !c.worker.ledger.NeverCalled(c.id):
		c.worker.ledger.Withdraw(c.id)
		c.fail(v1alpha1.ReasonOwnershipUnknown, "the user should not have the app, and the app has an account of this name that the operator may have created before it "+
			"restarted; deactivate or delete the account in the app if it is this user's, else add it to spec.protectedAccounts of the ScimApp", false)
		return nil, nil
	default:
		// It was there before, and nothing was written to it.
		c.drop("")
		return nil, nil
	}
}

// find looks the account up by the app's match attribute: by the value with which its create was decided, should the user have another
// one since, then by the user's own.
func (c *accountCall) find(ctx context.Context) (*connector.User, error) {
	current := c.App.MatchValue(c.Desired)
	if intended := c.Recorded.MatchValue; intended != "" && scim.Fold(intended) != scim.Fold(current) {
		found, err := c.findBy(ctx, intended)
		if err != nil {
			return nil, err
		}
		// The present owner of the old name may have an account of that name too: our id in the app, or a recorded owner, tells them apart.
		if found != nil && (found.ExternalID == "" || found.ExternalID == c.view.User.SCIMID()) {
			if owner, err := c.otherOwner(ctx, found.ID); err != nil || owner == nil {
				return found, err
			}
		}
	}
	return c.findBy(ctx, current)
}

func (c *accountCall) findBy(ctx context.Context, value string) (*connector.User, error) {
	if value == "" {
		return nil, nil
	}
	users, err := c.connector().FindUsers(ctx, c.App.Profile.MatchAttribute, value)
	if err != nil {
		return nil, err
	}
	var found *connector.User
	for i := range users {
		if c.App.Profile.MatchAttribute == "userName" && scim.Fold(users[i].UserName) != scim.Fold(connector.BoundText(value)) {
			continue
		}
		if found != nil {
			return nil, &connector.Error{
				Kind: connector.Conflict, Op: connector.OpFindUsers, Detail: "several accounts of the app have the match attribute of this user; remove or rename all but one",
			}
		}
		found = &users[i]
	}
	return found, nil
}

// otherOwner is another user who has the account, nil for none. One account has one owner. A user that is being deleted, or does not exist any more, owns
// nothing: its successor takes the account over.
func (c *accountCall) otherOwner(ctx context.Context, remoteID string) (*v1alpha1.ScimUser, error) {
	if latest, ok := c.worker.ledger.LatestOwner(remoteID); ok && latest.UID != c.view.User.UID {
		key := c.user
		key.Name = latest.Name
		owner, err := c.worker.view.Living(ctx, key, latest.UID)
		if err != nil || owner != nil {
			return owner, err
		}
	}
	return c.worker.view.Owner(ctx, c.worker.config.Key, remoteID, c.key.Name)
}

// contested records that the account belongs to another user. It is not polled: a change of the owner's account wakes this user.
func (c *accountCall) contested(owner *v1alpha1.ScimUser) {
	c.fail(v1alpha1.ReasonAccountConflict, "the account in the app belongs to ScimUser "+owner.Name+
		", and one account has one owner; retried when that user's account changes. To resolve it sooner, change the match attribute of one of the users", false)
	c.worker.ledger.WaitFor(c.id, c.user.Name, owner.UID)
}

// vanished records that the app does not have the account any more: it is looked up again, and created if it does not exist. event says how that is known.
func (c *accountCall) vanished(event string) {
	c.own(c.Recorded.RemoteID, false)
	entry := c.Recorded.DeepCopy()
	c.clear(entry)
	if c.Unsettled != nil && c.Unsettled.Operation.Revokes(c.Recorded, c.App.RoleAttribute()) {
		c.lost(entry)
	}
	entry.State, entry.RemoteID, entry.Applied, entry.Operation, entry.Roles = v1alpha1.AccountCreating, "", "", nil, nil
	entry.MatchValue = plan.StorableMatchValue(c.App.MatchValue(c.Desired))
	c.worker.ledger.Observed(c.id)
	c.worker.ledger.Present(c.id)
	c.settled(*entry, false, event)
	c.worker.ledger.Intended(c.id)
}
