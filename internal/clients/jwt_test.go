// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"encoding/base64"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	corev1 "k8s.io/api/core/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients/issuertest"
	"github.com/scim-operator/scim-operator/internal/egress"
)

// entraAudience is the audience of the tokens that Entra issues for an application without a secret of its own (Entra: "Authorization to provisioning connectors").
const entraAudience = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"

// testClock is a clock that a test sets.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func newTestClock() *testClock {
	return &testClock{now: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)}
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// jwtClient is a ScimClient that takes tokens of the issuer, and what checks them.
type jwtClient struct {
	t       *testing.T
	clock   *testClock
	issuer  *issuertest.Issuer
	issuers *Issuers
	reader  *objects
}

func newJWTClient(t *testing.T, change func(*v1alpha1.JWTLogin)) *jwtClient {
	t.Helper()
	c := &jwtClient{t: t, clock: newTestClock(), issuer: issuertest.New(t)}
	sc := scimClient()
	sc.Spec.JWT = &v1alpha1.JWTLogin{Issuer: c.issuer.Name(), Audiences: []string{entraAudience, "api://scim"}, CA: &v1alpha1.SecretKeyRef{Name: "ca", Key: "ca.crt"}}
	if change != nil {
		change(sc.Spec.JWT)
	}
	c.reader = &objects{client: sc, secrets: []corev1.Secret{secret("ca", map[string]string{"ca.crt": string(c.issuer.CA())})}}
	c.issuers = NewIssuers(c.clock.Now, egress.New(egress.Loopback(), nil))
	return c
}

func (c *jwtClient) verify(token string) error {
	c.t.Helper()
	source := &Source{Reader: c.reader, Issuers: c.issuers, Now: c.clock.Now}
	config, err := source.Client(c.t.Context(), "team", "okta")
	if err != nil {
		c.t.Fatal(err)
	}
	return config.JWT.Verify(c.t.Context(), token)
}

// claims are those of a token that is good now, with changes; nil takes a claim out.
func (c *jwtClient) claims(changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": c.issuer.Name(), "aud": entraAudience, "exp": c.clock.Now().Add(time.Hour).Unix(), "nbf": c.clock.Now().Unix(), "iat": c.clock.Now().Unix(), "sub": "provisioning",
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func (c *jwtClient) wantRefused(token, reason string) {
	c.t.Helper()
	err := c.verify(token)
	var refused *TokenError
	if !errors.As(err, &refused) || refused.Reason != reason {
		c.t.Errorf("got %v, want it refused for %s", err, reason)
	}
}

func (c *jwtClient) wantAway(token, reason string) IssuerError {
	c.t.Helper()
	err := c.verify(token)
	var away *IssuerError
	if !errors.As(err, &away) || away.Reason != reason {
		c.t.Fatalf("got %v, want the issuer to be away for %s", err, reason)
	}
	return *away
}

func (c *jwtClient) wantAccepted(token string) {
	c.t.Helper()
	if err := c.verify(token); err != nil {
		c.t.Errorf("refused: %v", err)
	}
}

// TestEntraTokens has the claims of both versions of Entra's tokens, and of the OAuth client credentials that a customer registers.
func TestEntraTokens(t *testing.T) {
	c := newJWTClient(t, func(spec *v1alpha1.JWTLogin) {
		spec.RequiredClaims = []v1alpha1.RequiredClaim{{Name: "tid", Values: []string{"11111111-2222-3333-4444-555555555555"}}}
	})
	const tenant, app = "11111111-2222-3333-4444-555555555555", "00000014-0000-0000-c000-000000000000"
	for name, claims := range map[string]map[string]any{
		"version 1": {"ver": "1.0", "tid": tenant, "appid": app, "appidacr": "2", "idp": c.issuer.Name(), "oid": "66666666-7777-8888-9999-000000000000"},
		"version 2": {"ver": "2.0", "tid": tenant, "azp": app, "azpacr": "1"},
		"client credentials with a list of audiences": {"tid": tenant, "aud": []string{"other", "api://scim"}, "roles": []string{"Scim.ReadWrite"}, "nbf": nil},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.verify(c.issuer.Sign(c.claims(claims))); err != nil {
				t.Error(err)
			}
		})
	}
	c.wantRefused(c.issuer.Sign(c.claims(map[string]any{"tid": "another"})), JWTClaims)
}

