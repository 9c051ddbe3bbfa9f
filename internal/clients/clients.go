// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package clients knows who may push to the SCIM endpoint: ScimClients, the Secrets that hold their tokens, and the issuers of their JSON Web Tokens.
//
// The endpoint asks it at every request, the controller of ScimClients when something changed. Both see the same tokens and the same problems.
package clients

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// ErrUnknown says that there is no such ScimClient.
var ErrUnknown = errors.New("no such ScimClient")

// Config is what the endpoint has to know of a client.
type Config struct {
	// Dialect is what is tolerated of the client.
	Dialect scim.Dialect
	// TokenHashes are the SHA-256 hashes of the tokens that the client may present. None when no token can be used.
	TokenHashes [][32]byte
	// ExpiredHashes are those of generated tokens that expired or were replaced, for the log to tell them from wrong ones.
	ExpiredHashes [][32]byte
	// JWT checks JSON Web Tokens. Nil where the client has none.
	JWT *JWT
	// ReadOnly clients are answered with 403 when they write.
	ReadOnly bool
	// WithoutUsers and WithoutGroups say what the client may not use.
	WithoutUsers, WithoutGroups bool
	// RateLimit bounds the client's requests.
	RateLimit RateLimit
	// Tolerances are those of which the ScimClient's status says that the client needs them.
	Tolerances []string
	// Suspended clients are answered with 403.
	Suspended bool
	// GroupNames says whether two groups of the client may have one name.
	GroupNames v1alpha1.GroupNames
	// TakeOver says whether the client may change what another client made.
	TakeOver v1alpha1.TakeOver
}

// RateLimit is a token bucket. The zero RateLimit is none.
type RateLimit struct {
	// PerSecond is how many requests there is room for in the long run, Burst at once.
	PerSecond, Burst int
}

// Source reads clients and their tokens.
type Source struct {
	// Reader is a cache of ScimClients and of the Secrets that carry the label scim-operator.io/credentials.
	Reader client.Reader
	// Namespaces are those that Reader has; all when empty. It fails at others, and nobody may push there.
	Namespaces []string
	// Issuers has the keys for JSON Web Tokens, which are not accepted where it is nil.
	Issuers *Issuers
	// Now is the clock by which generated tokens expire. time.Now where it is nil.
	Now func() time.Time
}

// Client gives the client of that name, with ErrUnknown when there is none. A token that cannot be used is left out; the controller reports it on the
// ScimClient.
func (s *Source) Client(ctx context.Context, namespace, name string) (Config, error) {
	if len(s.Namespaces) > 0 && !slices.Contains(s.Namespaces, namespace) {
		return Config{}, ErrUnknown
	}
	var sc v1alpha1.ScimClient
	if err := s.Reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &sc); err != nil {
		if apierrors.IsNotFound(err) {
			return Config{}, ErrUnknown
		}
		return Config{}, err
	}
	if !sc.DeletionTimestamp.IsZero() {
		return Config{}, ErrUnknown
	}
	dialect, ok := scim.DialectByName(string(sc.Spec.Dialect))
	if !ok {
		return Config{}, fmt.Errorf("the ScimClient's dialect %q is unknown to this version of the operator", sc.Spec.Dialect)
	}
	tokens, _, err := ReadTokens(ctx, s.Reader, &sc)
	if err != nil {
		return Config{}, err
	}
	config := Config{
		Dialect:     dialect,
		TokenHashes: tokens,
		ReadOnly:    sc.Spec.Access == v1alpha1.AccessReadOnly,
		Tolerances:  sc.Status.Tolerances,
		Suspended:   sc.Spec.Suspend,
		GroupNames:  sc.Spec.GroupNames,
		TakeOver:    sc.Spec.TakeOver,
	}
	config.restrict(&sc.Spec)
	if err := s.addGenerated(ctx, &sc, &config); err != nil {
		return Config{}, err
	}
	if s.Issuers != nil {
		config.JWT, err = s.Issuers.jwt(ctx, s.Reader, &sc)
	}
	return config, err
}

// restrict takes over what the spec does not let the client do.
func (c *Config) restrict(spec *v1alpha1.ScimClientSpec) {
	if len(spec.Resources) > 0 {
		c.WithoutUsers = !slices.Contains(spec.Resources, v1alpha1.ClientResourceUsers)
		c.WithoutGroups = !slices.Contains(spec.Resources, v1alpha1.ClientResourceGroups)
	}
	if limit := spec.RateLimit; limit != nil {
		c.RateLimit = RateLimit{PerSecond: int(limit.RequestsPerSecond), Burst: int(limit.Burst)}
		if c.RateLimit.Burst == 0 {
			c.RateLimit.Burst = c.RateLimit.PerSecond
		}
	}
}

// addGenerated adds the generated token and its former ones, if they can be used.
func (s *Source) addGenerated(ctx context.Context, sc *v1alpha1.ScimClient, config *Config) error {
	generated, err := readGenerated(ctx, s.Reader, sc)
	var problem *Problem
	if err != nil && !errors.As(err, &problem) {
		return err
	}
	if generated == nil || generated.Token == "" {
		return nil
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	accepted, expired := generated.hashes(sc.Spec.GenerateToken, now())
	config.TokenHashes = append(config.TokenHashes, accepted...)
	config.ExpiredHashes = expired
	return nil
}

// BasePath is the path of a client's SCIM base URL.
func BasePath(namespace, name string) string { return "/" + namespace + "/" + name + "/scim/v2" }

// UniqueGroups is whether no two groups of the client may have one name.
func (c Config) UniqueGroups() bool { return c.GroupNames != v1alpha1.GroupNamesShared }
