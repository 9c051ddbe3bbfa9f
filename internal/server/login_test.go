// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/clients/issuertest"
	"github.com/scim-operator/scim-operator/internal/egress"
	"github.com/scim-operator/scim-operator/internal/server"
)

// change changes the ScimClient and waits until the cache has it.
func (e *endpoint) change(f func(*v1alpha1.ScimClient)) {
	e.t.Helper()
	sc := &v1alpha1.ScimClient{}
	key := client.ObjectKey{Namespace: e.namespace, Name: "idp"}
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := e.admin.Get(e.t.Context(), key, sc); err != nil {
			return err
		}
		f(sc)
		return e.admin.Update(e.t.Context(), sc)
	})
	if err != nil {
		e.t.Fatal(err)
	}
	eventually(e.t, "the cache has the change", func() bool {
		cached := &v1alpha1.ScimClient{}
		return e.informers.Get(e.t.Context(), key, cached) == nil && cached.Generation >= sc.Generation
	})
}

func (e *endpoint) with(token string) *answer {
	e.t.Helper()
	return e.send("GET", e.base+"/Users", "", "Authorization", "Bearer "+token)
}

// startJWT runs the endpoint for a client that has no tokens but those of the issuer.
func startJWT(t *testing.T, issuer *issuertest.Issuer) *endpoint {
	t.Helper()
	issuers := clients.NewIssuers(time.Now, egress.New(egress.Loopback(), nil))
	reader := sharedBackend(t).informers
	e := start(t, "entra", func(o *server.Options) { o.Clients = &clients.Source{Reader: reader, Issuers: issuers} })
	e.create(&corev1.Secret{ObjectMeta: objectMeta(e.namespace, "issuer-ca"), Data: map[string][]byte{"token": issuer.CA()}})
	eventually(t, "the cache has the CA", func() bool {
		return e.informers.Get(t.Context(), client.ObjectKey{Namespace: e.namespace, Name: "issuer-ca"}, &corev1.Secret{}) == nil
	})
	e.change(func(sc *v1alpha1.ScimClient) {
		sc.Spec.Tokens = nil
		sc.Spec.JWT = &v1alpha1.JWTLogin{
			Issuer: issuer.Name(), Audiences: []string{"8adf8e6e-67b2-4cf2-a259-e3dc5476c621"}, CA: &v1alpha1.SecretKeyRef{Name: "issuer-ca"},
		}
	})
	return e
}

func jwtClaims(issuer *issuertest.Issuer, aud string) map[string]any {
	return map[string]any{"iss": issuer.Name(), "aud": aud, "exp": time.Now().Add(time.Hour).Unix(), "nbf": time.Now().Unix()}
}

const audience = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"

func TestJWTLogsIn(t *testing.T) {
	issuer := issuertest.New(t)
	e := startJWT(t, issuer)
	good := issuer.Sign(jwtClaims(issuer, audience))
	e.with(good).want(200)
	e.send("GET", e.base+"/Users", "", "Authorization", good).want(200)
	stranger := e.send("GET", e.origin+"/"+e.namespace+"/nobody/scim/v2/Users", "", "Authorization", "Bearer "+good)
	stranger.refused(401, "", "token")
	made := issuertest.Sign(t, issuertest.ECKey(t, "first"), jwtClaims(issuer, audience))
	for reason, token := range map[string]string{
		"jwt_signature": made,
		"jwt_audience":  issuer.Sign(jwtClaims(issuer, "another")),
		"jwt_expired":   issuer.Sign(map[string]any{"iss": issuer.Name(), "aud": audience, "exp": 1}),
		"jwt_malformed": "eyJhbGciOiJub25lIn0.e30.",
		"wrong_token":   testToken,
	} {
		if a := e.with(token); a.status != 401 || a.raw != stranger.raw {
			t.Errorf("%s: answered %d, otherwise than where there is no such client: %s", reason, a.status, a.raw)
		}
		if !strings.Contains(e.logs.String(), strconv.Quote(reason)) {
			t.Errorf("the log does not say %s", reason)
		}
		for _, part := range strings.Split(token, ".") {
			if len(part) > 8 && strings.Contains(e.logs.String(), part) {
				t.Errorf("the log has a part of the token: %s", part)
			}
		}
	}
	e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.Suspend = true })
	e.with(good).refused(403, "", "suspended")
	e.with(made).refused(401, "")
}

func TestJWTOfAnIssuerThatIsDownIsToComeBack(t *testing.T) {
	issuer := issuertest.New(t)
	issuer.Down(true)
	e := startJWT(t, issuer)
	good := issuer.Sign(jwtClaims(issuer, audience))
	a := e.with(good)
	a.refused(503, "", "may be sent again")
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 15 {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	if !strings.Contains(e.logs.String(), "discovery document") {
		t.Errorf("the log does not tell the cause: %s", e.logs.String())
	}
	// What is wrong by its own words is refused all the same, and costs the issuer nothing.
	before := issuer.Requests()
	e.with(issuer.Sign(jwtClaims(issuer, "another"))).want(401)
	e.with(testToken).want(401)
	if issuer.Requests() != before {
		t.Error("the issuer was asked")
	}
	// A static token needs no issuer.
	e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.Tokens = []v1alpha1.SecretKeyRef{{Name: "idp-token"}} })
	e.with(testToken).want(200)
}

