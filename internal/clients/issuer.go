// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/egress"
)

// How often an issuer is asked for its keys. A stranger can make up any number of tokens; none of them makes this more often.
const (
	// keysFresh is the age of keys after which they are fetched again in the background, so that a key that the issuer has withdrawn ends.
	keysFresh = time.Hour
	// keysUsable is the age up to which keys are used while the issuer does not answer.
	keysUsable = 24 * time.Hour
	// refreshInterval is between two fetches for the sake of tokens that the known keys did not sign.
	refreshInterval = 10 * time.Second
	// retryFirst and retryMost are between two fetches while the issuer does not answer; it doubles.
	retryFirst = 15 * time.Second
	retryMost  = 2 * time.Minute
	// fetchTimeout is for discovery and keys together.
	fetchTimeout = 10 * time.Second
)

const (
	// maxKeys of an issuer are used.
	maxKeys = 100
	// minRSABits: RFC 7518 3.3 wants 2048 bits.
	minRSABits = 2048
)

// issuerConfig says where an issuer's keys are.
type issuerConfig struct {
	issuer  string
	jwksURL string
	// ca is PEM, empty for the system's.
	ca []byte
}

func (c issuerConfig) equal(o issuerConfig) bool {
	return c.issuer == o.issuer && c.jwksURL == o.jwksURL && bytes.Equal(c.ca, o.ca)
}

// IssuerError says that an issuer's keys could not be had: nothing can be said about a token.
type IssuerError struct {
	// Reason is one of v1alpha1's. Message is for conditions and logs and holds nothing that the issuer sent.
	Reason, Message string
	// RetryAfter is when asking again makes sense.
	RetryAfter time.Duration
}

// Error implements error.
func (e *IssuerError) Error() string { return e.Message }

// issuer has the keys of one issuer for one ScimClient.
type issuer struct {
	config issuerConfig
	egress *egress.Policy
	now    func() time.Time
	flight singleflight.Group

	mu   sync.Mutex
	keys []jose.JSONWebKey
	// fetched is when they were had, tried when it was last tried.
	fetched, tried time.Time
	// failure is why the last try failed; failures are how many failed in a row.
	failure  error
	failures int
}

// state is what is known of an issuer's keys.
type state struct {
	keys []jose.JSONWebKey
	// fresh keys need no other try, and failure is that of the last try.
	fresh   bool
	failure error
	// tried is when the last try was made, next when another one may be.
	tried, next time.Time
	now         time.Time
}

func (i *issuer) state() state {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	s := state{failure: i.failure, now: now, tried: i.tried, next: i.tried.Add(refreshInterval)}
	if i.failures > 0 {
		s.next = i.tried.Add(min(retryFirst<<min(i.failures-1, 8), retryMost))
	}
	if age := now.Sub(i.fetched); len(i.keys) > 0 && age < keysUsable {
		s.keys, s.fresh = i.keys, age < keysFresh
	}
	return s
}

// mayFetch tells whether the issuer may be asked now.
func (s state) mayFetch() bool { return !s.now.Before(s.next) }

// unavailable is the error for a token about which nothing can be said.
func (s state) unavailable() *IssuerError {
	e := &IssuerError{Reason: v1alpha1.ReasonIssuerUnreachable, Message: "the issuer's keys are not here yet", RetryAfter: max(s.next.Sub(s.now), time.Second)}
	var known *IssuerError
	if errors.As(s.failure, &known) {
		e.Reason, e.Message = known.Reason, known.Message
	}
	return e
}

// current gives the keys, which are asked for when there are none. The error is an *IssuerError, or the context's.
func (i *issuer) current(ctx context.Context) ([]jose.JSONWebKey, error) {
	s := i.state()
	switch {
	case len(s.keys) > 0 && s.fresh:
		return s.keys, nil
	case len(s.keys) > 0:
		if s.mayFetch() {
			i.flight.DoChan("", i.refresh(context.WithoutCancel(ctx)))
		}
		return s.keys, nil
	case !s.mayFetch():
		return nil, s.unavailable()
	}
	return i.newer(ctx)
}

// newer asks the issuer for its keys, if that may be. The error is an *IssuerError, or the context's; it is errNotNow for keys that are as new as may be.
func (i *issuer) newer(ctx context.Context) ([]jose.JSONWebKey, error) {
	s := i.state()
	if !s.mayFetch() {
		if s.failure != nil {
			return nil, s.unavailable()
		}
		return nil, errNotNow
	}
	// Who waits may go; the fetch goes on, for the others.
	done := i.flight.DoChan("", i.refresh(context.WithoutCancel(ctx)))
	select {
	case <-done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s = i.state(); s.failure != nil {
		return nil, s.unavailable()
	}
	return s.keys, nil
}

// errNotNow says that the keys were fetched a moment ago.
var errNotNow = errors.New("the keys were fetched a moment ago")

// refresh gives the function that fetches the keys.
func (i *issuer) refresh(ctx context.Context) func() (any, error) {
	return func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
		defer cancel()
		// One that ended a moment ago may serve who comes just now.
		if s := i.state(); !s.mayFetch() {
			return nil, nil
		}
		keys, err := fetchKeys(ctx, i.config, i.egress)
		i.mu.Lock()
		defer i.mu.Unlock()
		i.tried, i.failure = i.now(), err
		if err != nil {
			i.failures++
			return nil, nil
		}
		i.keys, i.fetched, i.failures = keys, i.tried, 0
		return nil, nil
	}
}

// fetchKeys asks the issuer. The error is an *IssuerError.
func fetchKeys(ctx context.Context, c issuerConfig, policy *egress.Policy) ([]jose.JSONWebKey, error) {
	http, err := issuerHTTP(c.ca, policy)
	if err != nil {
		return nil, &IssuerError{Reason: v1alpha1.ReasonInvalidConfiguration, Message: err.Error()}
	}
	defer http.CloseIdleConnections()
	url := c.jwksURL
	if url == "" {
		if url, err = discover(oidc.ClientContext(ctx, http), c.issuer); err != nil {
			return nil, err
		}
	}
	body, err := get(ctx, http, url, "keys")
	if err != nil {
		return nil, err
	}
	keys := usableKeys(body)
	if len(keys) == 0 {
		return nil, &IssuerError{
			Reason:  v1alpha1.ReasonIssuerInvalid,
			Message: fmt.Sprintf("what the issuer has at its key URL is no JSON Web Key Set with a key for RS, PS or ES signatures (RSA of %d bits at least, P-256, P-384, P-521)", minRSABits),
		}
	}
	return keys, nil
}

// usable tells whether the key can check a signature of the algorithms that are accepted.
func usable(key jose.JSONWebKey) bool {
	if !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey:
		return true
	}
	return false
}