func TestJWTIsRefusedFor(t *testing.T) {
	c := newJWTClient(t, func(spec *v1alpha1.JWTLogin) {
		spec.RequiredClaims = []v1alpha1.RequiredClaim{{Name: "roles", Values: []string{"Scim.ReadWrite", "Scim.Admin"}}, {Name: "level", Values: []string{"2"}}, {Name: "app", Values: []string{"true"}}}
	})
	good := map[string]any{"roles": []any{"Mail.Read", "Scim.Admin"}, "level": 2, "app": true}
	with := func(changes map[string]any) map[string]any {
		all := maps.Clone(good)
		maps.Copy(all, changes)
		return c.claims(all)
	}
	now := c.clock.Now()
	for name, tc := range map[string]struct {
		claims map[string]any
		reason string
	}{
		"nothing": {good, ""}, "another issuer": {map[string]any{"iss": "https://elsewhere.example.com/"}, JWTIssuer},
		"the issuer without its slash": {map[string]any{"iss": strings.TrimSuffix(c.issuer.Name(), "/")}, JWTIssuer},
		"no issuer":                    {map[string]any{"iss": nil}, JWTIssuer},
		"another audience":             {map[string]any{"aud": "api://other"}, JWTAudience},
		"no audience":                  {map[string]any{"aud": nil}, JWTAudience},
		"an audience within a list":    {map[string]any{"aud": []any{[]any{entraAudience}}}, JWTAudience},
		"expired":                      {map[string]any{"exp": now.Add(-2 * time.Minute).Unix()}, JWTExpired},
		"expired within the leeway":    {map[string]any{"exp": now.Add(-30 * time.Second).Unix()}, ""},
		"no expiry":                    {map[string]any{"exp": nil}, JWTMalformed},
		"an expiry that is no number":  {map[string]any{"exp": "tomorrow"}, JWTMalformed},
		"an expiry out of bounds":      {map[string]any{"exp": 1e300}, JWTMalformed},
		"not yet valid":                {map[string]any{"nbf": now.Add(2 * time.Minute).Unix()}, JWTNotYetValid},
		"valid within the leeway":      {map[string]any{"nbf": now.Add(30 * time.Second).Unix()}, ""},
		"a claim of another value":     {map[string]any{"roles": []any{"Mail.Read"}}, JWTClaims},
		"a claim that is text":         {map[string]any{"roles": "Scim.ReadWrite"}, ""},
		"a part of a value":            {map[string]any{"roles": "Scim"}, JWTClaims},
		"no claim":                     {map[string]any{"roles": nil}, JWTClaims},
		"a claim of another number":    {map[string]any{"level": 22}, JWTClaims},
		"a claim that is false":        {map[string]any{"app": false}, JWTClaims},
		"a claim that is an object":    {map[string]any{"app": map[string]any{"true": true}}, JWTClaims},
	} {
		t.Run(name, func(t *testing.T) {
			c := *c
			c.t = t
			token := c.issuer.Sign(with(tc.claims))
			if tc.reason == "" {
				c.wantAccepted(token)
				return
			}
			c.wantRefused(token, tc.reason)
		})
	}
}

