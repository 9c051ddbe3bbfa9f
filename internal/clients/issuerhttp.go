// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/egress"
)

const (
	// maxIssuerBody bounds what an issuer may answer.
	maxIssuerBody = 1 << 20
	maxRedirects  = 3
)

// issuerHTTP makes the client that asks an issuer.
func issuerHTTP(ca []byte, policy *egress.Policy) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("spec.jwt.ca holds no PEM certificate")
		}
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: policy.Dialer().DialContext, TLSClientConfig: config, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 5 * time.Second,
		ResponseHeaderTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{
		Transport: bounded{transport, policy},
		Timeout:   fetchTimeout,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Scheme != "https" || len(via) > maxRedirects {
				return errors.New("a redirect that is not followed")
			}
			return nil
		},
	}, nil
}

// bounded cuts bodies off at maxIssuerBody, and keeps away from hosts that the policy denies.
type bounded struct {
	*http.Transport
	policy *egress.Policy
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	// Where there is a proxy, it is the proxy that connects.
	if err := b.policy.CheckHost(r.URL.Hostname()); err != nil {
		return nil, err
	}
	resp, err := b.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxIssuerBody), resp.Body}
	return resp, nil
}

// discover finds the URL of the issuer's keys (OpenID Connect Discovery 1.0, 4). ctx has the HTTP client. The error is an *IssuerError.
func discover(ctx context.Context, issuer string) (string, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	var mismatch *oidc.IssuerMismatchError
	var network *url.Error
	switch {
	case errors.As(err, &mismatch):
		return "", &IssuerError{
			Reason:  v1alpha1.ReasonIssuerInvalid,
			Message: "the discovery document names another issuer than spec.jwt.issuer: they have to be the same to the letter, the slash at the end included",
		}
	case errors.As(err, &network):
		return "", unreachable("discovery document", network)
	case err != nil:
		return "", &IssuerError{
			Reason:  v1alpha1.ReasonIssuerUnreachable,
			Message: "the issuer does not answer with a discovery document at <issuer>/.well-known/openid-configuration; spec.jwt.jwksURL does without",
		}
	}
	var document struct {
		JWKSURL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil || !strings.HasPrefix(document.JWKSURL, "https://") {
		return "", &IssuerError{Reason: v1alpha1.ReasonIssuerInvalid, Message: "the issuer's discovery document names no https URL of its keys (jwks_uri)"}
	}
	return document.JWKSURL, nil
}

// get reads a document. The error is an *IssuerError.
func get(ctx context.Context, client *http.Client, address, what string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, &IssuerError{Reason: v1alpha1.ReasonIssuerInvalid, Message: fmt.Sprintf("the URL of the issuer's %s is malformed", what)}
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, unreachable(what, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, unreachable(what, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &IssuerError{Reason: v1alpha1.ReasonIssuerUnreachable, Message: fmt.Sprintf("the issuer answers a request for its %s with status %d", what, resp.StatusCode)}
	}
	return body, nil
}

// unreachable names the kind of a network error. Its text may hold addresses that a server has chosen.
func unreachable(what string, err error) *IssuerError {
	kind := "no connection"
	var network net.Error
	var certificate *tls.CertificateVerificationError
	var dns *net.DNSError
	var denied *egress.DeniedError
	switch {
	case errors.As(err, &denied):
		return &IssuerError{Reason: v1alpha1.ReasonIssuerInvalid, Message: fmt.Sprintf("the address of the issuer's %s may not be reached: %s", what, denied)}
	case errors.As(err, &certificate):
		kind = "its certificate is not trusted (spec.jwt.ca names another authority than the system's)"
	case errors.As(err, &dns):
		kind = "its name is not known"
	case errors.As(err, &network) && network.Timeout():
		kind = "no answer in time"
	}
	return &IssuerError{Reason: v1alpha1.ReasonIssuerUnreachable, Message: fmt.Sprintf("the issuer gives no %s: %s", what, kind)}
}

// usableKeys are those of a key set (RFC 7517 5) with which tokens can be checked. One that is not understood is left out, as RFC 7517 5 asks.
func usableKeys(body []byte) []jose.JSONWebKey {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(raw); err == nil && usable(key) && len(keys) < maxKeys {
			keys = append(keys, key)
		}
	}
	return keys
}
