// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package providers

import (
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
	"github.com/scim-operator/scim-operator/test/harness"
)

// Every preset that there is can be chosen, and no other.
func TestPresetsAreThoseOfTheAPI(t *testing.T) {
	t.Parallel()
	p := connect(t, "strict")
	for _, name := range scim.DialectNames() {
		client := "client-" + name
		p.Client(t, client, v1alpha1.Dialect(name), nil)
		harness.Eventually(t, "the endpoint knows "+client, func() error {
			if a := p.sendTo(client, "GET /Users?startIndex=1&count=1"); a.status != 200 {
				return fmt.Errorf("status %d: %s", a.status, a.body)
			}
			return nil
		})
		if headersOf[v1alpha1.Dialect(name)] == nil {
			t.Errorf("no traffic of %s is played here", name)
		}
	}
	unknown := &v1alpha1.ScimClient{
		ObjectMeta: p.Meta("nobody"),
		Spec:       v1alpha1.ScimClientSpec{Dialect: "nobody", Tokens: []v1alpha1.SecretKeyRef{{Name: "idp-token"}}},
	}
	if err := p.Admin.Create(t.Context(), unknown); !apierrors.IsInvalid(err) {
		t.Errorf("an unknown dialect: %v", err)
	}
}
