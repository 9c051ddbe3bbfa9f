// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package helm runs the pinned Helm, and what else hack/tools pins, on the project's charts, as their users do.
package helm

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
)

// tools are the paths of the pinned tools by name.
var tools sync.Map

// Tool is the path of a tool that hack/tools pins, which is built once: "helm" (4), "helm3", "kustomize".
func Tool(t testing.TB, name string) string {
	t.Helper()
	find, _ := tools.LoadOrStore(name, sync.OnceValues(func() (string, error) {
		out, err := exec.Command(filepath.Join(Root(t), "hack", "tools", "tool"), name).Output()
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			return "", errors.New(string(failed.Stderr))
		}
		return strings.TrimSpace(string(out)), err
	}))
	path, err := find.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Root is the directory of the project.
func Root(t testing.TB) string {
	t.Helper()
	root, err := assets.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// Chart is the directory of the chart.
func Chart(t testing.TB) string { return filepath.Join(Root(t), "charts", "scim-operator") }

// Run runs Helm 4 for a namespace with the values of a YAML text, without a cluster, and gives what it prints. The error says what it says when it fails.
func Run(t testing.TB, namespace, values string, args ...string) (string, error) {
	t.Helper()
	return Helm{Tool: "helm", Kubeconfig: os.DevNull}.Run(t, namespace, values, args...)
}

// Helm is a version of Helm, and a cluster.
type Helm struct {
	// Tool is "helm" or "helm3".
	Tool string
	// Kubeconfig is the path of a file.
	Kubeconfig string
}

// Run is what the function Run does, for this version and cluster.
func (h Helm) Run(t testing.TB, namespace, values string, args ...string) (string, error) {
	t.Helper()
	args = append(args, "--namespace", namespace)
	// Not every command of Helm takes values.
	if values != "" {
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--values", file)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), Tool(t, h.Tool), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	// Nobody's configuration but the chart's.
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir(), "KUBECONFIG="+h.Kubeconfig)
	if err := cmd.Run(); err != nil {
		return out.String(), errors.New(errs.String() + out.String())
	}
	return out.String(), nil
}

// Objects reads what `helm template` prints.
func Objects(t testing.TB, text string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for doc := range strings.SplitSeq(text, "\n---") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &o.Object); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
	return objects
}
