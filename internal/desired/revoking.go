// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// Revoking is a user or group with a pending revocation in an app.
type Revoking struct {
	Kind ledger.Kind
	Name string
	// Since is when its cause happened.
	Since time.Time
}

// Revoking returns the users and groups with a pending revocation in an app, as the statuses say, the longest pending first.
func (v *View) Revoking(ctx context.Context, app types.NamespacedName) ([]Revoking, error) {
	var pending []Revoking
	add := func(kind ledger.Kind, name string, since *metav1.Time) {
		if since != nil {
			pending = append(pending, Revoking{Kind: kind, Name: name, Since: since.Time})
		}
	}
	err := v.eachUser(ctx, app, func(view *UserView, entry *v1alpha1.Account) error {
		add(ledger.Account, view.User.Name, entry.PendingRevocationTime)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = v.eachGroup(ctx, app, func(group *v1alpha1.ScimGroup, entry *v1alpha1.PushedGroupStatus) {
		add(ledger.Group, group.Name, entry.PendingRevocationTime)
	})
	slices.SortFunc(pending, func(a, b Revoking) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name)) })
	return pending, err
}

// revoking counts a pending revocation, nil for none.
func (c *AppCensus) revoking(since *metav1.Time) {
	if since == nil {
		return
	}
	c.Revoking++
	if c.OldestRevocation.IsZero() || since.Time.Before(c.OldestRevocation) {
		c.OldestRevocation = since.Time
	}
}
