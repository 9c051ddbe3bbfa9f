// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package chart renders the Helm chart as its users do, and has a real API server judge what comes out.
package chart

import (
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/test/helm"
)

// The CRDs are what is tested: nobody installs them before.
func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{CRDs: []string{}}) }

const (
	release   = "scim-operator"
	namespace = "scim-operator-system"
)

// run runs Helm with the values of a YAML text, and gives what it prints, and says when it fails.
func run(t *testing.T, values string, args ...string) (string, error) {
	t.Helper()
	return helm.Run(t, namespace, values, args...)
}

// render gives the objects of the chart.
func render(t *testing.T, values string) []*unstructured.Unstructured {
	t.Helper()
	text, err := run(t, values, "template", release, helm.Chart(t))
	if err != nil {
		t.Fatal(err)
	}
	return helm.Objects(t, text)
}

func crdChart(t *testing.T) string {
	return filepath.Join(helm.Root(t), "charts", "scim-operator-crds")
}

// crds renders the chart of the CRDs.
func crds(t *testing.T) string {
	t.Helper()
	text, err := run(t, "", "template", release, crdChart(t))
	if err != nil {
		t.Fatal(err)
	}
	return text
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
