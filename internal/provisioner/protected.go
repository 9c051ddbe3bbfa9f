// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
)

const messageProtected = "the account in the app is listed in spec.protectedAccounts of the ScimApp and is never changed; remove it from the list, or change the account in the app"

// protected reports whether the app shows the account under a protected userName, which may be another one than the desired one. The account is then left as it is.
func (c *accountCall) protected(ctx context.Context) (bool, error) {
	if c.Recorded.RemoteID == "" || !c.App.MayBeProtected(c.Desired, c.Recorded) {
		return false, nil
	}
	user, err := c.connector().GetUser(ctx, c.Recorded.RemoteID)
	switch {
	case connector.Is(err, connector.NotFound):
		// The call itself shows whether the account is absent.
		return false, nil
	case err != nil:
		return false, err
	}
	return c.protect(&user), nil
}

// protect leaves an account as it is if the app shows a protected userName, and reports whether it does. The deletion of the user or the app does not wait for it.
func (c *accountCall) protect(user *connector.User) bool {
	switch {
	case !c.App.Protected(user.UserName):
		return false
	case c.Desired.Deleted:
		c.release()
	default:
		c.worker.ledger.Withdraw(c.id)
		c.fail(v1alpha1.ReasonAccountProtected, messageProtected, false)
	}
	return true
}
