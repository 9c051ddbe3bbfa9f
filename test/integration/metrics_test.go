// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestMetricsAreForThoseWhoMayReadThem: the operator asks the API server, as the chart lets it, and the chart's ClusterRole for readers is enough.
func TestMetricsAreForThoseWhoMayReadThem(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	in := harness.InstallWith(t, d.Env, "metrics.authorization=true", d.Namespace)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	startReplica(t, in, d.Admin, func(o *operator.Options) { o.MetricsAddress, o.MetricsAuthorization = address, true })

	// Each its own, for what the API server has said about somebody is remembered for half a minute.
	d.Create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: in.Namespace + "-prometheus"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: in.Namespace + "-" + in.Namespace + "-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: d.Namespace, Name: "prometheus"}},
	})
	tokens := map[string]string{}
	for _, name := range []string{"prometheus", "somebody"} {
		account := &corev1.ServiceAccount{ObjectMeta: d.Meta(name)}
		d.Create(t, account)
		token := &authenticationv1.TokenRequest{}
		if err := d.Admin.SubResource("token").Create(t.Context(), account, token); err != nil {
			t.Fatal(err)
		}
		tokens[name] = token.Status.Token
	}
	// The certificate is one that the metrics' server makes for itself, as scrapers are told.
	insecure := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
	}}
	scrape := func(token string, want int) func() error {
		return func() error {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/metrics", nil)
			if err != nil {
				return err
			}
			if token != "" {
				request.Header.Set("Authorization", "Bearer "+token)
			}
			response, err := insecure.Do(request)
			if err != nil {
				return err
			}
			_ = response.Body.Close()
			if response.StatusCode != want {
				return fmt.Errorf("status %d, want %d", response.StatusCode, want)
			}
			return nil
		}
	}
	harness.Eventually(t, "somebody without a token is refused", scrape("", http.StatusUnauthorized))
	harness.Eventually(t, "somebody without the right is refused", scrape(tokens["somebody"], http.StatusForbidden))
	harness.Eventually(t, "whoever has the chart's ClusterRole reads the metrics", scrape(tokens["prometheus"], http.StatusOK))
}
