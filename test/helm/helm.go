// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package helm runs the pinned Helm on the project's chart, as its users do.
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

// program is the path of the pinned Helm, which is built once.
var program = sync.OnceValues(func() (string, error) {
	root, err := assets.ModuleRoot()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(filepath.Join(root, "hack", "tools", "tool"), "helm").Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return "", errors.New(string(failed.Stderr))
	}
	return strings.TrimSpace(string(out)), err
})

// Chart is the directory of the chart.
func Chart(t testing.TB) string {
	t.Helper()
	root, err := assets.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "charts", "scim-operator")
}

// Run runs Helm for a namespace with the values of a YAML text, and gives what it prints. The error says what it says when it fails.
func Run(t testing.TB, namespace, values string, args ...string) (string, error) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, append(args, "--namespace", namespace, "--values", file)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	// Nobody's configuration but the chart's.
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir(), "KUBECONFIG=/dev/null")
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
