// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"maps"
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/scim"
)

func (c *accountCall) update(ctx context.Context) error {
	change := connector.Change{Set: connector.Attributes{}, Clear: c.Step.Clear, Full: c.Desired.Values}
	for _, name := range c.Step.Set {
		change.Set[name] = c.Desired.Values[name]
	}
	updated, err := c.connector().UpdateUser(ctx, c.Recorded.RemoteID, change)
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, c.Recorded.RemoteID, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	id, err := c.answeredID(ctx, updated.ID)
	if id == "" || err != nil {
		return err
	}
	if c.Step.Revocation {
		if confirmed, err := c.confirmed(ctx, id, updated, c.rolesApplied); err != nil || !confirmed {
			return err
		}
	}
	names := slices.Concat(c.Step.Set, c.Step.Clear)
	c.succeed(c.Recorded.State, id, "Updated", c.rolesAfter(names...),
		c.hashes().With(c.Desired.Values, c.Step.Set, slices.Concat(c.Step.Clear, c.Step.Forget)))
	return nil
}

// reactivate activates an account. Attributes that changed while it was inactive are written in the same call.
func (c *accountCall) reactivate(ctx context.Context) error {
	set, clear := activation(c.Step, c.Desired.Values, c.App.HasFeature(v1alpha1.FeaturePushProfileUpdates))
	full := make(connector.Attributes, len(set)+len(clear))
	for _, name := range set {
		full[name] = c.Desired.Values[name]
	}
	for _, name := range clear {
		full[name] = nil
	}
	user, err := c.connector().SetActive(ctx, c.Recorded.RemoteID, true, full)
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, c.Recorded.RemoteID, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	id, err := c.answeredID(ctx, user.ID)
	if id == "" || err != nil {
		return err
	}
	if confirmed, err := c.confirmed(ctx, id, user, activeApplied(true)); err != nil || !confirmed {
		return err
	}
	c.succeed(v1alpha1.AccountActive, id, "Reactivated", c.rolesAfter(slices.Concat(set, clear)...),
		c.hashes().With(c.Desired.Values, set, slices.Concat(clear, c.Step.Forget)))
	return nil
}

// activation returns the attributes to write and to clear with the activation of an account: all mapped ones, in case they were changed in the app
// meanwhile. Where profiles are not pushed, they are those that the step names.
func activation(step plan.Step, values map[string]any, pushProfiles bool) (set, clear []string) {
	if !pushProfiles {
		return step.Set, step.Clear
	}
	return slices.Sorted(maps.Keys(values)), step.Clear
}

// revoke deactivates or deletes. An account that now belongs to a successor of the same name is left to it.
func (c *accountCall) revoke(ctx context.Context) error {
	id, roles, applied := c.Recorded.RemoteID, c.Recorded.Roles, c.hashes()
	if id == "" {
		found, err := c.findMade(ctx)
		if found == nil || err != nil {
			return err
		}
		id = found.ID
		_, roles, applied = c.linked(found)
	}
	owner, err := c.otherOwner(ctx, id)
	if err != nil {
		return err
	}
	if owner != nil {
		c.drop("")
		return nil
	}
	if c.Step.Action == v1alpha1.ActionDelete {
		return c.delete(ctx, id)
	}
	user, err := c.connector().SetActive(ctx, id, false, nil)
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, id, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	if confirmed, err := c.confirmed(ctx, id, user, activeApplied(false)); err != nil || !confirmed {
		return err
	}
	c.succeed(v1alpha1.AccountInactive, id, "Deactivated", roles, applied)
	return nil
}

func (c *accountCall) delete(ctx context.Context, id string) error {
	err := c.connector().DeleteUser(ctx, id)
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, id, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	_, err = c.connector().GetUser(ctx, id)
	switch {
	case connector.Is(err, connector.NotFound):
		c.drop("Deleted")
		return nil
	case err != nil:
		c.unknown()
		return err
	default:
		c.notApplied("the account")
		return nil
	}
}

// applied says whether an answer shows what was asked, whether it contradicts it, and what it shows then.
type applied func(connector.User) (shown, contradicts bool, what string)

// activeApplied is for a change of active.
func activeApplied(active bool) applied {
	return func(u connector.User) (bool, bool, string) {
		if u.Active {
			return u.ActiveShown, !active, "the account as active"
		}
		return u.ActiveShown, active, "the account as inactive"
	}
}

// rolesApplied is for a revocation of roles.
func (c *accountCall) rolesApplied(u connector.User) (bool, bool, string) {
	seen := c.App.Observed(u)
	return seen.RolesShown, c.keepsRole(seen.Roles), "a role that was revoked"
}

// answeredID returns the id that the account has after a write was answered with an id. Some apps change it with the name. Another one is only taken where the app shows this
// user under it, and no other user owns it; else it is empty, and that is the outcome: the answer may be for the account of a stranger.
func (c *accountCall) answeredID(ctx context.Context, answered string) (string, error) {
	if answered == "" || answered == c.Recorded.RemoteID {
		return c.Recorded.RemoteID, nil
	}
	user, err := c.connector().GetUser(ctx, answered)
	if err != nil && !connector.Is(err, connector.NotFound) {
		c.unknown()
		return "", err
	}
	owner, ownerErr := c.otherOwner(ctx, answered)
	if ownerErr != nil {
		c.unknown()
		return "", ownerErr
	}
	if err != nil || owner != nil || !c.shownAs(&user) {
		c.notApplied("another account")
		return "", nil //nolint:nilerr // the app has no account of that id, which is the outcome
	}
	c.own(c.Recorded.RemoteID, false)
	return answered, nil
}

// shownAs reports whether the app shows an account as this user's: by the userName that was written, or by the id that a create gives.
func (c *accountCall) shownAs(user *connector.User) bool {
	if c.App.Protected(user.UserName) || (c.foreign(user) && c.App.Object.Spec.Adoption != "" && c.App.Object.Spec.Adoption != v1alpha1.AdoptionLink) {
		return false
	}
	userName, ok := c.Desired.Values["userName"].(string)
	return user.ExternalID == c.view.User.SCIMID() || (ok && scim.Fold(user.UserName) == scim.Fold(connector.BoundText(userName)))
}

// confirmed reports whether the app shows what was asked, where access depends on it. An answer that does not show it, or is for another id, is followed by one read.
func (c *accountCall) confirmed(ctx context.Context, id string, user connector.User, check applied) (bool, error) {
	shown, contradicts, what := check(user)
	if !shown || (user.ID != "" && user.ID != id) {
		read, err := c.connector().GetUser(ctx, id)
		switch {
		case connector.Is(err, connector.NotFound) && c.Step.Action == v1alpha1.ActionDeactivate:
			// Some apps hide an inactive account.
			return true, nil
		case err != nil:
			// The write was answered with success, but is not seen: it is observed later.
			c.unknown()
			return false, err
		}
		shown, contradicts, what = check(read)
	}
	if shown && contradicts {
		c.notApplied(what)
		return false, nil
	}
	return true, nil
}

// keepsRole reports whether one of the roles is not desired.
func (c *accountCall) keepsRole(roles []string) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return !slices.Contains(c.Desired.Roles, role) })
}
