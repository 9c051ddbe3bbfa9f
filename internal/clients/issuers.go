// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/egress"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// Issuers keeps the keys of the issuers of JSON Web Tokens, for each ScimClient its own: one client's tokens never use up another's fetches. One per process, for
// endpoint and controller.
type Issuers struct {
	now    func() time.Time
	egress *egress.Policy

	mu    sync.Mutex
	known map[types.NamespacedName]*issuer
}

// NewIssuers makes one that goes by the clock and connects to what the policy allows; to anything with none.
func NewIssuers(now func() time.Time, policy *egress.Policy) *Issuers {
	return &Issuers{now: now, egress: policy, known: map[types.NamespacedName]*issuer{}}
}

// of gives the issuer of a ScimClient, with the keys that were fetched before if its configuration is the same.
func (i *Issuers) of(key types.NamespacedName, config issuerConfig) *issuer {
	i.mu.Lock()
	defer i.mu.Unlock()
	if known := i.known[key]; known != nil && known.config.equal(config) {
		return known
	}
	made := &issuer{config: config, egress: i.egress, now: i.now}
	i.known[key] = made
	return made
}

// Forget drops what is kept for a ScimClient that is gone or has no JSON Web Tokens any more.
func (i *Issuers) Forget(key types.NamespacedName) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.known, key)
}

// jwt gives what checks the ScimClient's JSON Web Tokens, and nil if it has none. The error is about reading; what a person has to mend is found by use.
func (i *Issuers) jwt(ctx context.Context, reader client.Reader, sc *v1alpha1.ScimClient) (*JWT, error) {
	spec := sc.Spec.JWT
	if spec == nil {
		return nil, nil
	}
	j := &JWT{audiences: spec.Audiences, required: spec.RequiredClaims}
	config := issuerConfig{issuer: spec.Issuer, jwksURL: spec.JWKSURL}
	if spec.CA != nil {
		ca, err := kube.SecretValue(ctx, reader, sc.Namespace, *spec.CA)
		switch {
		case errors.As(err, &j.problem):
			return j, nil
		case err != nil:
			return nil, fmt.Errorf("reading spec.jwt.ca: %w", err)
		}
		config.ca = ca
	}
	j.issuer = i.of(client.ObjectKeyFromObject(sc), config)
	return j, nil
}

// IssuerReport is how the issuer of a ScimClient is.
type IssuerReport struct {
	// Problem is why the keys of spec.jwt cannot be had at the last try, nil if they were.
	Problem *Problem
	// Usable says that tokens can be checked all the same, with keys that were had before.
	Usable bool
	// Next is after which time to ask again.
	Next time.Duration
}

// checkInterval is how often a controller looks after an issuer that is well: other replicas may need keys that this one has already.
const checkInterval = 5 * time.Minute

// Check asks the issuer for its keys, unless that was done a moment ago, and tells how it went; nil for a ScimClient without spec.jwt.
func (i *Issuers) Check(ctx context.Context, reader client.Reader, sc *v1alpha1.ScimClient) (*IssuerReport, error) {
	j, err := i.jwt(ctx, reader, sc)
	if err != nil {
		return nil, err
	}
	if j == nil {
		i.Forget(client.ObjectKeyFromObject(sc))
		return nil, nil
	}
	if j.issuer == nil {
		return &IssuerReport{Problem: j.problem, Next: checkInterval}, nil
	}
	if err := j.issuer.check(ctx); err != nil {
		return nil, err
	}
	s := j.issuer.state()
	report := &IssuerReport{Usable: len(s.keys) > 0, Next: checkInterval}
	if s.failure != nil {
		problem := s.unavailable()
		report.Problem, report.Next = &Problem{Reason: problem.Reason, Message: problem.Message}, problem.RetryAfter
	}
	return report, nil
}

// check asks for the keys, unless that went well within checkInterval. What came of it is in the state; the error is the context's.
func (i *issuer) check(ctx context.Context) error {
	if s := i.state(); s.failure == nil && s.fresh && s.now.Sub(s.tried) < checkInterval {
		return nil
	}
	_, _ = i.newer(ctx)
	return ctx.Err()
}
