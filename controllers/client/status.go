// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// report writes the status of a ScimClient whose tokens have these problems.
func report(sc *v1alpha1.ScimClient, problems []clients.Problem) {
	status, reason, message := ready(sc, problems)
	kube.SetCondition(sc, v1alpha1.ConditionReady, status, reason, message)
	sc.Status.Path = clients.BasePath(sc.Namespace, sc.Name)
	sc.Status.ObservedGeneration = sc.Generation
}

// ready decides on the condition Ready. A client with one bad token among good ones can log in, and still is not as its spec wants it.
func ready(sc *v1alpha1.ScimClient, problems []clients.Problem) (status metav1.ConditionStatus, reason, message string) {
	if sc.Spec.Suspend {
		return metav1.ConditionFalse, v1alpha1.ReasonSuspended, "spec.suspend is set: the endpoint answers 403 to this client"
	}
	if len(problems) == 0 {
		return metav1.ConditionTrue, v1alpha1.ReasonSucceeded, fmt.Sprintf("the endpoint accepts %s of this client", count(len(sc.Spec.Tokens)))
	}
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.Message)
	}
	usable := len(sc.Spec.Tokens) - len(problems)
	message = fmt.Sprintf("%d of %s can be used: %s", usable, count(len(sc.Spec.Tokens)), strings.Join(texts, "; "))
	return metav1.ConditionFalse, problems[0].Reason, message
}

func count(tokens int) string {
	if tokens == 1 {
		return "1 token"
	}
	return fmt.Sprintf("%d tokens", tokens)
}

// refersTo tells whether one of the ScimClient's tokens is in the Secret.
func refersTo(sc *v1alpha1.ScimClient, secret string) bool {
	for _, ref := range sc.Spec.Tokens {
		if ref.Name == secret {
			return true
		}
	}
	return false
}