func TestJWTAlgorithms(t *testing.T) {
	c := newJWTClient(t, nil)
	rsaKey, ecKey := issuertest.RSAKey(t, "rsa"), issuertest.ECKey(t, "ec")
	c.issuer.Publish(rsaKey, ecKey)
	for _, algorithm := range []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512} {
		key := rsaKey
		key.Algorithm = algorithm
		c.wantAccepted(issuertest.Sign(t, key, c.claims(nil)))
	}
	c.wantAccepted(issuertest.Sign(t, ecKey, c.claims(nil)))
	unnamed := ecKey
	unnamed.ID = ""
	c.wantAccepted(issuertest.Sign(t, unnamed, c.claims(nil)))

	good := strings.Split(issuertest.Sign(t, rsaKey, c.claims(nil)), ".")
	header := func(json string) string { return base64.RawURLEncoding.EncodeToString([]byte(json)) }
	for name, token := range map[string]string{
		"none":                        header(`{"alg":"none","kid":"rsa"}`) + "." + good[1] + ".",
		"none with a signature":       header(`{"alg":"none","kid":"rsa"}`) + "." + good[1] + "." + good[2],
		"HS256 with the public key":   hmacWithPublicKey(t, rsaKey, good[1]),
		"EdDSA":                       header(`{"alg":"EdDSA","kid":"rsa"}`) + "." + good[1] + "." + good[2],
		"a critical header":           header(`{"alg":"RS256","kid":"rsa","crit":["x"],"x":1}`) + "." + good[1] + "." + good[2],
		"no JSON":                     header(`{"alg":`) + "." + good[1] + "." + good[2],
		"an encrypted token's header": header(`{"alg":"RSA-OAEP","enc":"A256GCM"}`) + "." + good[1] + "." + good[2],
		"three dots":                  strings.Join(good, ".") + ".x",
	} {
		if err := c.verify(token); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	// A key in the token's own header is nobody's.
	own := issuertest.RSAKey(t, "own")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: own.Private}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := base64.RawURLEncoding.DecodeString(good[1])
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, _ := signed.CompactSerialize()
	c.wantRefused(token, JWTSignature)
}

func hmacWithPublicKey(t *testing.T, key issuertest.Key, payload string) string {
	t.Helper()
	public, err := jose.JSONWebKey{Key: key.Private.Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: public}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(payload)
	signed, err := signer.Sign(raw)
	if err != nil {
		t.Fatal(err)
	}
	token, _ := signed.CompactSerialize()
	return token
}

func TestIssuerThatRotatesItsKeysIsFollowed(t *testing.T) {
	c := newJWTClient(t, nil)
	old := c.issuer.Sign(c.claims(nil))
	c.wantAccepted(old)
	c.issuer.Rotate(issuertest.ECKey(t, "second"))
	c.clock.Advance(refreshInterval)
	c.wantAccepted(c.issuer.Sign(c.claims(nil)))
	c.wantRefused(old, JWTSignature)
	if n := c.issuer.Fetches(); n != 2 {
		t.Errorf("%d fetches of the keys, want 2", n)
	}
}

func TestGarbageDoesNotHammerTheIssuer(t *testing.T) {
	c := newJWTClient(t, nil)
	c.wantAccepted(c.issuer.Sign(c.claims(nil)))
	stranger := issuertest.ECKey(t, "made-up")
	unnamed := stranger
	unnamed.ID = ""
	known := stranger
	known.ID = "first"
	for range 100 {
		for _, key := range []issuertest.Key{stranger, unnamed, known} {
			c.wantRefused(issuertest.Sign(t, key, c.claims(nil)), JWTSignature)
		}
		c.clock.Advance(100 * time.Millisecond)
	}
	// 10 s have passed: one fetch at first, one more for all the garbage.
	if n := c.issuer.Fetches(); n > 2 {
		t.Errorf("%d fetches of the keys", n)
	}
	before := c.issuer.Requests()
	c.clock.Advance(refreshInterval)
	c.wantRefused(issuertest.Sign(t, stranger, c.claims(map[string]any{"aud": "another"})), JWTAudience)
	c.wantRefused(issuertest.Sign(t, stranger, c.claims(map[string]any{"iss": "another"})), JWTIssuer)
	if n := c.issuer.Requests(); n != before {
		t.Errorf("a token for somebody else caused %d requests to the issuer", n-before)
	}
}

func TestIssuerThatIsDown(t *testing.T) {
	c := newJWTClient(t, nil)
	token := c.issuer.Sign(c.claims(map[string]any{"exp": c.clock.Now().Add(48 * time.Hour).Unix()}))
	c.issuer.Down(true)
	away := c.wantAway(token, v1alpha1.ReasonIssuerUnreachable)
	if away.RetryAfter < time.Second || away.RetryAfter > retryMost {
		t.Errorf("RetryAfter %s", away.RetryAfter)
	}
	// Nothing is asked before the time has come, and then more and more rarely.
	before := c.issuer.Requests()
	for range 600 {
		c.wantAway(token, v1alpha1.ReasonIssuerUnreachable)
		c.clock.Advance(time.Second)
	}
	if n := c.issuer.Requests() - before; n < 4 || n > 8 {
		t.Errorf("%d requests in 10 minutes to an issuer that is down", n)
	}
	c.issuer.Down(false)
	c.clock.Advance(retryMost)
	c.wantAccepted(token)

	// Keys that are there serve on without it, for a day.
	c.issuer.Down(true)
	c.clock.Advance(keysFresh + time.Second)
	c.wantAccepted(token)
	c.clock.Advance(keysUsable - keysFresh - time.Minute)
	c.wantAccepted(token)
	c.clock.Advance(2 * time.Minute)
	c.wantAway(token, v1alpha1.ReasonIssuerUnreachable)
}

