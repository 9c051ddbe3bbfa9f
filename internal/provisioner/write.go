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
	w := &attributeWrite{c: c, call: v1alpha1.ActionUpdate}
	w.send = func(ctx context.Context, names []string) (connector.User, error) {
		return c.connector().UpdateUser(ctx, c.Recorded.RemoteID, c.changeOf(names))
	}
	w.fallback = w.isolate
	names := slices.Concat(c.Step.Set, c.Step.Clear)
	slices.Sort(names)
	err := w.write(ctx, names)
	switch {
	case connector.Is(err, connector.NotFound):
		return c.missing(ctx, c.Recorded.RemoteID, connector.AsError(err))
	case err != nil:
		return err
	case !w.passed:
		c.leaveOut(w)
		return nil
	}
	id, err := c.answeredID(ctx, w.user.ID)
	if id == "" || err != nil {
		return err
	}
	if c.Step.Revocation {
		if confirmed, err := c.confirmed(ctx, id, w.user, c.App.RoleAttribute(), c.rolesApplied); err != nil || !confirmed {
			return err
		}
	}
	c.written(ctx, w, c.Recorded.State, id, "Updated")
	return nil
}

// changeOf returns the change of these attributes. An app whose update takes the whole account gets those, too, whose value it has.
func (c *accountCall) changeOf(names []string) connector.Change {
	change := connector.Change{Set: connector.Attributes{}, Full: connector.Attributes{}}
	has := c.hashes()
	for name, value := range c.Desired.Values {
		if has.Has(name, value) || slices.Contains(c.App.Profile.RequiredAttributes, name) {
			change.Full[name] = value
		}
	}
	for _, name := range names {
		if value, ok := c.Desired.Values[name]; ok {
			change.Set[name] = value
		} else {
			change.Clear = append(change.Clear, name)
		}
	}
	return change
}

// reactivate activates an account. Attributes that changed while it was inactive are written in the same call, unless the app refuses them: then only roles are.
func (c *accountCall) reactivate(ctx context.Context) error {
	set, clear := activation(c.Step, c.Desired.Values, c.App.HasFeature(v1alpha1.FeaturePushProfileUpdates))
	w := &attributeWrite{c: c, call: v1alpha1.ActionUpdate}
	w.send = func(ctx context.Context, names []string) (connector.User, error) {
		full := make(connector.Attributes, len(names))
		for _, name := range names {
			full[name] = c.Desired.Values[name] // nil clears
		}
		return c.connector().SetActive(ctx, c.Recorded.RemoteID, true, full)
	}
	w.fallback = w.only(c.App.RoleAttribute())
	err := w.write(ctx, slices.Concat(set, clear))
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, c.Recorded.RemoteID, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	id, err := c.answeredID(ctx, w.user.ID)
	if id == "" || err != nil {
		return err
	}
	if confirmed, err := c.confirmed(ctx, id, w.user, activePath, activeApplied(true)); err != nil || !confirmed {
		return err
	}
	c.written(ctx, w, v1alpha1.AccountActive, id, "Reactivated")
	return nil
}

// written records the attributes that the app has accepted, as far as it shows them, and those that it refuses.
func (c *accountCall) written(ctx context.Context, w *attributeWrite, state v1alpha1.AccountState, id, event string) {
	var set, clear []string
	for _, name := range w.taken {
		if _, ok := c.Desired.Values[name]; ok {
			set = append(set, name)
		} else {
			clear = append(clear, name)
		}
	}
	v := c.judge(ctx, id, w.user, set, c.Desired.Values)
	if v.contradicts {
		c.notApplied("other roles")
		return
	}
	applied := c.hashes().With(c.Desired.Values, set, slices.Concat(clear, c.Step.Forget)).WithUnknown(c.Step.Later...)
	applied = applied.WithRefused(c.Desired, c.App.Policy(c.Desired, c.Recorded), w.rejected())
	roles := c.rolesAfter(w.taken...)
	if v.unconfirmed {
		roles, applied = nil, applied.WithUnconfirmed(c.App.RoleAttribute())
	}
	c.succeed(state, id, event, roles, applied)
}

// leaveOut records that the app has refused everything that the step was to write, which had no effect.
func (c *accountCall) leaveOut(w *attributeWrite) {
	c.worker.ledger.Failed(c.id)
	entry := c.Recorded.DeepCopy()
	c.clear(entry)
	entry.Applied = c.hashes().WithRefused(c.Desired, c.App.Policy(c.Desired, c.Recorded), w.rejected()).String()
	c.settled(*entry, false, "")
}

// activation returns the attributes to write and to clear with the activation of an account: all mapped ones, in case they were changed in the app
// meanwhile. Where profiles are not pushed, they are those that the step names.
func activation(step plan.Step, values map[string]any, pushProfiles bool) (set, clear []string) {
	if !pushProfiles {
		return step.Set, step.Clear
	}
	return without(slices.Sorted(maps.Keys(values)), step.Rejected), step.Clear
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
	if confirmed, err := c.confirmed(ctx, id, user, activePath, activeApplied(false)); err != nil || !confirmed {
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

// activePath is the attribute that switches an account.
const activePath = "active"

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

// confirmed reports whether the app shows what was asked, where access depends on it. An answer that does not show it, or is for another id, is followed by one read, unless it is
// known that the app never shows the attribute.
func (c *accountCall) confirmed(ctx context.Context, id string, user connector.User, attribute string, check applied) (bool, error) {
	shown, contradicts, what := check(user)
	if other := user.ID != "" && user.ID != id; other || (!shown && !c.knownHidden(attribute)) {
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
		if shown, contradicts, what = check(read); !shown && attribute == activePath {
			c.note(activePath, v1alpha1.FindingNotShown, messageNotShown)
		}
	}
	if shown && contradicts {
		c.notApplied(what)
		return false, nil
	}
	if shown {
		c.showsAttribute(attribute)
	}
	return true, nil
}

// keepsRole reports whether one of the roles is not desired.
func (c *accountCall) keepsRole(roles []string) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return !slices.Contains(c.Desired.Roles, role) })
}
