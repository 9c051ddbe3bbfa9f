// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients/issuertest"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
)

func TestSpecThatIsNeverValidIsRejected(t *testing.T) {
	env := cptest.New(t)
	namespace := env.Namespace(t)
	c, err := client.New(env.Config, client.Options{Scheme: clientgoscheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	const jwt = "jwt: {issuer: 'https://sts.windows.net/t/', audiences: [a]"
	for name, tc := range map[string]struct{ spec, refused string }{
		"a token":                       {"tokens: [{name: a}]", ""},
		"a generated token":             {"generateToken: {}", ""},
		"a JWT":                         {jwt + "}", ""},
		"all of them":                   {"tokens: [{name: a}]\n  generateToken: {secretName: b, expiresAfter: 2160h, overlap: 0s}\n  " + jwt + ", requiredClaims: [{name: appid, values: [x]}]}", ""},
		"no way to log in":              {"suspend: true", "no way to log in"},
		"an empty list of tokens":       {"tokens: []", "no way to log in"},
		"an expiry of a minute":         {"generateToken: {expiresAfter: 1m}", "10m at least"},
		"an expiry that is no duration": {"generateToken: {expiresAfter: 30d}", "expiresAfter"},
		"an overlap below zero":         {"generateToken: {overlap: -1s}", "between 0s"},
		"an overlap above the expiry":   {"generateToken: {overlap: 2h, expiresAfter: 1h}", "overlap is longer"},
		"an issuer without TLS":         {"jwt: {issuer: 'http://sts.windows.net/t/', audiences: [a]}", "issuer"},
		"an issuer with a query":        {"jwt: {issuer: 'https://sts.windows.net/t/?a=b', audiences: [a]}", "issuer"},
		"no audience":                   {"jwt: {issuer: 'https://sts.windows.net/t/', audiences: []}", "audiences"},
		"keys without TLS":              {jwt + ", jwksURL: 'http://sts.windows.net/keys'}", "jwksURL"},
		"a claim without values":        {jwt + ", requiredClaims: [{name: appid, values: []}]}", "values"},
		"no resources":                  {"tokens: [{name: a}]\n  resources: []", "resources"},
		"another resource":              {"tokens: [{name: a}]\n  resources: [Roles]", "resources"},
		"another access":                {"tokens: [{name: a}]\n  access: Write", "access"},
		"a rate of nothing":             {"tokens: [{name: a}]\n  rateLimit: {requestsPerSecond: 0}", "requestsPerSecond"},
		"everything else":               {"tokens: [{name: a}]\n  access: ReadOnly\n  resources: [Groups]\n  rateLimit: {requestsPerSecond: 25, burst: 50}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := &unstructured.Unstructured{}
			text := "apiVersion: scim-operator.io/v1alpha1\nkind: ScimClient\nmetadata: {generateName: c-}\nspec:\n  dialect: entra\n  " + tc.spec
			if err := yaml.UnmarshalStrict([]byte(text), &o.Object); err != nil {
				t.Fatal(err)
			}
			o.SetNamespace(namespace)
			err := c.Create(t.Context(), o)
			if tc.refused == "" && err != nil {
				t.Error(err)
			}
			if tc.refused != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), tc.refused)) {
				t.Errorf("got %v, want it refused for %q", err, tc.refused)
			}
		})
	}
}

// TestIssuerIsLookedAfter follows the condition IssuerReachable, and Ready, through the ups and downs of an issuer.
func TestIssuerIsLookedAfter(t *testing.T) {
	issuer := issuertest.New(t)
	issuer.Down(true)
	namespace := cptest.New(t).Namespace(t)
	now := clocktesting.NewFakePassiveClock(time.Now())
	c, _ := run(t, namespace, now, nil)
	ca := newSecret(namespace, "issuer-ca", true, string(issuer.CA()))
	sc := newScimClient(namespace, "entra")
	sc.Spec.JWT = &v1alpha1.JWTLogin{Issuer: issuer.Name(), Audiences: []string{"a"}, CA: &v1alpha1.SecretKeyRef{Name: "issuer-ca"}}
	create(t, c, sc)
	awaitReady(t, c, sc, v1alpha1.ReasonSecretNotFound)
	create(t, c, ca)
	awaitReady(t, c, sc, v1alpha1.ReasonIssuerUnreachable)
	w := &world{t: t, admin: c, namespace: namespace, sc: sc}
	if cond := w.condition(v1alpha1.ConditionIssuerReachable); cond == nil || cond.Status != metav1.ConditionFalse || !strings.Contains(cond.Message, "discovery document") || !strings.Contains(cond.Message, "503") {
		t.Errorf("IssuerReachable %+v", cond)
	}
	issuer.Down(false)
	// The next look is due 15 s after the first one.
	now.SetTime(now.Now().Add(15 * time.Second))
	w.annotate(v1alpha1.AnnotationReconcile, "1")
	await(t, "the issuer is found again", func() bool { return w.condition(v1alpha1.ConditionIssuerReachable).Status == metav1.ConditionTrue })
	awaitReady(t, c, sc, v1alpha1.ReasonSucceeded)
	sc.Spec.JWT, sc.Spec.GenerateToken = nil, &v1alpha1.GenerateToken{}
	if err := c.Update(t.Context(), sc); err != nil {
		t.Fatal(err)
	}
	await(t, "IssuerReachable is gone", func() bool { return w.condition(v1alpha1.ConditionIssuerReachable) == nil })
}
