// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"fmt"
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

func (c *groupCall) create(ctx context.Context) error {
	found, err := c.find(ctx)
	if err != nil {
		return err
	}
	predefined := c.Creation == v1alpha1.GroupRequirePredefined
	switch {
	case found == nil && predefined:
		c.fail(v1alpha1.ReasonTargetGroupNotPredefined,
			"the app has no group of this name, and requires it to exist; create it there, or set creation: Create for it in spec.groups of the ScimApp", predefinedRetry)
		return nil
	case found == nil:
		return c.createNew(ctx)
	case !predefined && !c.mine(found) && !c.App.HasFeature(v1alpha1.FeatureGroupLinking):
		c.fail(v1alpha1.ReasonAccountConflict,
			"the app has a group of this name that the operator did not create; add GroupLinking to spec.features of the ScimApp, or rename one of them", personRetry)
		return nil
	}
	return c.link(ctx, found)
}

// link takes over a group that was found, unless another ScimGroup has it. A group that was created before a crash is found again by our id.
func (c *groupCall) link(ctx context.Context, found *connector.Group) error {
	owner, err := c.worker.view.GroupOwner(ctx, c.App, found.ID, c.view.Group.UID)
	switch {
	case err != nil:
		return err
	case owner != nil:
		c.fail(v1alpha1.ReasonAccountConflict, "the group of this name in the app belongs to ScimGroup "+owner.Name+"; rename one of them", personRetry)
		return nil
	}
	mine := c.mine(found)
	if !mine {
		c.worker.ledger.ForgetMembers(c.id)
		c.Entry.MembersHidden = false
	}
	return c.update(ctx, found.ID, c.Entry.Created || mine, "Linked")
}

// mine reports whether the operator created a group: it carries the group's id, or this process looked it up, did not find it, and sent its create, or the status says that the
// operator created the group with this id.
func (c *groupCall) mine(found *connector.Group) bool {
	switch {
	case c.Entry.Created && c.Entry.RemoteID == found.ID:
		return true
	case found.ExternalID != "":
		return found.ExternalID == c.view.Group.SCIMID()
	default:
		return c.worker.ledger.WasSent(c.id)
	}
}

func (c *groupCall) createNew(ctx context.Context) error {
	if wait := c.worker.ledger.SettleWait(c.id, true); wait > 0 {
		return &retryLater{after: wait}
	}
	// An earlier create has made nothing: the lookup would show it. If the app refuses this one, a group that is found is not ours.
	c.worker.ledger.KnownAgain(c.id)
	if c.renamed() {
		entry := c.Entry.DeepCopy()
		entry.MatchValue = c.Desired.DisplayName
		// The name to look up is written before it is used.
		c.put(*entry, false, "")
		return nil
	}
	c.worker.ledger.Sent(c.id)
	c.worker.ledger.Record(c.id, c.Desired.Members)
	c.written = true
	created, err := c.connector().CreateGroup(ctx, connector.Group{
		DisplayName: c.Desired.DisplayName, ExternalID: c.view.Group.SCIMID(), Members: members(c.Desired.Members),
	})
	if created.ID != "" && (err != nil || lacks(created, c.Desired.Members)) {
		return c.createdInPart(ctx, created.ID, err)
	}
	if failure := connector.AsError(err); err != nil && (failure == nil || !failure.UnknownOutcome()) {
		c.worker.ledger.ForgetMembers(c.id)
	}
	if err != nil {
		return err
	}
	c.worker.ledger.KnownAgain(c.id)
	c.succeed(created.ID, true, "Created")
	return nil
}

// lacks reports whether an answer does not show all members.
func lacks(group connector.Group, want []string) bool {
	shown := map[string]bool{}
	for _, member := range group.Members {
		shown[member.ID] = true
	}
	return slices.ContainsFunc(want, func(id string) bool { return !shown[id] })
}

// createdInPart continues with a group that was created, and whose answer does not show all members, or whose further members failed. Its id is written first: a crash would
// lose it, and the app may not show the group yet.
func (c *groupCall) createdInPart(ctx context.Context, id string, err error) error {
	if failure := connector.AsError(err); ctx.Err() != nil || (failure != nil && len(failure.Refused) == 0) {
		c.worker.ledger.MarkUnknown(c.id)
	} else {
		c.worker.ledger.KnownAgain(c.id)
	}
	c.put(c.entry(id, true), false, "Created")
	return nil
}

