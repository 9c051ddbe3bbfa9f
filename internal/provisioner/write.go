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
)

func (c *accountCall) update(ctx context.Context) error {
	change := connector.Change{Set: connector.Attributes{}, Clear: c.Step.Clear, Full: c.Desired.Values}
	for _, name := range c.Step.Set {
		change.Set[name] = c.Desired.Values[name]
	}
	updated, err := c.connector().UpdateUser(ctx, c.Recorded.RemoteID, change)
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	if c.Step.Revocation {
		confirmed, err := c.confirmed(ctx, updated, false)
		if err != nil || !confirmed {
			return err
		}
	}
	names := slices.Concat(c.Step.Set, c.Step.Clear)
	c.succeed(c.stateAfterUpdate(), firstOf(updated.ID, c.Recorded.RemoteID), "Updated", c.rolesAfter(names...),
		c.applied().With(c.Desired.Values, c.Step.Set, c.Step.Clear))
	return nil
}

// stateAfterUpdate: an update does not switch an account on or off.
func (c *accountCall) stateAfterUpdate() v1alpha1.AccountState { return c.Recorded.State }

// reactivate switches an account on. What changed while it was off goes along in the same call.
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
		return c.missing(ctx, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	if user.ActiveShown && !user.Active {
		c.notApplied("the account as inactive")
		return nil
	}
	c.succeed(v1alpha1.AccountActive, firstOf(user.ID, c.Recorded.RemoteID), "Reactivated", c.rolesAfter(slices.Concat(set, clear)...),
		c.applied().With(c.Desired.Values, set, clear))
	return nil
}

// activation is the attributes to write and to clear with the activation of an account: all that are mapped, in case somebody changed them in the app
// meanwhile. Where profiles are not pushed, it gets what the step names alone.
func activation(step plan.Step, values map[string]any, pushProfiles bool) (set, clear []string) {
	if !pushProfiles {
		return step.Set, step.Clear
	}
	return slices.Sorted(maps.Keys(values)), step.Clear
}

// revoke deactivates or deletes. An account that now belongs to a successor of the same name is left to it.
func (c *accountCall) revoke(ctx context.Context) error {
	id := c.Recorded.RemoteID
	if id == "" {
		found, done, err := c.findMade(ctx)
		if done || err != nil {
			return err
		}
		id = found
	}
	owner, err := c.otherOwner(ctx, id)
	if err != nil {
		return err
	}
	if owner != nil {
		c.gone("")
		return nil
	}
	if c.Step.Action == v1alpha1.ActionDelete {
		return c.delete(ctx, id)
	}
	user, err := c.connector().SetActive(ctx, id, false, nil)
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	if confirmed, err := c.confirmed(ctx, user, true); err != nil || !confirmed {
		return err
	}
	c.succeed(v1alpha1.AccountInactive, id, "Deactivated", c.Recorded.Roles, c.applied())
	return nil
}

func (c *accountCall) delete(ctx context.Context, id string) error {
	err := c.connector().DeleteUser(ctx, id)
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	c.gone("Deleted")
	return nil
}

// confirmed is whether the app shows that the user has lost what the step revokes. An answer that does not show it is followed by one read.
func (c *accountCall) confirmed(ctx context.Context, user connector.User, inactive bool) (bool, error) {
	shown := func(u connector.User) bool {
		if inactive {
			return u.ActiveShown
		}
		return c.App.Observed(u).RolesShown
	}
	if !shown(user) {
		read, err := c.connector().GetUser(ctx, firstOf(user.ID, c.Recorded.RemoteID))
		switch {
		case connector.Is(err, connector.NotFound):
			// Some apps hide an inactive account.
			return true, nil
		case err != nil:
			// The write was answered with success, but is not seen: it is observed later.
			c.worker.ledger.Unknown(c.id)
			return false, err
		}
		user = read
	}
	switch {
	case inactive && user.ActiveShown && user.Active:
		c.notApplied("the account as active")
		return false, nil
	case !inactive && c.App.Observed(user).RolesShown && c.keepsRole(c.App.Observed(user).Roles):
		c.notApplied("a role that was revoked")
		return false, nil
	}
	return true, nil
}

// keepsRole is whether one of the roles is not desired.
func (c *accountCall) keepsRole(roles []string) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return !slices.Contains(c.Desired.Roles, role) })
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
