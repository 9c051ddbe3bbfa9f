// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// SCIM sends what an identity provider sends.
type SCIM struct {
	base, token string
	http        *http.Client
}

// NewSCIM makes a client of a SCIM base URL, which reaches it by transport.
func NewSCIM(base, token string, transport http.RoundTripper) *SCIM {
	// Okta gives up after 60 s.
	return &SCIM{base: base, token: token, http: &http.Client{Timeout: 60 * time.Second, Transport: transport}}
}

// Trusting is a transport that trusts the certificates of some authorities alone.
func Trusting(roots *x509.CertPool) *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
}

// Answers says whether the endpoint answers anything at all: an error if not.
func (c *SCIM) Answers(ctx context.Context) error {
	_, err := c.send(ctx, http.MethodGet, "/ServiceProviderConfig", nil, nil)
	return err
}

// answer is what came back; body is nil if it was no JSON object.
type answer struct {
	status int
	text   string
	body   map[string]any
}

// send makes one request. A nil body is not sent.
func (c *SCIM) send(ctx context.Context, method, path string, query map[string]string, body []byte) (answer, error) {
	values := url.Values{}
	for name, value := range query {
		values.Set(name, value)
	}
	target := c.base + path
	if len(values) > 0 {
		target += "?" + values.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("User-Agent", "Okta SCIM Client 1.0.0")
	if body != nil {
		request.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	got := answer{status: response.StatusCode, text: string(data)}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &got.body); err != nil {
			return got, fmt.Errorf("the answer is no JSON object: %w", err)
		}
	}
	return got, nil
}
