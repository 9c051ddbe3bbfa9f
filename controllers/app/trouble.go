// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// maxTold is how many users and groups with a pending revocation are reconciled when the app gets into another trouble. A broken app is to cost few writes: further ones say what they wait for
// when they are reconciled for another reason.
const maxTold = 100

// troubleOf is why the app is not called, as its conditions say; without a reason if it is.
func troubleOf(app *v1alpha1.ScimApp) provisioner.Health {
	ready := find(app, v1alpha1.ConditionReady)
	if ready.Status != metav1.ConditionTrue {
		return provisioner.Health{Reason: ready.Reason}
	}
	if find(app, v1alpha1.ConditionReachable).Reason == v1alpha1.ReasonRateLimited {
		return provisioner.Health{Reason: v1alpha1.ReasonRateLimited}
	}
	return provisioner.Health{}
}

// tellRevocations has users and groups say what their pending revocations wait for, when the reason is another one than before.
func (r *Reconciler) tellRevocations(ctx context.Context, s *scope) error {
	trouble := troubleOf(s.app)
	if !r.Apps.SetTrouble(s.key, trouble) || trouble.Reason == "" {
		// When the app can be called again, the revocations are made.
		return nil
	}
	pending, err := r.View.Revoking(ctx, s.key)
	if err != nil {
		return err
	}
	for _, one := range pending[:min(len(pending), maxTold)] {
		object := types.NamespacedName{Namespace: s.key.Namespace, Name: one.Name}
		if one.Kind == ledger.Group {
			r.Wake.Group(object)
		} else {
			r.Wake.User(object)
		}
	}
	return nil
}
