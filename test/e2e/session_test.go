// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/test/e2e/relay"
	"github.com/scim-operator/scim-operator/test/session"
)

// testSession applies config/samples and plays the session of make run, each request over a connection of its own to the Service.
func testSession(t testing.TB, w *world) {
	apps := []session.App{w.app("common-room"), w.app("r-service")}
	w.directory(t, demoNamespace, apps...)
	var told bytes.Buffer
	defer func() { t.Logf("the session:\n%s", &told) }()
	played := &session.World{
		Admin: w.admin, Namespace: demoNamespace, FieldOwner: "e2e", Apps: apps,
		SCIM: session.NewSCIM(origin+"/"+demoNamespace+"/okta/scim/v2", scimToken, w),
		Say:  func(format string, args ...any) { fmt.Fprintf(&told, format+"\n", args...) },
	}
	samples := filepath.Join(w.root, "config", "samples")
	if err := played.ApplySamples(t.Context(), samples); err != nil {
		t.Fatal(err)
	}
	steps, err := session.Read(filepath.Join(samples, "okta-session.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := played.Play(t.Context(), steps); err != nil {
		t.Fatal(err)
	}
}

// testMetrics reads the metrics as nobody, as somebody without the right, and as the ClusterRole lets.
func testMetrics(t testing.TB, w *world) {
	reader, stranger := w.account(t, "reader"), w.account(t, "stranger")
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-metrics-reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: release + "-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: toolsNamespace, Name: "reader"}},
	}
	if err := w.admin.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.admin.Delete(context.WithoutCancel(t.Context()), binding) })
	for _, who := range []struct {
		name, token string
		want        int
	}{{"nobody", "", http.StatusUnauthorized}, {"a stranger", stranger, http.StatusForbidden}, {"the reader", reader, http.StatusOK}} {
		// The API server may take a moment until it knows of the binding.
		eventually(t, who.name+" reads the metrics", func(ctx context.Context) error {
			header := http.Header{}
			if who.token != "" {
				header.Set("Authorization", "Bearer "+who.token)
			}
			url := fmt.Sprintf("https://%s-metrics.%s.svc:8080/metrics", release, systemNamespace)
			answer, err := w.send(ctx, relay.Request{Method: http.MethodGet, URL: url, Header: header})
			if err != nil {
				return err
			}
			if answer.Status != who.want {
				return fmt.Errorf("status %d, not %d", answer.Status, who.want)
			}
			if has := strings.Contains(string(answer.Body), "scim_requests_total"); has != (who.want == http.StatusOK) {
				return fmt.Errorf("the metrics of the operator are there: %v", has)
			}
			if strings.Contains(string(answer.Body), "corp.test") {
				t.Error("there is a userName in the metrics")
			}
			return nil
		})
	}
}

// account makes a ServiceAccount and gives a token of it.
func (w *world) account(t testing.TB, name string) (token string) {
	t.Helper()
	accounts := w.set.CoreV1().ServiceAccounts(toolsNamespace)
	if _, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	made, err := accounts.CreateToken(t.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Status.Token
}
