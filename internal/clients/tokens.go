// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// MinTokenLength is the least number of characters of a token. What is shorter can be guessed.
const MinTokenLength = 16

// Problem is why a token of a ScimClient cannot be used.
type Problem struct {
	// Reason is one of the reasons of conditions.
	Reason string
	// Secret is the name of the Secret.
	Secret string
	// Message names the Secret and the key. It holds nothing of the token.
	Message string
}

// ReadTokens reads the tokens that the ScimClient refers to: the SHA-256 hashes of those that can be used, and a problem for each of the others, in the order
// of spec.tokens. The error is about reading, not about a token.
//
// A reader that caches labelled Secrets alone cannot tell a Secret without the label from none: both are SecretNotFound then.
func ReadTokens(ctx context.Context, reader client.Reader, sc *v1alpha1.ScimClient) (hashes [][32]byte, problems []Problem, err error) {
	for _, ref := range sc.Spec.Tokens {
		token, reason, message, err := readToken(ctx, reader, sc.Namespace, ref)
		switch {
		case err != nil:
			return nil, nil, err
		case reason != "":
			problems = append(problems, Problem{Reason: reason, Secret: ref.Name, Message: message})
		default:
			hashes = append(hashes, HashToken(token))
		}
	}
	return hashes, problems, nil
}

// HashToken is the form in which tokens are kept and compared.
func HashToken(token string) [32]byte { return sha256.Sum256([]byte(token)) }

// readToken gives the token, or the reason and the message why it cannot be used.
func readToken(ctx context.Context, reader client.Reader, namespace string, ref v1alpha1.SecretKeyRef) (token, reason, message string, err error) {
	var secret corev1.Secret
	err = reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, &secret)
	if apierrors.IsNotFound(err) {
		return "", v1alpha1.ReasonSecretNotFound, fmt.Sprintf("there is no Secret %q with the label %s", ref.Name, v1alpha1.LabelCredentials), nil
	}
	if err != nil {
		return "", "", "", err
	}
	if _, labelled := secret.Labels[v1alpha1.LabelCredentials]; !labelled {
		return "", v1alpha1.ReasonSecretNotLabelled, notLabelled(ref.Name), nil
	}
	value, ok := secret.Data[ref.KeyOrDefault()]
	if !ok {
		return "", v1alpha1.ReasonSecretKeyMissing, fmt.Sprintf("the Secret %q has no key %q", ref.Name, ref.KeyOrDefault()), nil
	}
	// Secrets made from files end in a newline.
	token = strings.TrimRight(string(value), "\r\n")
	if fault := faultOf(token); fault != "" {
		return "", v1alpha1.ReasonInvalidConfiguration, fmt.Sprintf("the token in key %q of the Secret %q %s", ref.KeyOrDefault(), ref.Name, fault), nil
	}
	return token, "", "", nil
}

func notLabelled(secret string) string {
	return fmt.Sprintf("the Secret %q does not carry the label %s, so it is not read", secret, v1alpha1.LabelCredentials)
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

// Distinguish finds out which of the Secrets that a cache of labelled Secrets did not have exist without the label. It reads metadata only; live reads from the
// API server.
func Distinguish(ctx context.Context, live client.Reader, namespace string, problems []Problem) ([]Problem, error) {
	told := slices.Clone(problems)
	for i := range told {
		if told[i].Reason != v1alpha1.ReasonSecretNotFound {
			continue
		}
		secret := metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
		err := live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: told[i].Secret}, &secret)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// One that has the label by now comes with the cache's next event.
		if _, labelled := secret.Labels[v1alpha1.LabelCredentials]; !labelled {
			told[i].Reason, told[i].Message = v1alpha1.ReasonSecretNotLabelled, notLabelled(told[i].Secret)
		}
	}
	return told, nil
}
