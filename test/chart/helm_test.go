// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package chart renders the Helm chart as its users do, and has a real API server judge what comes out.
package chart

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

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
)

func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{}) }

const (
	release   = "scim-operator"
	namespace = "scim-operator-system"
)

// helm is the path of the pinned Helm, which is built once.
var helm = sync.OnceValues(func() (string, error) {
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

// run runs Helm on the chart, with the values of a YAML text, and gives what it prints, and says when it fails.
func run(t *testing.T, values string, args ...string) (string, error) {
	t.Helper()
	program, err := helm()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, append(args, "--namespace", namespace, "--values", file)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	// Nobody's configuration but the chart's.
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir(), "KUBECONFIG=/dev/null")
	if err := cmd.Run(); err != nil {
		return out.String(), errors.New(errs.String() + out.String())
	}
	return out.String(), nil
}

func chartDir(t *testing.T) string {
	t.Helper()
	root, err := assets.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "charts", "scim-operator")
}

// render gives the objects of the chart.
func render(t *testing.T, values string) []*unstructured.Unstructured {
	t.Helper()
	text, err := run(t, values, "template", release, chartDir(t))
	if err != nil {
		t.Fatal(err)
	}
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

// find gives the one object of a kind and name.
func find(t *testing.T, objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, o := range objects {
		if o.GetKind() == kind && o.GetName() == name {
			return o
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

// kinds counts the objects of each kind.
func kinds(objects []*unstructured.Unstructured) map[string]int {
	count := map[string]int{}
	for _, o := range objects {
		count[o.GetKind()]++
	}
	return count
}
