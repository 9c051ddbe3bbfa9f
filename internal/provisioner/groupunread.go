// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// unread handles a group that the app fails to show: who is recorded and no longer desired is removed all the same, and who joined is added. The failure of the read stays
// the result.
func (c *groupCall) unread(ctx context.Context, id string, failure error) error {
	recorded, known, err := c.worker.view.RecordedMembers(ctx, c.view.Group, c.AppName)
	if err != nil || !known || !failsToShow(failure) || c.worker.ledger.SettleWait(c.id, c.Entry.State == v1alpha1.GroupPushed) > 0 {
		return failure
	}
	add, remove := plan.Difference(recorded.IDs, c.Desired.Members)
	change := memberChange{GroupChange: connector.GroupChange{Add: members(add), Want: members(c.Desired.Members), Hidden: true}}
	if change.users, err = c.losers(ctx, remove); err != nil {
		return failure
	}
	allowed, counted := c.mayRemove(remove, change.users, c.empties(len(recorded.IDs), len(remove), len(add)))
	if !counted {
		return failure
	}
	change.Remove = members(remove)
	if !allowed {
		c.Entry.HeldBatch, c.Entry.Held, c.Entry.HeldMembers = c.verdict().Batch, int32(min(len(remove), v1alpha1.MaxMembers)), c.worker.ledger.HeldRemovals(c.id)
		change.Remove, change.held, change.users = nil, remove, nil
		change.Want = members(append(c.Desired.Members, remove...))
	}
	if len(change.Add)+len(change.Remove) == 0 {
		return failure
	}
	c.written = true
	c.worker.ledger.MayRecord(c.id, add)
	_, err = c.connector().UpdateGroup(ctx, id, change.GroupChange)
	if refusal := connector.AsError(err); refusal != nil && len(refusal.Refused) > 0 {
		c.refused, err = refusal.Refused, nil
	}
	if err != nil {
		return err
	}
	c.revoked(change.users)
	c.worker.ledger.Record(c.id, c.recordedAfter(change))
	if err := c.suspect(ctx); err != nil {
		return err
	}
	c.Entry.MembersHidden = true
	return failure
}

// failsToShow reports whether a read failed because of the group, so that a write of it may succeed.
func failsToShow(err error) bool {
	switch connector.KindOf(err) {
	case connector.ServerError, connector.UnexpectedAnswer, connector.UnusableAnswer, connector.Forbidden, connector.Unsupported, connector.Invalid:
		return true
	default:
		return false
	}
}
