// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// SetTrouble says why an app is not called, as its ScimApp shows it; without a reason it is called. It returns whether that is another reason than before.
func (r *Registry) SetTrouble(app types.NamespacedName, trouble Health) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.troubles[app]
	r.troubles[app] = trouble
	return before.Reason != trouble.Reason
}

// Trouble is why an app is not called now, without a reason if it is. It is not known before the ScimApp was reconciled in this term of leadership.
func (r *Registry) Trouble(app types.NamespacedName) (trouble Health, known bool) {
	r.mu.Lock()
	worker := r.running[app]
	trouble, known = r.troubles[app]
	r.mu.Unlock()
	if worker == nil {
		return trouble, known
	}
	if health := worker.Health(); health.Reason != "" {
		return health, true
	}
	if until := worker.PausedUntil(); until.Sub(r.clock.Now()) > ShownPause {
		return Health{Reason: v1alpha1.ReasonRateLimited}, true
	}
	return Health{}, true
}

// Waiting says why an app is not called, without the app's own words and without a time: it is written once for each account that waits.
func (h Health) Waiting() string {
	switch h.Reason {
	case v1alpha1.ReasonCredentialsRejected:
		return "the app rejects the token"
	case v1alpha1.ReasonInsufficientPermissions:
		return "the token lacks a permission in the app"
	case v1alpha1.ReasonUnreachable:
		return "the app cannot be reached"
	case v1alpha1.ReasonUnexpectedAnswer:
		return "the app does not answer in its protocol"
	case v1alpha1.ReasonServerError:
		return "the app answers with errors"
	case v1alpha1.ReasonRateLimited:
		return "the app asked for no calls until the time in status.pausedUntil of the ScimApp"
	case v1alpha1.ReasonNotTested:
		return "the credentials of the app are not tested yet"
	case v1alpha1.ReasonTenantConflict:
		return "another ScimApp manages the same tenant"
	default:
		return "the ScimApp is not ready (" + h.Reason + ")"
	}
}
