// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// check reads the account because a person has asked, and records what differs from what was written. It corrects nothing.
func (c *accountCall) check(ctx context.Context) error {
	user, err := c.connector().GetUser(ctx, c.Recorded.RemoteID)
	switch {
	case connector.Is(err, connector.NotFound) && c.Recorded.State == v1alpha1.AccountInactive:
		// Some apps hide an inactive account.
		c.checked(nil)
		return nil
	case connector.Is(err, connector.NotFound):
		return c.missing(ctx, c.Recorded.RemoteID, connector.AsError(err))
	case err != nil:
		return err
	}
	c.worker.ledger.Present(c.id)
	c.checked(c.differences(&user))
	return nil
}

// checked records the result of a check.
func (c *accountCall) checked(differences []string) {
	now := metav1.NewTime(c.worker.clock.Now())
	entry := c.Recorded.DeepCopy()
	c.clear(entry)
	entry.CheckedTime, entry.CheckedFor = &now, desired.CheckRequest(c.view.User)
	entry.Differences, _ = plan.Shown(differences, plan.MaxRejected)
	c.settled(*entry, false, "Checked")
}

// differences returns the names of what the app shows otherwise than it was written, active and roles first.
func (c *accountCall) differences(user *connector.User) []string {
	var names []string
	if user.ActiveShown && user.Active != (c.Recorded.State == v1alpha1.AccountActive) {
		names = append(names, activePath)
	}
	seen, roles := c.App.Observed(*user), c.App.RoleAttribute()
	if seen.RolesShown && !(hasRoles(seen.Roles, c.Recorded.Roles) && hasRoles(c.Recorded.Roles, seen.Roles)) {
		names = append(names, roles)
	}
	written := c.hashes()
	for _, name := range slices.Sorted(maps.Keys(c.Desired.Values)) {
		if value := c.Desired.Values[name]; name != roles && written.Has(name, value) {
			shown, ok := seen.Value(name)
			if (ok && plan.Compare(value, shown) == plan.Different) || (!ok && !c.knownHidden(name)) {
				names = append(names, name)
			}
		}
	}
	return names
}

// remaining returns the differences of the last check that this step has not written.
func (c *accountCall) remaining() []string {
	written, _ := plan.Shown(slices.Concat(c.Step.Set, c.Step.Clear), plan.MaxAttributes)
	if c.Step.Action != v1alpha1.ActionUpdate {
		written = append(written, activePath)
	}
	left := without(c.Recorded.Differences, written)
	if len(left) == 0 {
		return nil
	}
	return left
}
