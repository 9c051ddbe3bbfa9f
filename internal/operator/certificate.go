// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"crypto/tls"
	"errors"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/scim-operator/scim-operator/internal/certs"
)

// certificates gives the endpoint its certificate at each handshake, and follows its renewal while the manager runs.
type certificates interface {
	manager.Runnable
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// endpointCertificate reads the certificate from its files, or has it made.
func endpointCertificate(ctx context.Context, live client.Client, o Options) (certificates, error) {
	if o.SelfMadeSecret == "" {
		return certwatcher.New(o.CertFile, o.KeyFile)
	}
	namespace, err := ownNamespace(o)
	if err != nil {
		return nil, err
	}
	if namespace == "" {
		return nil, errors.New("a self-made certificate is kept in the operator's namespace, which is not known outside a cluster: set --leader-election-namespace")
	}
	key := client.ObjectKey{Namespace: namespace, Name: o.SelfMadeSecret}
	return certs.NewSelfMade(ctx, live, key, o.SelfMadeHosts, clock.RealClock{}, o.Log.WithName("certificate"))
}