// A token of an unknown key may be of a new one: nothing can be said while the issuer is down.
func TestUnknownKeyWhileTheIssuerIsDownIsNoRefusal(t *testing.T) {
	c := newJWTClient(t, nil)
	c.wantAccepted(c.issuer.Sign(c.claims(nil)))
	c.issuer.Rotate(issuertest.ECKey(t, "second"))
	c.issuer.Down(true)
	c.clock.Advance(refreshInterval)
	token := c.issuer.Sign(c.claims(nil))
	c.wantAway(token, v1alpha1.ReasonIssuerUnreachable)
	c.issuer.Down(false)
	c.clock.Advance(retryFirst)
	c.wantAccepted(token)
}

func TestIssuerThatServesWrongKeys(t *testing.T) {
	c := newJWTClient(t, nil)
	signing := issuertest.RSAKey(t, "same-name")
	c.issuer.Rotate(signing)
	c.issuer.Publish(issuertest.RSAKey(t, "same-name"))
	token := c.issuer.Sign(c.claims(nil))
	c.wantRefused(token, JWTSignature)
	c.issuer.Publish(signing)
	c.clock.Advance(refreshInterval)
	c.wantAccepted(token)
}

func TestWithdrawnKeyEnds(t *testing.T) {
	c := newJWTClient(t, nil)
	withdrawn := issuertest.ECKey(t, "withdrawn")
	c.issuer.Rotate(withdrawn)
	token := issuertest.Sign(t, withdrawn, c.claims(map[string]any{"exp": c.clock.Now().Add(48 * time.Hour).Unix()}))
	c.wantAccepted(token)
	c.issuer.Rotate(issuertest.ECKey(t, "next"))
	c.clock.Advance(keysFresh)
	// The refresh is in the background: soon after, the key is gone.
	deadline := time.Now().Add(20 * time.Second)
	for c.verify(token) == nil {
		if time.Now().After(deadline) {
			t.Fatal("the withdrawn key is still good")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestIssuerThatCannotBeUsed(t *testing.T) {
	weak := `{"keys":[{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0","kid":"first","alg":"HS256"},{"kty":"RSA","kid":"first","n":"sXchTQ","e":"AQAB"},{"kty":"new-kind"}]}`
	for name, tc := range map[string]struct {
		spoil  func(*jwtClient)
		spec   func(*v1alpha1.JWTLogin)
		reason string
		say    string
	}{
		"another name in the discovery document": {spoil: func(c *jwtClient) { c.issuer.CallItself("https://elsewhere.example.com/secret") }, reason: v1alpha1.ReasonIssuerInvalid, say: "to the letter"},
		"no keys":                                {spoil: func(c *jwtClient) { c.issuer.Publish() }, reason: v1alpha1.ReasonIssuerInvalid, say: "JSON Web Key Set"},
		"keys of other algorithms":               {spoil: func(c *jwtClient) { c.issuer.Answer(weak) }, reason: v1alpha1.ReasonIssuerInvalid, say: "2048"},
		"no JSON":                                {spoil: func(c *jwtClient) { c.issuer.Answer("<html>secret</html>") }, reason: v1alpha1.ReasonIssuerInvalid, say: "JSON Web Key Set"},
		"too much": {
			spoil:  func(c *jwtClient) { c.issuer.Answer(`{"keys":[],"x":"` + strings.Repeat("x", 2*maxIssuerBody) + `"}`) },
			reason: v1alpha1.ReasonIssuerInvalid, say: "JSON Web Key Set",
		},
		"no discovery":                  {spec: func(s *v1alpha1.JWTLogin) { s.Issuer += "elsewhere" }, reason: v1alpha1.ReasonIssuerUnreachable, say: "spec.jwt.jwksURL"},
		"a certificate of somebody":     {spec: func(s *v1alpha1.JWTLogin) { s.CA = nil }, reason: v1alpha1.ReasonIssuerUnreachable, say: "spec.jwt.ca"},
		"no CA":                         {spec: func(s *v1alpha1.JWTLogin) { s.CA.Name = "none" }, reason: v1alpha1.ReasonSecretNotFound, say: `"none"`},
		"a CA without key":              {spec: func(s *v1alpha1.JWTLogin) { s.CA.Key = "none" }, reason: v1alpha1.ReasonSecretKeyMissing, say: `"none"`},
		"a keys' URL that is not there": {spec: func(s *v1alpha1.JWTLogin) { s.JWKSURL = strings.TrimSuffix(s.Issuer, "/") + "/nothing" }, reason: v1alpha1.ReasonIssuerUnreachable, say: "404"},
		"nobody there":                  {spec: func(s *v1alpha1.JWTLogin) { s.JWKSURL = "https://127.0.0.1:1/keys" }, reason: v1alpha1.ReasonIssuerUnreachable, say: "no connection"},
		"an address that is not reached": {
			spec: func(s *v1alpha1.JWTLogin) { s.JWKSURL = "https://169.254.169.254/latest/meta-data" }, reason: v1alpha1.ReasonIssuerInvalid, say: "link-local",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newJWTClient(t, tc.spec)
			if tc.spoil != nil {
				tc.spoil(c)
			}
			claims := c.claims(map[string]any{"iss": c.reader.client.Spec.JWT.Issuer})
			away := c.wantAway(c.issuer.Sign(claims), tc.reason)
			if !strings.Contains(away.Message, tc.say) || strings.Contains(away.Message, "secret") {
				t.Errorf("the message is %q, want it to say %q", away.Message, tc.say)
			}
			report, err := c.issuers.Check(t.Context(), c.reader, c.reader.client)
			if err != nil || report.Problem == nil || report.Problem.Reason != tc.reason || report.Usable || report.Next <= 0 {
				t.Errorf("report %+v, error %v", report, err)
			}
		})
	}
}

func TestKeysURLMakesDiscoveryUnnecessary(t *testing.T) {
	c := newJWTClient(t, nil)
	c.reader.client.Spec.JWT.Issuer, c.reader.client.Spec.JWT.JWKSURL = "https://issuer.example.com", c.issuer.JWKSURL()
	c.wantAccepted(c.issuer.Sign(c.claims(map[string]any{"iss": "https://issuer.example.com"})))
	if c.issuer.Requests() != c.issuer.Fetches() {
		t.Error("the discovery document was asked for")
	}
}

func TestManyTokensAtOnceFetchTheKeysOnce(t *testing.T) {
	c := newJWTClient(t, nil)
	token := c.issuer.Sign(c.claims(nil))
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if err := c.verify(token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := c.issuer.Fetches(); n != 1 {
		t.Errorf("%d fetches of the keys", n)
	}
}

func TestCheckTellsOfAnIssuerThatIsWell(t *testing.T) {
	c := newJWTClient(t, nil)
	for range 3 {
		report, err := c.issuers.Check(t.Context(), c.reader, c.reader.client)
		if err != nil || report.Problem != nil || !report.Usable {
			t.Errorf("report %+v, error %v", report, err)
		}
	}
	if n := c.issuer.Fetches(); n != 1 {
		t.Errorf("%d fetches of the keys", n)
	}
	c.issuer.Down(true)
	c.clock.Advance(checkInterval)
	report, err := c.issuers.Check(t.Context(), c.reader, c.reader.client)
	if err != nil || report.Problem == nil || report.Problem.Reason != v1alpha1.ReasonIssuerUnreachable || !report.Usable {
		t.Errorf("report %+v, error %v", report, err)
	}
	c.reader.client.Spec.JWT = nil
	if report, err := c.issuers.Check(t.Context(), c.reader, c.reader.client); report != nil || err != nil || len(c.issuers.known) != 0 {
		t.Errorf("without spec.jwt: report %+v, error %v, %d issuers kept", report, err, len(c.issuers.known))
	}
}
