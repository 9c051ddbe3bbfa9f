// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package clients knows who may push to the SCIM endpoint: ScimClients and the Secrets that hold their tokens.
//
// The endpoint asks it at every request, the controller of ScimClients when something changed. Both see the same tokens and the same problems.
package clients

import (
	"context"
	"errors"
	"fmt"

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
	// Suspended clients are answered with 403.
	Suspended bool
	// GroupNames says whether two groups of the client may have one name.
	GroupNames v1alpha1.GroupNames
	// TakeOver says whether the client may change what another client made.
	TakeOver v1alpha1.TakeOver
}

// Source reads clients and their tokens.
type Source struct {
	// Reader is a cache of ScimClients and of the Secrets that carry the label scim-operator.io/credentials.
	Reader client.Reader
}

// Client gives the client of that name, with ErrUnknown when there is none. A token that cannot be used is left out; the controller reports it on the
// ScimClient.
func (s *Source) Client(ctx context.Context, namespace, name string) (Config, error) {
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
	return Config{
		Dialect:     dialect,
		TokenHashes: tokens,
		Suspended:   sc.Spec.Suspend,
		GroupNames:  sc.Spec.GroupNames,
		TakeOver:    sc.Spec.TakeOver,
	}, nil
}

// BasePath is the path of a client's SCIM base URL.
func BasePath(namespace, name string) string { return "/" + namespace + "/" + name + "/scim/v2" }
