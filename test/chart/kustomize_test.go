// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/scim-operator/scim-operator/test/helm"
)

// kustomize builds a directory, given relative to the project's.
func kustomize(t *testing.T, dir string) []*unstructured.Unstructured {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), helm.Tool(t, "kustomize"), "build", dir)
	cmd.Dir, cmd.Stdout, cmd.Stderr = helm.Root(t), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("kustomize build %s: %v\n%s", dir, err, errs.String())
	}
	return helm.Objects(t, out.String())
}

// named are objects by kind and name.
func named(t *testing.T, all []*unstructured.Unstructured) map[string]any {
	t.Helper()
	named := map[string]any{}
	for _, o := range all {
		key := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
		if named[key] != nil {
			t.Errorf("there are two of %s", key)
		}
		named[key] = o.Object
	}
	return named
}

// withoutTool takes away what tells Helm's objects from Kustomize's: labels that name the tool, and the policy that only Helm knows.
func withoutTool(all []*unstructured.Unstructured) []*unstructured.Unstructured {
	metadata := [][]string{{"metadata"}, {"spec", "template", "metadata"}}
	var objects []*unstructured.Unstructured
	for _, o := range all {
		o = o.DeepCopy()
		for _, path := range metadata {
			for _, label := range []string{"helm.sh/chart", "app.kubernetes.io/managed-by"} {
				unstructured.RemoveNestedField(o.Object, append(path, "labels", label)...)
			}
		}
		if o.GetKind() == "CustomResourceDefinition" {
			// Those of config/crd come from controller-gen, which gives them no labels.
			unstructured.RemoveNestedField(o.Object, "metadata", "labels")
			unstructured.RemoveNestedField(o.Object, "metadata", "annotations", "helm.sh/resource-policy")
		}
		objects = append(objects, o)
	}
	return objects
}

func TestKustomizeInstallsWhatTheChartDoes(t *testing.T) {
	for _, c := range []struct{ name, dir, values string }{
		{name: "as it is", dir: "config/default"},
		{name: "with metrics for the Prometheus operator", dir: "config/prometheus", values: "metrics: {serviceMonitor: {enabled: true}}"},
		{name: "with a network policy", dir: "config/network-policy", values: "networkPolicy: {enabled: true}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			chart, config := named(t, withoutTool(render(t, c.values))), named(t, withoutTool(kustomize(t, c.dir)))
			if c.dir == "config/default" {
				// Helm makes the namespace by --create-namespace.
				delete(config, "Namespace /"+namespace)
			} else {
				for key := range chart {
					if config[key] == nil {
						delete(chart, key)
					}
				}
			}
			if diff := cmp.Diff(chart, config); diff != "" {
				t.Errorf("the chart (-) and %s (+) differ:\n%s", c.dir, diff)
			}
			if len(config) == 0 {
				t.Error("there is nothing in it")
			}
		})
	}
}

func TestAKustomizeOverlayMovesEverythingToAnotherNamespace(t *testing.T) {
	overlay := t.TempDir()
	base, err := filepath.Rel(overlay, filepath.Join(helm.Root(t), "config", "default"))
	if err != nil {
		t.Fatal(err)
	}
	text := "namespace: identity\nresources: [" + base + "]\nimages: [{name: ghcr.io/scim-operator/scim-operator, newName: registry.example.com/scim-operator, newTag: mine}]\n"
	if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	moved := kustomize(t, overlay)
	find(t, moved, "Namespace", "identity")
	for _, o := range moved {
		if o.GetNamespace() == namespace {
			t.Errorf("%s %s stays in %s", o.GetKind(), o.GetName(), namespace)
		}
		if !strings.HasSuffix(o.GetKind(), "Binding") {
			continue
		}
		binding := &rbacv1.RoleBinding{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, binding); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]rbacv1.Subject{{Kind: "ServiceAccount", Name: release, Namespace: "identity"}}, binding.Subjects); diff != "" {
			t.Errorf("%s %s: %s", o.GetKind(), o.GetName(), diff)
		}
	}
	containers, _, err := unstructured.NestedSlice(find(t, moved, "Deployment", release).Object, "spec", "template", "spec", "containers")
	if err != nil {
		t.Fatal(err)
	}
	container := containers[0].(map[string]any)
	if got := container["image"]; got != "registry.example.com/scim-operator:mine" {
		t.Errorf("image %v", got)
	}
	for _, arg := range container["args"].([]any) {
		if strings.Contains(arg.(string), namespace) {
			t.Errorf("argument %s", arg)
		}
	}
}

// Whoever installs the CRDs first gets the same, by whichever way.
func TestEveryWayToTheCRDsLeadsToTheSame(t *testing.T) {
	chart := named(t, withoutTool(render(t, "")))
	want := map[string]any{}
	for key, o := range chart {
		if strings.HasPrefix(key, "CustomResourceDefinition ") {
			want[key] = o
		}
	}
	file, err := os.ReadFile(filepath.Join(helm.Root(t), "config", "crd", "scim-operator.crds.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for way, got := range map[string][]*unstructured.Unstructured{
		"the plain file": helm.Objects(t, string(file)), "config/crd": kustomize(t, "config/crd"), "the chart of the CRDs": helm.Objects(t, crds(t)),
	} {
		if diff := cmp.Diff(want, named(t, withoutTool(got))); diff != "" {
			t.Errorf("the operator's chart (-) and %s (+) differ:\n%s", way, diff)
		}
	}
}
