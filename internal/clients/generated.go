// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

const (
	// formerKey is the key of the Secret that holds the tokens that were replaced and are still accepted.
	formerKey = "former"
	// maxFormer bounds them. With one more, the eldest is accepted no longer.
	maxFormer = 8
	// tokenBytes of randomness make a token.
	tokenBytes = 32
	// mostWarning is the longest time before the end of a token's life that a warning stands. The warning is the last quarter at most.
	mostWarning = 14 * 24 * time.Hour
)

// Generated is what the Secret of spec.generateToken holds. Everything about a token is in this one object, so that each step of its life is one write.
type Generated struct {
	// Token is accepted until it expires; Created is when it was made.
	Token   string
	Created time.Time
	// RotatedFor is the value of the annotation scim-operator.io/rotate-token that it was made for.
	RotatedFor string
	// Former are the tokens that it replaced, the latest first.
	Former []FormerToken
}

// FormerToken is a token that was replaced.
type FormerToken struct {
	Token    string    `json:"token"`
	Created  time.Time `json:"created"`
	Replaced time.Time `json:"replaced"`
}

// NewToken makes a token of 256 random bits. It is hexadecimal: a double click selects the whole of it.
func NewToken() string {
	random := make([]byte, tokenBytes)
	// It never fails: see crypto/rand.
	_, _ = rand.Read(random)
	return hex.EncodeToString(random)
}

// IsGenerated tells whether the operator made the Secret for the ScimClient. One that was restored from a backup still is; its owner reference names a ScimClient
// that is gone.
func IsGenerated(secret metav1.Object, sc *v1alpha1.ScimClient) bool {
	return secret.GetAnnotations()[v1alpha1.AnnotationGeneratedFor] == sc.Name
}

// ParseGenerated reads the Secret. The error is a *Problem when a person has changed it so that it cannot be used.
func ParseGenerated(secret *corev1.Secret) (*Generated, error) {
	g := &Generated{RotatedFor: secret.Annotations[v1alpha1.AnnotationRotatedFor]}
	var err error
	if g.Created, err = time.Parse(time.RFC3339, secret.Annotations[v1alpha1.AnnotationTokenCreated]); err != nil {
		// The Secret is as old as its first token, so nothing lives longer than it should.
		g.Created = secret.CreationTimestamp.Time
	}
	value, ok := secret.Data[v1alpha1.DefaultSecretKey]
	if !ok {
		return g, generatedProblem(v1alpha1.ReasonSecretKeyMissing, secret, fmt.Sprintf("has no key %q any more", v1alpha1.DefaultSecretKey))
	}
	if g.Token, err = checkToken(value, secret.Name, v1alpha1.DefaultSecretKey); err != nil {
		return g, err
	}
	if raw, ok := secret.Data[formerKey]; ok {
		if err := json.Unmarshal(raw, &g.Former); err != nil {
			g.Former = nil
			return g, generatedProblem(v1alpha1.ReasonInvalidConfiguration, secret, fmt.Sprintf("has something else than the operator wrote in its key %q", formerKey))
		}
	}
	return g, nil
}

func generatedProblem(reason string, secret *corev1.Secret, what string) *Problem {
	return &Problem{Reason: reason, Secret: secret.Name, Message: fmt.Sprintf("the Secret %q of the generated token %s; rotate the token, or delete the Secret to get a new one", secret.Name, what)}
}

// Write puts it into the Secret.
func (g *Generated) Write(secret *corev1.Secret, sc *v1alpha1.ScimClient) error {
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	secret.Annotations[v1alpha1.AnnotationGeneratedFor] = sc.Name
	secret.Annotations[v1alpha1.AnnotationTokenCreated] = g.Created.UTC().Format(time.RFC3339)
	secret.Annotations[v1alpha1.AnnotationRotatedFor] = g.RotatedFor
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[v1alpha1.DefaultSecretKey] = []byte(g.Token)
	delete(secret.Data, formerKey)
	if len(g.Former) == 0 {
		return nil
	}
	raw, err := json.Marshal(g.Former)
	if err != nil {
		return fmt.Errorf("writing former tokens: %w", err)
	}
	secret.Data[formerKey] = raw
	return nil
}

