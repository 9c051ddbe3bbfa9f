// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// noSeats reports whether the status says that the app has no seat left. It survives a restart, so that creates are not all tried anew.
func noSeats(app *v1alpha1.ScimApp) bool {
	return find(app, v1alpha1.ConditionSeatsAvailable).Status == metav1.ConditionFalse
}

// setSeats says whether the app has a seat for users who need an account. An app that does not run keeps what it said.
func setSeats(s *scope, state runState) {
	switch {
	case !state.running:
		return
	case !state.noSeats:
		kube.RemoveCondition(s.app, v1alpha1.ConditionSeatsAvailable)
		return
	case s.census == nil && noSeats(s.app):
		// The users are counted again soon.
		return
	}
	who := "users wait"
	if s.census != nil {
		who = fmt.Sprintf("%d users wait", s.census.NoSeats)
	}
	cause := ""
	if state.cause != "" {
		cause = " (" + state.cause + ")"
	}
	kube.SetCondition(s.app, v1alpha1.ConditionSeatsAvailable, metav1.ConditionFalse, v1alpha1.ReasonNoSeats,
		"the app has no seat left, and "+who+" for an account"+cause+"; buy seats, or deactivate accounts that nobody needs. One create is tried again within 10 minutes, "+
			"and as soon as the operator has deactivated an account")
}