// replica is a second endpoint on a cache of its own, as another pod has it.
func (e *endpoint) replica() *endpoint {
	e.t.Helper()
	b, err := newBackend(e.t.Context(), e.env)
	if err != nil {
		e.t.Fatal(err)
	}
	other := *e
	other.backend = b
	handler, err := server.New(server.Options{Directory: directoryOf(b), Clients: b.source, Log: logrTo(e.logs), Metrics: newRegistry()})
	if err != nil {
		e.t.Fatal(err)
	}
	other.serve(handler)
	other.base = other.origin + "/" + e.namespace + "/idp/scim/v2"
	return &other
}

func TestRemovedSecretEndsItsTokenOnEveryReplica(t *testing.T) {
	e := start(t, "okta")
	const next = "okta-token-9876543210"
	e.create(&corev1.Secret{ObjectMeta: objectMeta(e.namespace, "next"), StringData: map[string]string{"token": next}})
	e.change(func(sc *v1alpha1.ScimClient) {
		sc.Spec.Tokens = append(sc.Spec.Tokens, v1alpha1.SecretKeyRef{Name: "next"})
	})
	replicas := []*endpoint{e, e.replica()}
	for _, r := range replicas {
		eventually(t, "both tokens work", func() bool { return r.with(next).status == 200 && r.with(testToken).status == 200 })
	}
	if err := e.admin.Delete(t.Context(), &corev1.Secret{ObjectMeta: objectMeta(e.namespace, "idp-token")}); err != nil {
		t.Fatal(err)
	}
	for _, r := range replicas {
		// As soon as the watch tells; nothing is kept for later.
		eventually(t, "the former token is refused", func() bool { return r.with(testToken).status != 200 })
		r.with(next).want(200)
	}
}

func TestGeneratedTokenAndItsFormerOneLogIn(t *testing.T) {
	e := start(t, "okta")
	g := &clients.Generated{}
	g.Rotate("the-former-token-0123456789", "", time.Now().Add(-time.Minute))
	g.Rotate("the-current-token-0123456789", "a", time.Now())
	secret := &corev1.Secret{ObjectMeta: objectMeta(e.namespace, "idp-generated")}
	if err := g.Write(secret, &v1alpha1.ScimClient{ObjectMeta: objectMeta(e.namespace, "idp")}); err != nil {
		t.Fatal(err)
	}
	e.create(secret)
	e.change(func(sc *v1alpha1.ScimClient) {
		sc.Spec.Tokens = nil
		sc.Spec.GenerateToken = &v1alpha1.GenerateToken{SecretName: "idp-generated"}
	})
	eventually(t, "the generated token works", func() bool { return e.with("the-current-token-0123456789").status == 200 })
	e.with("the-former-token-0123456789").want(200)
	e.with(testToken).want(401)
	// Without the controller's help, the overlap ends by the clock.
	g.Former[0].Replaced = time.Now().Add(-25 * time.Hour)
	if err := g.Write(secret, &v1alpha1.ScimClient{ObjectMeta: objectMeta(e.namespace, "idp")}); err != nil {
		t.Fatal(err)
	}
	if err := e.admin.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the former token is refused", func() bool { return e.with("the-former-token-0123456789").status == 401 })
	if !strings.Contains(e.logs.String(), `"expired_token"`) {
		t.Error("the log does not say that the token has expired")
	}
	e.with("the-current-token-0123456789").want(200)
}

func TestRateLimitOfAClient(t *testing.T) {
	now := newClock()
	e := start(t, "okta", func(o *server.Options) { o.Clock = now.Now })
	e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.RateLimit = &v1alpha1.RateLimit{RequestsPerSecond: 2, Burst: 5} })
	for range 5 {
		e.do("GET", "/Users", "").want(200)
	}
	a := e.do("GET", "/Users", "")
	a.refused(429, "", "spec.rateLimit", "1 seconds")
	if got := a.header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %q", got)
	}
	now.Advance(time.Second)
	for range 2 {
		e.do("GET", "/Users", "").want(200)
	}
	e.do("POST", "/Users", fill(oktaNewUser, "userName", "kim@corp.test", "givenName", "Kim", "familyName", "Lee")).refused(429, "")
	// Another client has a limit of its own; without one there is none.
	e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.RateLimit = nil })
	for range 10 {
		e.do("GET", "/Users", "").want(200)
	}
	e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.RateLimit = &v1alpha1.RateLimit{RequestsPerSecond: 3} })
	for range 3 {
		e.do("GET", "/Users", "").want(200)
	}
	e.do("GET", "/Users", "").want(429)
	if got := fmt.Sprint(e.logs.String()); !strings.Contains(got, `"status"=429`) {
		t.Error("the log has no line of the refused requests")
	}
}