// update brings name and members in sync. The app's own list is read first, so that only the difference is written. Members are removed only when the guard lets them;
// members that are held stay, and everything else is written.
func (c *groupCall) update(ctx context.Context, id string, created bool, event string) error {
	have, err := c.connector().GetGroup(ctx, id)
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, id, connector.AsError(err))
	}
	if err != nil {
		return c.unread(ctx, id, err)
	}
	c.worker.ledger.Present(c.id)
	change, wait, err := c.change(ctx, have)
	if err != nil || wait {
		return err
	}
	c.showsNone = c.noneShown(have)
	if !change.empty() {
		if written, err := c.write(ctx, id, change); !written || err != nil {
			return err
		}
	}
	c.revoked(change.users)
	if !c.hidden || len(change.held) == 0 {
		c.worker.ledger.Record(c.id, c.recordedAfter(change))
	}
	switch {
	case len(change.held) > 0:
		c.hold(id, created, len(change.held))
		return c.suspect(ctx)
	case len(c.refused) > 0:
		return c.refuses(ctx, id, created)
	default:
		c.succeed(id, created, event)
	}
	return nil
}

// noneShown reports whether the app shows no members although the group has some.
func (c *groupCall) noneShown(group connector.Group) bool {
	return group.MembersKnown && len(group.Members) == 0 && len(c.Desired.Members) > 0
}

// recordedAfter are the members that the group may have after a change.
func (c *groupCall) recordedAfter(change memberChange) []string {
	refused := map[string]bool{}
	for _, member := range c.refused {
		refused[member.ID] = true
	}
	have := slices.DeleteFunc(slices.Clone(c.Desired.Members), func(id string) bool { return refused[id] })
	for _, member := range change.Remove {
		if refused[member.ID] {
			have = append(have, member.ID)
		}
	}
	return append(have, change.held...)
}

// write makes a change and compares what the app then shows. It is false if the app does not show it as made.
func (c *groupCall) write(ctx context.Context, id string, change memberChange) (bool, error) {
	c.written = true
	c.worker.ledger.MayRecord(c.id, ids(append(slices.Clone(change.Add), change.Want...)))
	after, err := c.connector().UpdateGroup(ctx, id, change.GroupChange)
	if failure := connector.AsError(err); failure != nil && len(failure.Refused) > 0 {
		c.refused, err = failure.Refused, nil
	}
	if connector.Is(err, connector.NotFound) {
		return false, c.missing(ctx, id, connector.AsError(err))
	}
	if err != nil {
		return false, err
	}
	return c.confirmed(ctx, id, after, change.GroupChange)
}

// confirmed reports whether the app shows the members that were added, and none that were removed. An answer that does not show the members is followed by one read. An app
// that shows no members at all confirms nothing, and denies nothing.
func (c *groupCall) confirmed(ctx context.Context, id string, after connector.Group, change connector.GroupChange) (bool, error) {
	if len(change.Add)+len(change.Remove) == 0 {
		return true, nil
	}
	if !after.MembersKnown {
		read, err := c.connector().GetGroup(ctx, id)
		if err != nil {
			c.worker.ledger.MarkUnknown(c.id)
			return false, err
		}
		after = read
	}
	if c.showsNone = c.noneShown(after); c.showsNone {
		return true, nil
	}
	shown := make(map[string]bool, len(after.Members))
	for _, member := range after.Members {
		shown[member.ID] = true
	}
	isRefused := func(m connector.Member) bool { return slices.Contains(c.refused, m) }
	switch {
	case slices.ContainsFunc(change.Remove, func(m connector.Member) bool { return shown[m.ID] }):
		c.notApplied("members that were removed")
		return false, nil
	case after.MembersKnown && slices.ContainsFunc(change.Add, func(m connector.Member) bool { return !shown[m.ID] && !isRefused(m) }):
		c.notApplied("the group without members that were added")
		return false, nil
	}
	c.refused = slices.DeleteFunc(c.refused, func(m connector.Member) bool { return !slices.Contains(change.Add, m) })
	return true, nil
}

// notApplied records that the app confirmed the call but still shows the group as it was; the call is retried.
func (c *groupCall) notApplied(what string) {
	c.worker.ledger.MarkUnknown(c.id)
	c.alone = true
	c.fail(v1alpha1.ReasonNotApplied, "the app answered with success, but still shows "+what+"; retrying. If this stays, ask the vendor why the app does not apply the change", 0)
}

// refuses records that the app does not take some members.
func (c *groupCall) refuses(ctx context.Context, id string, created bool) error {
	if err := c.suspect(ctx); err != nil {
		return err
	}
	c.alone = true
	c.failAs(c.entry(id, created), v1alpha1.ReasonMembersRefused, fmt.Sprintf(
		"the app refuses %d members, all other changes of the group were made; their accounts are looked up in the app, and the group is retried", len(c.refused)), 0)
	return nil
}

// suspect has the accounts of refused members read: the app may not have them any more.
func (c *groupCall) suspect(ctx context.Context) error {
	for _, member := range c.refused {
		name, uid, err := c.worker.view.UserOf(ctx, c.worker.config.Key, member.ID)
		if err != nil {
			return err
		}
		if name != "" && c.worker.ledger.Suspect(ledger.ID{Kind: ledger.Account, UID: uid}) {
			c.worker.notifyOf(KindAccount, name)
		}
	}
	return nil
}
