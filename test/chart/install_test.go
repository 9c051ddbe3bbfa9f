// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/test/helm"
)

// A cluster is an API server without nodes: everything is there but pods.
type cluster struct {
	client.Client
	helm helm.Helm
}

func newCluster(t *testing.T, tool string) *cluster {
	t.Helper()
	env := cptest.New(t)
	c, err := client.New(env.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := env.KubeconfigFor("admin", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return &cluster{Client: c, helm: helm.Helm{Tool: tool, Kubeconfig: kubeconfig}}
}

// run runs Helm, which is to succeed.
func (c *cluster) run(t *testing.T, namespace, values string, args ...string) {
	t.Helper()
	if _, err := c.helm.Run(t, namespace, values, args...); err != nil {
		t.Fatalf("helm %s: %v", strings.Join(args, " "), err)
	}
}

// clean uninstalls releases of a namespace, and takes the CRDs away.
func (c *cluster) clean(t *testing.T, namespace string, releases ...string) {
	t.Helper()
	for _, name := range releases {
		c.run(t, namespace, "", "uninstall", name, "--ignore-not-found")
	}
	for _, crd := range c.crds(t) {
		if err := c.Delete(t.Context(), crd); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
	}
	c.awaitNoCRDs(t)
}

// awaitNoCRDs waits until CRDs that were deleted are gone. The API server's finalizer may miss that a CRD is deleted which has just changed, and looks again after five
// minutes, or when the CRD changes: so it is changed.
func (c *cluster) awaitNoCRDs(t *testing.T) {
	t.Helper()
	turn := 0
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		left := c.crds(t)
		turn++
		touch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{"turn":"%d"}}}`, turn))
		for _, crd := range left {
			if err := c.Patch(ctx, crd, touch); client.IgnoreNotFound(err) != nil {
				return false, err
			}
		}
		return len(left) == 0, nil
	})
	if err != nil {
		t.Fatalf("CRDs are still there: %v", err)
	}
}

// there says whether an object exists.
func (c *cluster) there(t *testing.T, o *unstructured.Unstructured) bool {
	t.Helper()
	err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o.DeepCopy())
	if client.IgnoreNotFound(err) != nil && !meta.IsNoMatchError(err) {
		t.Fatal(err)
	}
	return err == nil
}

// crds are the CRDs of the operator that exist, by name.
func (c *cluster) crds(t *testing.T) map[string]*unstructured.Unstructured {
	t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("apiextensions.k8s.io/v1")
	list.SetKind("CustomResourceDefinitionList")
	if err := c.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	crds := map[string]*unstructured.Unstructured{}
	for _, o := range list.Items {
		if strings.HasSuffix(o.GetName(), ".scim-operator.io") {
			crds[o.GetName()] = &o
		}
	}
	return crds
}

func object(apiVersion, kind, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetName(name)
	return o
}

// scimClient makes an object of the operator's, as soon as its kind is served.
func (c *cluster) scimClient(t *testing.T, namespace string) *unstructured.Unstructured {
	t.Helper()
	o := object("scim-operator.io/v1alpha1", "ScimClient", "okta")
	o.SetNamespace(namespace)
	o.Object["spec"] = map[string]any{"dialect": "okta", "generateToken": map[string]any{}}
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		last = c.Create(ctx, o)
		return last == nil, nil
	})
	if err != nil {
		t.Fatal(last)
	}
	return o
}

const crdRelease = "scim-operator-crds"

// What docs/install.md says of installing, upgrading and uninstalling, with both versions of Helm.
func TestTheLifeOfARelease(t *testing.T) {
	for _, tool := range []string{"helm", "helm3"} {
		t.Run(tool, func(t *testing.T) {
			c := newCluster(t, tool)
			defer c.clean(t, tool, release)
			// The chart of yesterday knew a CRD without its short name.
			yesterday := t.TempDir()
			if err := os.CopyFS(yesterday, os.DirFS(helm.Chart(t))); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(yesterday, "files", "crds", "scim-operator.io_scimclients.yaml")
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(strings.Replace(string(text), "    - sclient\n", "    - formerly\n", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			shortNames := func() []string {
				names, _, err := unstructured.NestedStringSlice(c.crds(t)["scimclients.scim-operator.io"].Object, "spec", "names", "shortNames")
				if err != nil {
					t.Fatal(err)
				}
				return names
			}

			c.run(t, tool, "", "install", release, yesterday, "--create-namespace")
			if diff := cmp.Diff([]string{"formerly"}, shortNames()); diff != "" {
				t.Fatal(diff)
			}
			kept := c.scimClient(t, tool)

			c.run(t, tool, "replicaCount: 3", "upgrade", release, helm.Chart(t))
			if diff := cmp.Diff([]string{"sclient"}, shortNames()); diff != "" {
				t.Errorf("the CRD after an upgrade: %s", diff)
			}
			deployment := &appsv1.Deployment{}
			if err := c.Get(t.Context(), client.ObjectKey{Namespace: tool, Name: release}, deployment); err != nil || *deployment.Spec.Replicas != 3 {
				t.Errorf("%v, error %v", deployment.Spec.Replicas, err)
			}

			c.run(t, tool, "", "uninstall", release)
			for _, o := range c.rendered(t, tool) {
				if there, want := c.there(t, o), o.GetKind() == "CustomResourceDefinition"; there != want {
					t.Errorf("after helm uninstall, is %s %s there: %t, want %t", o.GetKind(), o.GetName(), there, want)
				}
			}
			// The same release takes them up again.
			c.run(t, tool, "", "install", release, helm.Chart(t))
			if !c.there(t, kept) {
				t.Error("an object went with the release")
			}
		})
	}
}

// rendered are the objects of a release without values.
func (c *cluster) rendered(t *testing.T, namespace string) []*unstructured.Unstructured {
	t.Helper()
	text, err := c.helm.Run(t, namespace, "", "template", release, helm.Chart(t))
	if err != nil {
		t.Fatal(err)
	}
	return helm.Objects(t, text)
}

func TestASecondOperator(t *testing.T) {
	c := newCluster(t, "helm")
	defer c.clean(t, "first", release)
	c.run(t, "first", "", "install", release, helm.Chart(t), "--create-namespace")
	for name, test := range map[string]struct{ release, values, want string }{
		"of the same name":           {release, "", "cannot be imported into the current release"},
		"of another name":            {"other", "", "cannot be imported into the current release"},
		"of another name, less CRDs": {"other", "crds: {enabled: false}", `ClusterRole "scim-operator"`},
	} {
		_, err := c.helm.Run(t, "second", test.values, "install", test.release, helm.Chart(t), "--create-namespace")
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("a second operator for the whole cluster, %s: error = %v, want %q", name, err, test.want)
		}
	}
}

func TestOperatorsForNamespacesOfTheirOwn(t *testing.T) {
	const values = "namespaces: ['{{ .Release.Namespace }}']\ncrds: {enabled: false}"
	c := newCluster(t, "helm")
	defer c.clean(t, "crds", crdRelease)
	c.run(t, "crds", "", "install", crdRelease, crdChart(t), "--create-namespace")
	for _, namespace := range []string{"tenant-a", "tenant-b"} {
		defer c.clean(t, namespace, release)
		c.run(t, namespace, values, "install", release, helm.Chart(t), "--create-namespace")
	}
}

func TestTheCRDsFirst(t *testing.T) {
	const namespace = "crds-first"
	c := newCluster(t, "helm")
	defer c.clean(t, namespace, release, crdRelease)
	all := len(helm.Objects(t, crds(t)))
	has := func(when string, want int) {
		t.Helper()
		if got := len(c.crds(t)); got != want {
			t.Errorf("%s there are %d CRDs, want %d", when, got, want)
		}
	}
	c.run(t, namespace, "", "install", crdRelease, crdChart(t), "--create-namespace")
	c.run(t, namespace, "crds: {enabled: false}", "install", release, helm.Chart(t))
	c.run(t, namespace, "", "upgrade", crdRelease, crdChart(t))
	c.run(t, namespace, "", "uninstall", release)
	has("without the operator", all)
	c.run(t, namespace, "keep: false", "upgrade", crdRelease, crdChart(t))
	c.run(t, namespace, "", "uninstall", crdRelease)
	// Their chart was told not to keep them.
	c.awaitNoCRDs(t)

	// From the chart that has both to two.
	c.run(t, namespace, "", "install", release, helm.Chart(t))
	c.run(t, namespace, "crds: {enabled: false}", "upgrade", release, helm.Chart(t))
	has("after the operator's chart gave them up", all)
	c.run(t, namespace, "", "install", crdRelease, crdChart(t), "--take-ownership")
	for name, crd := range c.crds(t) {
		if got := crd.GetAnnotations()["meta.helm.sh/release-name"]; got != crdRelease {
			t.Errorf("%s belongs to the release %q", name, got)
		}
	}
	// And back.
	c.run(t, namespace, "", "uninstall", crdRelease)
	c.run(t, namespace, "crds: {enabled: true}", "upgrade", release, helm.Chart(t), "--take-ownership")
	has("back in the operator's chart", all)
}

// The objects of config/default come in an order in which an API server takes them, and again when they are there. With them it takes the samples.
func TestKustomizeInstallsForReal(t *testing.T) {
	c := newCluster(t, "helm")
	defer c.clean(t, namespace)
	installed := kustomize(t, "config/default")
	for range 2 {
		for _, o := range installed {
			if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o.DeepCopy()), client.FieldOwner("kubectl")); err != nil {
				t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
			}
		}
	}
	defer func() {
		for _, o := range installed {
			// Nobody is there who would make an end of a namespace that is being deleted.
			if o.GetKind() == "Namespace" {
				continue
			}
			if err := c.Delete(t.Context(), o); client.IgnoreNotFound(err) != nil {
				t.Error(err)
			}
		}
	}()
	for _, o := range kustomize(t, "config/samples") {
		o.SetNamespace(namespace)
		err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o.DeepCopy()), client.FieldOwner("kubectl"))
			// A kind is served a moment after its CRD.
			return err == nil, client.IgnoreNotFound(err)
		})
		if err != nil {
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
}

func TestAReleaseTakesOverCRDsThatWereAppliedAsAFile(t *testing.T) {
	const namespace = "taken-over"
	for _, tool := range []string{"helm", "helm3"} {
		t.Run(tool, func(t *testing.T) {
			c := newCluster(t, tool)
			defer c.clean(t, namespace, release)
			text, err := os.ReadFile(filepath.Join(helm.Root(t), "config", "crd", "scim-operator.crds.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range helm.Objects(t, string(text)) {
				if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("kubectl")); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.helm.Run(t, namespace, "", "install", release, helm.Chart(t), "--create-namespace"); err == nil {
				t.Error("Helm takes CRDs that others have made")
			}
			c.run(t, namespace, "", "install", release, helm.Chart(t), "--create-namespace", "--take-ownership")
			for name, crd := range c.crds(t) {
				if got := crd.GetAnnotations()["meta.helm.sh/release-name"]; got != release {
					t.Errorf("%s belongs to the release %q", name, got)
				}
			}
		})
	}
}
