// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

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
	// Secrets made from files end in a newline.
	token := strings.TrimRight(string(value), "\r\n")
	if fault := faultOf(token); fault != "" {
		return "", &Problem{
			Reason: v1alpha1.ReasonInvalidConfiguration, Secret: ref.Name,
			Message: fmt.Sprintf("the token in key %q of the Secret %q %s", ref.KeyOrDefault(), ref.Name, fault),
		}
	}
	return token, nil
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
