// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/e2e/relay"
)

// testSecondInstallation: Helm refuses a second release for the whole cluster, whatever its name and namespace, and says whose the CRDs and the ClusterRole are.
func testSecondInstallation(t testing.TB, w *world) {
	for _, args := range [][]string{nil, {"--set=crds.enabled=false"}} {
		_, err := w.try(t, "", "helm", append([]string{"install", "second", w.chart, "--namespace", toolsNamespace}, args...)...)
		if err == nil {
			t.Fatalf("Helm installed a second release %v", args)
		}
		for _, want := range []string{"invalid ownership metadata", release, systemNamespace} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("Helm does not say %q: %v", want, err)
			}
		}
	}
}

// testUninstall: what people and identity providers have made stays, and what the release has made goes, but for what the operator itself keeps in its namespace.
func testUninstall(t testing.TB, w *world) {
	users, err := w.countUsers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.run(t, "helm", "uninstall", release, "--namespace", systemNamespace, "--wait")
	w.run(t, "kubectl", "wait", "--namespace", systemNamespace, "pods", "--selector", "app.kubernetes.io/instance="+release, "--for=delete", "--timeout=2m")
	if now, err := w.countUsers(t.Context()); err != nil || now != users || users == 0 {
		t.Errorf("there are %d users, %v, and were %d", now, err, users)
	}
	left := w.run(t, "kubectl", "get", "--namespace", systemNamespace, "--output=name",
		"deployments,services,pods,serviceaccounts,roles,rolebindings,poddisruptionbudgets,secrets,leases")
	want := "serviceaccount/default secret/" + givenSecret + " secret/scim-operator-cursors secret/scim-operator-tls lease.coordination.k8s.io/scim-operator.io"
	if got := strings.Join(strings.Fields(left), " "); got != want {
		t.Errorf("in its namespace there is left %s, not %s", got, want)
	}
	if left := w.run(t, "kubectl", "get", "clusterroles,clusterrolebindings", "--selector", "app.kubernetes.io/instance="+release, "--output=name"); left != "" {
		t.Errorf("of the roles there is left %s", left)
	}
	// Without an operator, the finalizer keeps what is deleted until the operator is back, or a person takes it off.
	w.run(t, "kubectl", "delete", "scimusers", "--all", "--namespace", readmeNamespace, "--wait=false")
	if now, err := w.countUsers(t.Context()); err != nil || now != users {
		t.Errorf("there are %d users, %v, and were %d", now, err, users)
	}
}

func (w *world) countUsers(ctx context.Context) (int, error) {
	list := &v1alpha1.ScimUserList{}
	err := w.admin.List(ctx, list)
	return len(list.Items), err
}

// testOneNamespace installs the operator for its own namespace, as docs/install.md says, with Roles alone: it serves, and finishes the deletion that it finds.
func testOneNamespace(t testing.TB, w *world) {
	const name = "team"
	repository, tag := repositoryAndTag(w.image)
	w.run(t, "helm", "install", name, w.chart, "--namespace", readmeNamespace, "--set=namespaces={"+readmeNamespace+"}", "--set=crds.enabled=false",
		"--set=rbac.aggregate=false", "--set=metrics.authorization=false", "--set=image.repository="+repository, "--set=image.tag="+tag, "--wait", "--timeout=4m")
	if made := w.run(t, "kubectl", "get", "clusterroles,clusterrolebindings", "--selector", "app.kubernetes.io/instance="+name, "--output=name"); made != "" {
		t.Errorf("the release has made %s", made)
	}
	secrets := w.set.CoreV1().Secrets(readmeNamespace)
	token, err := secrets.Get(t.Context(), "okta-token", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := secrets.Get(t.Context(), name+"-"+release+"-tls", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	origin, ca := "https://"+name+"-"+release+"."+readmeNamespace+".svc", string(certificate.Data["ca.crt"])
	w.reachable(t, origin, ca)
	eventually(t, "the operator finishes the deletion that it found", func(ctx context.Context) error {
		list := &v1alpha1.ScimUserList{}
		if err := w.admin.List(ctx, list, client.InNamespace(readmeNamespace)); err != nil || len(list.Items) == 0 {
			return err
		}
		return fmt.Errorf("there are %d users", len(list.Items))
	})
	answer, err := w.send(t.Context(), relay.Request{
		Method: http.MethodPost, URL: origin + "/" + readmeNamespace + "/okta/scim/v2/Users",
		Header: http.Header{"Authorization": {"Bearer " + string(token.Data["token"])}, "Content-Type": {"application/scim+json"}},
		Body:   []byte(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"lee@corp.test"}`), CA: ca,
	})
	if err != nil || answer.Status != http.StatusCreated {
		t.Errorf("creating a user: status %d, %v: %s", answer.Status, err, answer.Body)
	}
	w.run(t, "helm", "uninstall", name, "--namespace", readmeNamespace, "--wait")
	w.run(t, "kubectl", "wait", "--namespace", readmeNamespace, "pods", "--selector", "app.kubernetes.io/instance="+name, "--for=delete", "--timeout=2m")
}

// testUpgradeFromPrevious installs the previous version, which finds what is there, and upgrades it without losing a request.
func testUpgradeFromPrevious(t testing.TB, w *world) {
	chart, image := w.previousChart, w.previousImage
	if chart == "" {
		t.Log("there is no previous version: the present one is installed again, and not upgraded")
		chart, image = w.chart, w.image
	}
	repository, tag := repositoryAndTag(image)
	w.run(t, "helm", "install", release, chart, "--namespace", systemNamespace, "--wait", "--timeout=4m", "--set=image.repository="+repository, "--set=image.tag="+tag)
	w.settled(t)
	w.reachable(t, origin, w.ca)
	if w.previousChart == "" {
		return
	}
	w.underLoad(t, "previous", nil, func() { w.upgrade(t, w.chart, w.image) })
}

// testRemoval takes everything away, by what docs/operations.md says.
func testRemoval(t testing.TB, w *world) {
	// While the operator runs, a namespace goes with all that is in it.
	w.run(t, "kubectl", "delete", "namespace", loadNamespace, "--timeout=4m")
	w.run(t, "helm", "uninstall", release, "--namespace", systemNamespace, "--wait")
	w.run(t, "bash", "-c", commands(t, filepath.Join(w.root, "docs", "operations.md"), nil))
	w.run(t, "kubectl", "delete", "namespace", readmeNamespace, demoNamespace, systemNamespace, toolsNamespace, "--timeout=2m")
	if left := w.run(t, "kubectl", "get", "crds", "--output=name"); strings.Contains(left, v1alpha1.GroupVersion.Group) {
		t.Errorf("there is left %s", left)
	}
	_, err := w.set.CoreV1().Namespaces().Get(t.Context(), loadNamespace, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the namespace of the load: %v", err)
	}
}
