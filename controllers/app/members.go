// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// learned is how many members of a group the app takes in one request, as an earlier connector found out; 0 where the spec asks for no more.
func learned(app *v1alpha1.ScimApp) int {
	known := app.Status.MembersPerRequest
	if limits := app.Spec.Limits; limits != nil && limits.MembersPerRequest > 0 && limits.MembersPerRequest <= known {
		return 0
	}
	return int(known)
}

// noteMembersPerRequest records what the running app has found out.
func (r *Reconciler) noteMembersPerRequest(s *scope) {
	now := learned(s.app)
	if running := r.Apps.Get(s.key); running != nil {
		if found := running.MembersPerRequest(); found > 0 && (now == 0 || found < now) {
			now = found
		}
	}
	if int32(now) == s.app.Status.MembersPerRequest {
		return
	}
	s.app.Status.MembersPerRequest = int32(now)
	s.smallerRequests = now > 0
}

// record says in events what the status did not say before.
func (r *Reconciler) record(s *scope) {
	if s.smallerRequests {
		r.Recorder.Eventf(s.app, nil, corev1.EventTypeNormal, "SmallerRequests", "SmallerRequests",
			"the app refuses larger requests for groups; from now on a request has at most %d members. Set spec.limits.membersPerRequest to begin with fewer", s.app.Status.MembersPerRequest)
	}
}
