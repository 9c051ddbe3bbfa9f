// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// GuardWindow is the time over which the mass-change guard counts.
const GuardWindow = time.Hour

// Revocation is a change that takes something from a user and that the guard counts.
type Revocation struct {
	User   types.NamespacedName
	Change plan.Change
	// Batch is the digest of the batch in which it is held, "" for none.
	Batch string
}

// AppCensus is every account of an app, counted.
type AppCensus struct {
	// Active accounts, revocations Done in the guard's window.
	Active, Done int
	// Pending changes, Failed accounts, Held changes: what a person sees of the app.
	Pending, Failed, Held int
	// Revocations that are wanted and not made.
	Revocations []Revocation
}

// Census looks at every account of an app.
func (v *View) Census(ctx context.Context, app types.NamespacedName, now time.Time) (*AppCensus, error) {
	var list v1alpha1.ScimUserList
	err := v.cache.List(ctx, &list, client.InNamespace(app.Namespace), client.MatchingFields{IndexUserApp: app.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("listing the users of the app: %w", err)
	}
	census := &AppCensus{}
	for i := range list.Items {
		view, account, err := v.Account(ctx, client.ObjectKeyFromObject(&list.Items[i]), app.Name)
		if err != nil {
			return nil, err
		}
		if account != nil {
			census.add(view.User, account, now)
		}
	}
	return census, nil
}

func (c *AppCensus) add(user *v1alpha1.ScimUser, account *AccountView, now time.Time) {
	entry, step := account.Entry, account.Step
	if entry == nil {
		return
	}
	if entry.State == v1alpha1.AccountActive {
		c.Active++
	}
	if entry.RevokedTime != nil && now.Sub(entry.RevokedTime.Time) < GuardWindow {
		c.Done++
	}
	switch {
	case step.Revocation && entry.HeldBatch != "":
		c.Held++
	case entry.Attempts > 0 || (!step.InSync && step.Action == ""):
		c.Failed++
	case step.Action != "":
		c.Pending++
	}
	if step.Revocation {
		c.Revocations = append(c.Revocations, Revocation{
			User:   client.ObjectKeyFromObject(user),
			Change: plan.Change{User: user.SCIMID(), Action: string(step.Action)},
			Batch:  entry.HeldBatch,
		})
	}
}

// Owner is the object name of another user who has an account, "" for none. A user that is being deleted does not count: its successor
// takes the account over.
func (v *View) Owner(ctx context.Context, app types.NamespacedName, remoteID, except string) (string, error) {
	var list v1alpha1.ScimUserList
	fields := client.MatchingFields{IndexUserRemote: RemoteKey(app.Name, remoteID)}
	if err := v.cache.List(ctx, &list, client.InNamespace(app.Namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("looking for the owner of an account: %w", err)
	}
	for i := range list.Items {
		user := &list.Items[i]
		entry := user.Status.Account(app.Name)
		if user.Name != except && user.DeletionTimestamp.IsZero() && entry != nil && entry.State != v1alpha1.AccountOrphaned {
			return user.Name, nil
		}
	}
	return "", nil
}
