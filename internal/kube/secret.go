// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// SecretProblem is why a reference to a key of a Secret gives no value. It is for a condition.
type SecretProblem struct {
	// Reason is one of v1alpha1.ReasonSecret...; Secret is the name that was looked for.
	Reason, Secret, Message string
}

// Error implements error.
func (p *SecretProblem) Error() string { return p.Message }

// SecretValue reads what a reference names. The error is a *SecretProblem when it is for a person to mend, and about reading otherwise.
//
// Only Secrets with the label scim-operator.io/credentials are read. A reader that caches those alone cannot tell one without the label from
// none, so the message names both.
func SecretValue(ctx context.Context, reader client.Reader, namespace string, ref v1alpha1.SecretKeyRef) ([]byte, error) {
	secret := &corev1.Secret{}
	err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, &SecretProblem{
			Reason: v1alpha1.ReasonSecretNotFound, Secret: ref.Name,
			Message: fmt.Sprintf("there is no Secret %q with the label %s; create it, it is read at once", ref.Name, v1alpha1.LabelCredentials),
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the Secret %q: %w", ref.Name, err)
	}
	if _, labelled := secret.Labels[v1alpha1.LabelCredentials]; !labelled {
		return nil, SecretNotLabelled(ref.Name)
	}
	value, ok := secret.Data[ref.KeyOrDefault()]
	if !ok {
		return nil, &SecretProblem{
			Reason: v1alpha1.ReasonSecretKeyMissing, Secret: ref.Name,
			Message: fmt.Sprintf("the Secret %q has no key %q; add the key, it is read at once", ref.Name, ref.KeyOrDefault()),
		}
	}
	return value, nil
}

// SecretNotLabelled is the problem of a Secret that exists and may not be read.
func SecretNotLabelled(name string) *SecretProblem {
	return &SecretProblem{
		Reason: v1alpha1.ReasonSecretNotLabelled, Secret: name,
		Message: fmt.Sprintf("the Secret %q does not have the label %s, so it is not read; add the label", name, v1alpha1.LabelCredentials),
	}
}

// DistinguishSecret finds out whether a Secret that a cache of labelled Secrets did not have exists without the label. It reads metadata only;
// live reads from the API server. Any other problem comes back as it is.
func DistinguishSecret(ctx context.Context, live client.Reader, namespace string, problem SecretProblem) (SecretProblem, error) {
	if problem.Reason != v1alpha1.ReasonSecretNotFound {
		return problem, nil
	}
	secret := metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	err := live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: problem.Secret}, &secret)
	if apierrors.IsNotFound(err) {
		return problem, nil
	}
	if err != nil {
		return problem, err
	}
	// One that has the label by now comes with the cache's next event.
	if _, labelled := secret.Labels[v1alpha1.LabelCredentials]; labelled {
		return problem, nil
	}
	return *SecretNotLabelled(problem.Secret), nil
}
