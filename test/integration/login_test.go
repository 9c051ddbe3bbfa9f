// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients/issuertest"
	"github.com/scim-operator/scim-operator/test/harness"
)

// token reads the generated token as a person does.
func token(t *testing.T, d *harness.Directory, secret string) (string, error) {
	t.Helper()
	s := &corev1.Secret{}
	err := d.Admin.Get(t.Context(), d.Key(secret), s)
	return string(s.Data["token"]), err
}

// logsIn is the error unless the endpoint takes the token.
func logsIn(t *testing.T, o *harness.Operator, scimClient, token string) error {
	t.Helper()
	if a := o.As(scimClient).With(token).Do(t, "GET", "/Users", ""); a.Status != http.StatusOK {
		return fmt.Errorf("status %d: %s", a.Status, a.Body)
	}
	return nil
}

// TestGeneratedTokenOnTheWholeWay makes a client without a Secret, as a person does who reads the documentation, and rotates its token.
func TestGeneratedTokenOnTheWholeWay(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	d.Create(t, &v1alpha1.ScimClient{
		ObjectMeta: d.Meta("entra"),
		Spec:       v1alpha1.ScimClientSpec{Dialect: "entra", GenerateToken: &v1alpha1.GenerateToken{}},
	})
	o := d.Run(t)
	var first, second string
	harness.Eventually(t, "the generated token logs in", func() (err error) {
		if first, err = token(t, d, "entra-token"); err != nil {
			return err
		}
		return logsIn(t, o, "entra", first)
	})
	harness.Change(t, d, "entra", &v1alpha1.ScimClient{}, func(sc *v1alpha1.ScimClient) {
		sc.Annotations = map[string]string{v1alpha1.AnnotationRotateToken: "now"}
	})
	harness.Eventually(t, "the new token logs in", func() (err error) {
		if second, err = token(t, d, "entra-token"); err != nil || second == first {
			return fmt.Errorf("the same token, or %w", err)
		}
		return logsIn(t, o, "entra", second)
	})
	if err := logsIn(t, o, "entra", first); err != nil {
		t.Errorf("the former token within the overlap: %v", err)
	}
	harness.Change(t, d, "entra", &v1alpha1.ScimClient{}, func(sc *v1alpha1.ScimClient) { sc.Spec.GenerateToken.Overlap = &metav1.Duration{} })
	harness.Eventually(t, "the former token ends with the overlap", func() error {
		if err := logsIn(t, o, "entra", first); err == nil {
			return fmt.Errorf("it still works")
		}
		return nil
	})
	if err := logsIn(t, o, "entra", second); err != nil {
		t.Errorf("the new token after the overlap: %v", err)
	}

	// What the identity provider really sends stands in the status, beside the controller's conditions.
	body := `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "kim@corp.test", "active": "True"}`
	if a := o.As("entra").With(second).Do(t, "POST", "/Users", body); a.Status != http.StatusCreated {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	harness.Eventually(t, "the tolerance stands in the status", func() error {
		sc := &v1alpha1.ScimClient{}
		if err := d.Admin.Get(t.Context(), d.Key("entra"), sc); err != nil {
			return err
		}
		if !slices.Equal(sc.Status.Tolerances, []string{"StringBooleans"}) || !meta.IsStatusConditionTrue(sc.Status.Conditions, v1alpha1.ConditionReady) {
			return fmt.Errorf("status %+v", sc.Status)
		}
		return nil
	})

	d.Delete(t, &v1alpha1.ScimClient{ObjectMeta: d.Meta("entra")})
	harness.Eventually(t, "the Secret goes with the ScimClient", func() error {
		if _, err := token(t, d, "entra-token"); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there, or %w", err)
		}
		return nil
	})
	if err := logsIn(t, o, "entra", second); err == nil {
		t.Error("the token of a client that is gone logs in")
	}
}

// TestJWTOnTheWholeWay has an issuer that comes up only after the operator.
func TestJWTOnTheWholeWay(t *testing.T) {
	t.Parallel()
	issuer := issuertest.New(t)
	issuer.Down(true)
	d := harness.NewDirectory(t)
	d.Secret(t, "issuer-ca", map[string]string{"token": string(issuer.CA())})
	d.Create(t, &v1alpha1.ScimClient{
		ObjectMeta: d.Meta("entra"),
		Spec: v1alpha1.ScimClientSpec{Dialect: "entra", JWT: &v1alpha1.JWTLogin{
			Issuer: issuer.Name(), Audiences: []string{"api://scim"}, CA: &v1alpha1.SecretKeyRef{Name: "issuer-ca"},
			RequiredClaims: []v1alpha1.RequiredClaim{{Name: "appid", Values: []string{"provisioning"}}},
		}},
	})
	o := d.Run(t)
	claims := map[string]any{"iss": issuer.Name(), "aud": "api://scim", "appid": "provisioning", "exp": time.Now().Add(time.Hour).Unix()}
	jwt := issuer.Sign(claims)
	harness.Eventually(t, "the ScimClient says that its issuer is away, and its tokens are answered with 503", func() error {
		sc := &v1alpha1.ScimClient{}
		if err := d.Admin.Get(t.Context(), d.Key("entra"), sc); err != nil {
			return err
		}
		reachable := meta.FindStatusCondition(sc.Status.Conditions, v1alpha1.ConditionIssuerReachable)
		a := o.As("entra").With(jwt).Do(t, "GET", "/Users", "")
		if reachable == nil || reachable.Reason != v1alpha1.ReasonIssuerUnreachable || a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
			return fmt.Errorf("status %d, conditions %+v", a.Status, sc.Status.Conditions)
		}
		return nil
	})
	issuer.Down(false)
	harness.Eventually(t, "the token logs in, and the ScimClient is Ready", func() error {
		sc := &v1alpha1.ScimClient{}
		if err := d.Admin.Get(t.Context(), d.Key("entra"), sc); err != nil {
			return err
		}
		if !meta.IsStatusConditionTrue(sc.Status.Conditions, v1alpha1.ConditionReady) {
			return fmt.Errorf("conditions %+v", sc.Status.Conditions)
		}
		return logsIn(t, o, "entra", jwt)
	})
	claims["appid"] = "another"
	if err := logsIn(t, o, "entra", issuer.Sign(claims)); err == nil {
		t.Error("a token of another application logs in")
	}
}
