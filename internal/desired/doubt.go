// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// doubts are the users whose spec had changed when this process took over, but whose status did not tell of it: an earlier process may have
// made calls for it and died before it could write what came of them. What the app has is then not what the entries say; and the spec may
// have been changed back since, so that nothing seems to differ.
type doubts struct {
	mu sync.Mutex
	// users is nil until they were looked for.
	users map[types.UID]bool
}

// find looks through all users once, when the first decision is to be made: that is when this process leads.
func (d *doubts) find(ctx context.Context, cache client.Reader) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users != nil {
		return nil
	}
	var list v1alpha1.ScimUserList
	if err := cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("looking for users whose accounts are in doubt: %w", err)
	}
	d.users = map[types.UID]bool{}
	for i := range list.Items {
		if user := &list.Items[i]; len(user.Status.Accounts) > 0 && user.Status.ObservedGeneration != user.Generation {
			d.users[user.UID] = true
		}
	}
	return nil
}

// about is whether nothing was written about the user since.
func (d *doubts) about(user *v1alpha1.ScimUser) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users[user.UID] && user.Status.ObservedGeneration == user.Generation {
		delete(d.users, user.UID)
	}
	return d.users[user.UID]
}

// mark makes the entries that this process has not worked on look as if the account was just being switched off or on: it is then switched
// as it should be, and written in full.
func (d *doubts) mark(view *UserView) {
	if !d.about(view.User) {
		return
	}
	for i := range view.User.Status.Accounts {
		entry := &view.User.Status.Accounts[i]
		if _, known := view.Outcomes[entry.App]; known {
			continue
		}
		switch entry.State {
		case v1alpha1.AccountActive:
			entry.Planned = v1alpha1.ActionDeactivate
		case v1alpha1.AccountInactive:
			entry.Planned = v1alpha1.ActionReactivate
		default:
			continue
		}
		// What failed before was something else, and nothing waits for it.
		entry.Reason, entry.Message, entry.Attempts, entry.NextRetryTime = "", "", 0, nil
	}
}
