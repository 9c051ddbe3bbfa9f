// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package certs makes and keeps a certificate for the SCIM endpoint where nobody gives one: for trials. All replicas share it through a Secret.
//
// It signs itself, so whoever connects has to be given it: it stands in the Secret under tls.crt and, for programs that look there, under ca.crt.
package certs

// The chart puts in the name that its values give the Secret.
// +kubebuilder:rbac:groups="",namespace=scim-operator-system,resources=secrets,verbs=create
// +kubebuilder:rbac:groups="",namespace=scim-operator-system,resources=secrets,resourceNames=scim-operator-tls,verbs=get;update

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// AnnotationSelfMade marks the Secret as made by the operator. Without it, it is a person's and never written.
	AnnotationSelfMade = "scim-operator.io/self-made"
	// Lifetime of a certificate. It is renewed when a third of it is left.
	Lifetime = 365 * 24 * time.Hour
	// checkInterval is how often the Secret is read: another replica may have renewed the certificate, or a person replaced it.
	checkInterval = time.Minute
	caKey         = "ca.crt"
)

// SelfMade keeps the certificate in a Secret. It is a Runnable of controller-runtime's manager, on every replica.
type SelfMade struct {
	client client.Client
	secret client.ObjectKey
	hosts  []string
	clock  clock.Clock
	log    logr.Logger

	current atomic.Pointer[tls.Certificate]
}

// NewSelfMade makes the certificate for the hosts (names or addresses, the first one is its subject) if the Secret does not have a good one, and reads it. The
// client must read without a cache.
func NewSelfMade(ctx context.Context, c client.Client, secret client.ObjectKey, hosts []string, clk clock.Clock, log logr.Logger) (*SelfMade, error) {
	if len(hosts) == 0 {
		return nil, errors.New("a self-made certificate needs a host name")
	}
	s := &SelfMade{client: c, secret: secret, hosts: hosts, clock: clk, log: log}
	return s, s.refresh(ctx)
}

// GetCertificate is for tls.Config.
func (s *SelfMade) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return s.current.Load(), nil
}

// NeedLeaderElection says that every replica needs the certificate.
func (s *SelfMade) NeedLeaderElection() bool { return false }

// Start looks after the certificate until ctx is done. When the API server is away, the last one is used.
func (s *SelfMade) Start(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.clock.After(checkInterval):
		}
		if err := s.refresh(ctx); err != nil && ctx.Err() == nil {
			s.log.Error(err, "Cannot look after the endpoint's certificate; the present one is used, and it is tried again in a minute", "secret", s.secret)
		}
	}
}

// refresh makes what the Secret has the current certificate, and writes a new one into it where it has none that is good. Where another replica does so at the
// same time, one wins and both use its certificate.
func (s *SelfMade) refresh(ctx context.Context) error {
	for range 3 {
		stored := &corev1.Secret{}
		err := s.client.Get(ctx, s.secret, stored)
		absent := apierrors.IsNotFound(err)
		if err != nil && !absent {
			return fmt.Errorf("reading the Secret %s: %w", s.secret, err)
		}
		if !absent {
			done, err := s.use(stored)
			if done || err != nil {
				return err
			}
		}
		data, err := s.generate()
		if err != nil {
			return err
		}
		if err := s.store(ctx, stored, absent, data); !apierrors.IsAlreadyExists(err) && !apierrors.IsConflict(err) {
			if err == nil {
				_, err = s.use(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{AnnotationSelfMade: "true"}}, Data: data})
			}
			return err
		}
	}
	return fmt.Errorf("the Secret %s keeps changing", s.secret)
}

// use takes the certificate of the Secret if it can be used. done is false if a new one is due; one of a person is used as it is.
func (s *SelfMade) use(stored *corev1.Secret) (done bool, err error) {
	certificate, err := tls.X509KeyPair(stored.Data[corev1.TLSCertKey], stored.Data[corev1.TLSPrivateKeyKey])
	if stored.Annotations[AnnotationSelfMade] == "" {
		if err != nil {
			return false, fmt.Errorf("the Secret %s was not made by the operator and has no certificate with its key: put them there (tls.crt, tls.key), or delete it", s.secret)
		}
		s.current.Store(&certificate)
		return true, nil
	}
	if err != nil || s.due(certificate.Leaf) {
		// An error here is a Secret that lost its content: it is made anew.
		return false, nil //nolint:nilerr // see above
	}
	s.current.Store(&certificate)
	return true, nil
}

// due is whether a certificate has to be replaced: it ends soon, or is not for all of the hosts.
func (s *SelfMade) due(leaf *x509.Certificate) bool {
	if s.clock.Now().Add(Lifetime / 3).After(leaf.NotAfter) {
		return true
	}
	for _, host := range s.hosts {
		if leaf.VerifyHostname(host) != nil {
			return true
		}
	}
	return false
}

func (s *SelfMade) store(ctx context.Context, stored *corev1.Secret, absent bool, data map[string][]byte) error {
	stored.Data = data
	if !absent {
		return s.client.Update(ctx, stored)
	}
	stored.ObjectMeta = metav1.ObjectMeta{Namespace: s.secret.Namespace, Name: s.secret.Name, Annotations: map[string]string{AnnotationSelfMade: "true"}}
	stored.Type = corev1.SecretTypeTLS
	return s.client.Create(ctx, stored)
}

// generate makes a key and a certificate that it signs, as the data of a Secret of type kubernetes.io/tls.
func (s *SelfMade) generate() (map[string][]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: s.hosts[0]},
		// A clock that is a little behind ours takes it at once.
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(Lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	for _, host := range s.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return map[string][]byte{
		corev1.TLSCertKey:       certificate,
		corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		caKey:                   bytes.Clone(certificate),
	}, nil
}
