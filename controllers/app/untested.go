// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// setUntested sets the conditions of the connection while the result of its first test is awaited. What an earlier test of the same credentials
// found stands until then, so that neither a restart nor a repeated test makes a good condition flip.
func setUntested(s *scope) {
	for _, conditionType := range []string{v1alpha1.ConditionCredentialsValid, v1alpha1.ConditionReachable} {
		before := find(s.app, conditionType)
		if stands(s, before) {
			kube.SetCondition(s.app, conditionType, before.Status, before.Reason, before.Message)
			continue
		}
		kube.SetCondition(s.app, conditionType, metav1.ConditionUnknown, v1alpha1.ReasonNotTested, "the credentials are being tested")
	}
}

// stands reports whether a condition of the status is still valid. A process that has just started compares the generation: a Secret that
// changed before is noticed by the test.
func stands(s *scope, condition metav1.Condition) bool {
	if condition.Reason == v1alpha1.ReasonNotTested || condition.Reason == v1alpha1.ReasonSuspended {
		return false
	}
	return s.connection.good || s.connection.first && condition.ObservedGeneration == s.app.Generation
}

// untestedBecause returns why the last credential test had no result. Ready shows it, so it says what answered.
func untestedBecause(health provisioner.Health) string {
	switch health.Reason {
	case v1alpha1.ReasonRateLimited:
		return "the app asked for no calls for a while; the test is retried"
	case v1alpha1.ReasonUnreachable:
		return "the app does not answer the test: " + health.Message + "; retrying"
	default:
		return "the test of the credentials failed: " + health.Message + "; retrying"
	}
}