// Wanted tells whether the ScimClient asks for another token than this: its annotation has a value that this one was not made for.
func (g *Generated) Wanted(sc *v1alpha1.ScimClient) bool {
	asked := sc.Annotations[v1alpha1.AnnotationRotateToken]
	return asked != "" && asked != g.RotatedFor
}

// Rotate makes the token a former one of a new token.
func (g *Generated) Rotate(token, rotatedFor string, now time.Time) {
	if g.Token != "" {
		g.Former = append([]FormerToken{{Token: g.Token, Created: g.Created, Replaced: now.UTC().Truncate(time.Second)}}, g.Former...)
	}
	g.Former = g.Former[:min(len(g.Former), maxFormer)]
	g.Token, g.Created, g.RotatedFor = token, now.UTC().Truncate(time.Second), rotatedFor
}

// Prune drops the former tokens that are accepted no longer, and tells whether there were any.
func (g *Generated) Prune(spec *v1alpha1.GenerateToken, now time.Time) bool {
	var kept []FormerToken
	for _, f := range g.Former {
		if now.Before(f.end(spec)) {
			kept = append(kept, f)
		}
	}
	pruned := len(kept) < len(g.Former)
	g.Former = kept
	return pruned
}

// end is when the former token is accepted no longer: after the overlap, or when it would have expired without the rotation.
func (f FormerToken) end(spec *v1alpha1.GenerateToken) time.Time {
	end := f.Replaced.Add(spec.OverlapOrDefault())
	if expires, ok := expiry(f.Created, spec); ok && expires.Before(end) {
		return expires
	}
	return end
}

func expiry(created time.Time, spec *v1alpha1.GenerateToken) (time.Time, bool) {
	if spec.ExpiresAfter == nil {
		return time.Time{}, false
	}
	return created.Add(spec.ExpiresAfter.Duration), true
}

// Expires is when the token is accepted no longer; ok is false if it is for ever.
func (g *Generated) Expires(spec *v1alpha1.GenerateToken) (at time.Time, ok bool) {
	return expiry(g.Created, spec)
}

// Warns is when a person should be told that the token is to expire: with a quarter of its life left, 14 days at most.
func (g *Generated) Warns(spec *v1alpha1.GenerateToken) (at time.Time, ok bool) {
	expires, ok := g.Expires(spec)
	if !ok {
		return time.Time{}, false
	}
	return expires.Add(-min(spec.ExpiresAfter.Duration/4, mostWarning)), true
}

// FormerUntil is when the last of the former tokens is accepted no longer; ok is false if there is none.
func (g *Generated) FormerUntil(spec *v1alpha1.GenerateToken) (at time.Time, ok bool) {
	for _, f := range g.Former {
		if end := f.end(spec); end.After(at) {
			at = end
		}
	}
	return at, len(g.Former) > 0
}

// Next is when something about the tokens changes by time alone; ok is false if never.
func (g *Generated) Next(spec *v1alpha1.GenerateToken, now time.Time) (at time.Time, ok bool) {
	sooner := func(t time.Time) {
		if t.After(now) && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	if t, has := g.Expires(spec); has {
		sooner(t)
	}
	if t, has := g.Warns(spec); has {
		sooner(t)
	}
	for _, f := range g.Former {
		sooner(f.end(spec))
	}
	return at, ok
}

// hashes of the tokens that are accepted now, and of one that was until it expired.
func (g *Generated) hashes(spec *v1alpha1.GenerateToken, now time.Time) (accepted, expired [][32]byte) {
	if expires, ok := g.Expires(spec); ok && !now.Before(expires) {
		expired = append(expired, HashToken(g.Token))
	} else {
		accepted = append(accepted, HashToken(g.Token))
	}
	for _, f := range g.Former {
		if now.Before(f.end(spec)) {
			accepted = append(accepted, HashToken(f.Token))
		} else {
			expired = append(expired, HashToken(f.Token))
		}
	}
	return accepted, expired
}
