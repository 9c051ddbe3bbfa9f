// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
)

// remove deletes a group that the operator created, unless it belongs to another ScimGroup by now. One whose create may not have taken effect is looked up first.
func (c *groupCall) remove(ctx context.Context) error {
	id, created := c.Entry.RemoteID, c.Entry.Created
	if id == "" || c.Entry.State == v1alpha1.GroupCreating {
		found, err := c.find(ctx)
		if err != nil {
			return err
		}
		if found == nil {
			if wait := c.worker.ledger.SettleWait(c.id, true); wait > 0 {
				return &retryLater{after: wait}
			}
			c.settled(*c.Entry.DeepCopy(), true, "")
			return nil
		}
		if !c.mine(found) {
			c.settled(*c.Entry.DeepCopy(), true, "")
			return nil
		}
		id, created = found.ID, true
	}
	owner, err := c.worker.view.GroupOwner(ctx, c.App, id, c.view.Group.UID)
	switch {
	case err != nil:
		return err
	case owner != nil:
		// A successor of the same name was linked to the group.
		c.settled(*c.Entry.DeepCopy(), true, "Released")
		return nil
	}
	have, err := c.connector().GetGroup(ctx, id)
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, id, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	// All of its members lose it.
	change, wait, err := c.change(ctx, have)
	switch {
	case err != nil || wait:
		return err
	case len(change.held) > 0:
		c.hold(id, created, len(change.held))
		return nil
	}
	return c.delete(ctx, id, change.users)
}

func (c *groupCall) delete(ctx context.Context, id string, losers []string) error {
	err := c.connector().DeleteGroup(ctx, id)
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, id, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	_, err = c.connector().GetGroup(ctx, id)
	switch {
	case connector.Is(err, connector.NotFound):
		c.revoked(losers)
		c.settled(*c.Entry.DeepCopy(), true, "Deleted")
		return nil
	case err != nil:
		c.worker.ledger.MarkUnknown(c.id)
		return err
	}
	c.notApplied("the group")
	return nil
}
