// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// MinTokenLength is the least number of characters of a token. What is shorter can be guessed.
const MinTokenLength = 16

// Problem is why a token of a ScimClient cannot be used.
type Problem = kube.SecretProblem

// ReadTokens reads the tokens that the ScimClient refers to: the SHA-256 hashes of those that can be used, and a problem for each of the others, in the order
// of spec.tokens. The error is about reading, not about a token.
//
// A reader that caches labelled Secrets alone cannot tell a Secret without the label from none: both are SecretNotFound then.
func ReadTokens(ctx context.Context, reader client.Reader, sc *v1alpha1.ScimClient) (hashes [][32]byte, problems []Problem, err error) {
	for _, ref := range sc.Spec.Tokens {
		token, err := readToken(ctx, reader, sc.Namespace, ref)
		var problem *Problem
		switch {
		case errors.As(err, &problem):
			problems = append(problems, *problem)
		case err != nil:
			return nil, nil, err
		default:
			hashes = append(hashes, HashToken(token))
		}
	}
	return hashes, problems, nil
}

// HashToken is the form in which tokens are kept and compared.
func HashToken(token string) [32]byte { return sha256.Sum256([]byte(token)) }

// readToken gives the token. The error is a *Problem when the token cannot be used.
func readToken(ctx context.Context, reader client.Reader, namespace string, ref v1alpha1.SecretKeyRef) (string, error) {
	value, err := kube.SecretValue(ctx, reader, namespace, ref)
	if err != nil {
		return "", err
	}
	return checkToken(value, ref.Name, ref.KeyOrDefault())
}

// checkToken gives the token that the key of a Secret holds. The error is a *Problem when it cannot be used.
func checkToken(value []byte, secret, key string) (string, error) {
	// Secrets made from files end in a newline.
	token := strings.TrimRight(string(value), "\r\n")
	if fault := faultOf(token); fault != "" {
		return "", &Problem{
			Reason: v1alpha1.ReasonInvalidConfiguration, Secret: secret,
			Message: fmt.Sprintf("the token in key %q of the Secret %q %s", key, secret, fault),
		}
	}
	return token, nil
}

// readGenerated reads the token of spec.generateToken as it is in the reader. It is nil without one. The error is a *Problem when it cannot be used.
func readGenerated(ctx context.Context, reader client.Reader, sc *v1alpha1.ScimClient) (*Generated, error) {
	name := sc.GeneratedSecretName()
	if name == "" {
		return nil, nil
	}
	secret := &corev1.Secret{}
	if err := reader.Get(ctx, client.ObjectKey{Namespace: sc.Namespace, Name: name}, secret); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, &Problem{Reason: v1alpha1.ReasonSecretNotFound, Secret: name, Message: fmt.Sprintf("the Secret %q of the generated token is not made yet", name)}
		}
		return nil, fmt.Errorf("reading the Secret %q: %w", name, err)
	}
	if _, labelled := secret.Labels[v1alpha1.LabelCredentials]; !labelled {
		return nil, kube.SecretNotLabelled(name)
	}
	if !IsGenerated(secret, sc) {
		return nil, SecretExists(name)
	}
	return ParseGenerated(secret)
}

// SecretExists is the problem of a Secret that stands where that of a generated token should.
func SecretExists(name string) *Problem {
	return &Problem{
		Reason: v1alpha1.ReasonSecretExists, Secret: name,
		Message: fmt.Sprintf("there is a Secret %q that somebody else made: it is left alone and its token is not accepted; "+
			"choose another spec.generateToken.secretName, delete it, or name it in spec.tokens", name),
	}
}

// faultOf says what is wrong with a token, or nothing.
func faultOf(token string) string {
	switch {
	case token == "":
		return "is empty"
	case len(token) < MinTokenLength:
		return fmt.Sprintf("is shorter than %d characters", MinTokenLength)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "has characters that cannot stand in an Authorization header: it may only hold printable ASCII without spaces"
	}
	return ""
}
