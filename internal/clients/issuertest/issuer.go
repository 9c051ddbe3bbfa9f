// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package issuertest is an issuer of JSON Web Tokens to test with: a real HTTPS server with OpenID Connect discovery and a key set.
package issuertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is a running issuer.
type Issuer struct {
	t      testing.TB
	server *httptest.Server

	mu     sync.Mutex
	key    Key
	served []jose.JSONWebKey
	down   bool
	body   string
	named  string
	counts map[string]int
}

// Key signs tokens.
type Key struct {
	ID        string
	Private   crypto.Signer
	Algorithm jose.SignatureAlgorithm
}

// Paths of the issuer.
const (
	Tenant    = "/11111111-2222-3333-4444-555555555555"
	keysPath  = Tenant + "/keys"
	discovery = Tenant + "/.well-known/openid-configuration"
)

// New starts an issuer with one key, "first". It stops with the test.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{t: t, counts: map[string]int{}}
	i.server = httptest.NewTLSServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.server.Close)
	i.named = i.Name()
	i.Rotate(ECKey(t, "first"))
	return i
}

// Name is the issuer's name as Entra has it, with a slash at its end.
func (i *Issuer) Name() string { return i.server.URL + Tenant + "/" }

// JWKSURL is where the keys are.
func (i *Issuer) JWKSURL() string { return i.server.URL + keysPath }

// CA is the PEM certificate that signs the server's.
func (i *Issuer) CA() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.server.Certificate().Raw})
}

// Rotate signs with the key from now on, and publishes it alone.
func (i *Issuer) Rotate(key Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.key = key
	i.served = []jose.JSONWebKey{public(key)}
}

// Publish has the issuer publish the keys, whatever it signs with.
func (i *Issuer) Publish(keys ...Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.served = nil
	for _, k := range keys {
		i.served = append(i.served, public(k))
	}
}

// Down has the issuer answer every request with 500.
func (i *Issuer) Down(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// Answer has the issuer serve this in place of its keys; nothing has it serve its keys again.
func (i *Issuer) Answer(body string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.body = body
}

// CallItself changes the name in the discovery document.
func (i *Issuer) CallItself(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.named = name
}

// Fetches is how often the keys were asked for.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.counts[keysPath]
}

// Requests is how often anything was asked for.
func (i *Issuer) Requests() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.counts[keysPath] + i.counts[discovery]
}

// Sign makes a token with the issuer's key.
func (i *Issuer) Sign(claims map[string]any) string {
	i.t.Helper()
	i.mu.Lock()
	key := i.key
	i.mu.Unlock()
	return Sign(i.t, key, claims)
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.counts[r.URL.Path]++
	if i.down {
		http.Error(w, "down", http.StatusInternalServerError)
		return
	}
	var answer any
	switch r.URL.Path {
	case discovery:
		answer = map[string]any{
			"issuer": i.named, "jwks_uri": i.server.URL + keysPath, "authorization_endpoint": i.server.URL + "/authorize", "token_endpoint": i.server.URL + "/token",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		}
	case keysPath:
		answer = jose.JSONWebKeySet{Keys: i.served}
		if i.body != "" {
			answer = json.RawMessage(i.body)
		}
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if raw, ok := answer.(json.RawMessage); ok {
		_, _ = w.Write(raw)
		return
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		i.t.Error(err)
	}
}

func public(k Key) jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Private.Public(), KeyID: k.ID, Use: "sig"}
}

// RSAKey makes a key for RS256.
func RSAKey(t testing.TB, id string) Key {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return Key{ID: id, Private: key, Algorithm: jose.RS256}
}

// ECKey makes a key for ES256.
func ECKey(t testing.TB, id string) Key {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return Key{ID: id, Private: key, Algorithm: jose.ES256}
}

// Sign makes a token.
func Sign(t testing.TB, key Key, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	if key.ID != "" {
		options = options.WithHeader("kid", key.ID)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: key.Algorithm, Key: key.Private}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(token, ".") != 2 {
		t.Fatal(fmt.Errorf("no compact serialization: %d parts", strings.Count(token, ".")+1))
	}
	return token
}
