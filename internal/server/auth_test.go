// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

func TestWithoutAValidTokenNothingIsTold(t *testing.T) {
	e := start(t, "okta")
	wrong := e.send("GET", e.base+"/Users", "", "Authorization", "Bearer wrong-token-012345678")
	wrong.refused(401, "", "base URL", "token")
	if got := wrong.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
		t.Errorf("WWW-Authenticate %q", got)
	}
	for _, path := range []string{
		"/" + e.namespace + "/another/scim/v2/Users", "/no-such-namespace/idp/scim/v2/Users", "/UPPER/idp/scim/v2/Users", "/kube-system/..%2Fidp/scim/v2/Users",
	} {
		a := e.send("GET", e.origin+path, "", "Authorization", "Bearer "+testToken)
		if a.status != wrong.status || a.raw != wrong.raw || a.header.Get("WWW-Authenticate") != wrong.header.Get("WWW-Authenticate") {
			t.Errorf("%s is answered differently: %d %s", path, a.status, a.raw)
		}
	}
	e.send("GET", e.base+"/Users", "").refused(401, "", "Authorization: Bearer")
	e.send("GET", e.base+"/Users", "", "Authorization", "Basic aWRwOm9rdGEtdG9rZW4tMDEyMzQ1Njc4OQ==").refused(401, "", "Bearer")
	e.send("GET", e.base+"/Nothing", "").refused(401, "")
	e.send("POST", e.base+"/Users", "{", "Content-Type", "text/plain").refused(401, "")
	e.send("GET", e.origin+"/", "").refused(404, "", "base URL")
}

func TestFailedLogInsAreSlowedAndOthersAreNot(t *testing.T) {
	e := start(t, "okta")
	var slowed *answer
	for range 20 {
		if a := e.send("GET", e.base+"/Users", "", "Authorization", "Bearer wrong-token-012345678"); a.status != 401 {
			slowed = a
			break
		}
	}
	if slowed == nil {
		t.Fatal("20 wrong tokens in a row got 401 each")
	}
	slowed.refused(429, "", "wait")
	if seconds, err := strconv.Atoi(slowed.header.Get("Retry-After")); err != nil || seconds < 1 {
		t.Errorf("Retry-After %q is no number of seconds", slowed.header.Get("Retry-After"))
	}
	// The identity provider may come from the same address.
	e.do("GET", "/Users", "").want(200)
}

func TestSuspendedClientIsTold(t *testing.T) {
	e := start(t, "okta")
	sc := &v1alpha1.ScimClient{}
	if err := e.admin.Get(t.Context(), client.ObjectKey{Namespace: e.namespace, Name: "idp"}, sc); err != nil {
		t.Fatal(err)
	}
	sc.Spec.Suspend = true
	if err := e.admin.Update(t.Context(), sc); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client is suspended", func() bool { return e.do("GET", "/Users", "").status == 403 })
	e.writesNothing("a POST of a suspended client", func() {
		e.do("POST", "/Users", fill(oktaNewUser, "userName", "kim@corp.test", "givenName", "Kim", "familyName", "Lee")).refused(403, "", "suspended")
	})
	e.send("GET", e.base+"/Users", "", "Authorization", "Bearer wrong-token-012345678").refused(401, "")
}

func TestTokenIsRotatedByChangingTheSecret(t *testing.T) {
	e := start(t, "okta")
	secret := &corev1.Secret{}
	if err := e.admin.Get(t.Context(), client.ObjectKey{Namespace: e.namespace, Name: "idp-token"}, secret); err != nil {
		t.Fatal(err)
	}
	const next = "okta-token-9876543210"
	secret.Data["token"] = []byte(next)
	if err := e.admin.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new token works", func() bool { return e.send("GET", e.base+"/Users", "", "Authorization", "Bearer "+next).status == 200 })
	e.do("GET", "/Users", "").refused(401, "")
}

func TestTwoTokensWorkDuringRotation(t *testing.T) {
	e := start(t, "okta")
	sc := &v1alpha1.ScimClient{}
	if err := e.admin.Get(t.Context(), client.ObjectKey{Namespace: e.namespace, Name: "idp"}, sc); err != nil {
		t.Fatal(err)
	}
	const next = "okta-token-9876543210"
	e.create(&corev1.Secret{ObjectMeta: objectMeta(e.namespace, "next"), StringData: map[string]string{"bearer": next}})
	sc.Spec.Tokens = append(sc.Spec.Tokens, v1alpha1.SecretKeyRef{Name: "next", Key: "bearer"})
	if err := e.admin.Update(t.Context(), sc); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new token works", func() bool { return e.send("GET", e.base+"/Users", "", "Authorization", "Bearer "+next).status == 200 })
	e.do("GET", "/Users", "").want(200)
}

func TestSecretWithoutTheLabelDoesNotLogIn(t *testing.T) {
	e := start(t, "okta")
	secret := &corev1.Secret{}
	if err := e.admin.Get(t.Context(), client.ObjectKey{Namespace: e.namespace, Name: "idp-token"}, secret); err != nil {
		t.Fatal(err)
	}
	secret.Labels = nil
	if err := e.admin.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the token is refused", func() bool { return e.do("GET", "/Users", "").status == 401 })
}
