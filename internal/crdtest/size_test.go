// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crdtest

import (
	"maps"
	"math"
	"strings"
	"testing"

	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// target is the largest object that is safe: etcd takes 1.5 MiB for a request, with the key, and managedFields and metadata come on top.
const target = 1 << 20

// TestLargestObjects: an object that is too large for etcd takes no patch of its status any more, so that nobody could even be deactivated.
//
// A character counts as one byte here, as in a schema. That holds for a status, because what comes from others is bounded in bytes of JSON before it gets there (package
// bounded, plan.MaxMatchValue, connector.MaxIDLength), and for what the endpoint stores (directory.MaxUserSpec). TestLargestAppInBytes has the spec of a ScimApp.
func TestLargestObjects(t *testing.T) {
	for plural, specOf := range map[string]func(*testing.T, *v1.JSONSchemaProps) int{
		// Somebody who writes users without the endpoint is bounded by etcd alone.
		"scimusers":  func(*testing.T, *v1.JSONSchemaProps) int { return directory.MaxUserSpec },
		"scimgroups": largestGroupSpec,
		"scimapps": func(t *testing.T, schema *v1.JSONSchemaProps) int {
			return Size(t, Largest(t, property(schema, "spec"), "spec", nil))
		},
	} {
		t.Run(plural, func(t *testing.T) {
			schema := Schema(t, "../..", plural)
			status := largestStatus(t, schema)
			t.Logf("status %d: %s", Size(t, status), Sizes(t, status))
			for _, list := range []string{"accounts", "apps", "batches"} {
				if items, ok := status.(map[string]any)[list].([]any); ok {
					t.Logf("each of %d %s %d: %s", len(items), list, Size(t, items[0]), Sizes(t, items[0]))
				}
			}
			spec := specOf(t, schema)
			total := Size(t, status) + spec
			t.Logf("spec %d, together %d", spec, total)
			if total > target {
				t.Errorf("the largest of %s have %d bytes, %d of them the spec; at most %d are safe", plural, total, spec, target)
			}
		})
	}
}

// largestGroupSpec is what the endpoint stores beside the members or, which is more, what the schema allows. Members stand in the group or in slices.
func largestGroupSpec(t *testing.T, schema *v1.JSONSchemaProps) int {
	t.Helper()
	spec := Largest(t, property(schema, "spec"), "spec", map[string]any{"spec.extensions[].attributes": map[string]any{}}).(map[string]any)
	t.Logf("spec without attributes of extensions: %s", Sizes(t, spec))
	inline, sliced := maps.Clone(spec), maps.Clone(spec)
	delete(inline, "slices")
	delete(sliced, "members")
	others := Size(t, sliced) - Size(t, sliced["slices"])
	return Size(t, inline) + max(0, directory.MaxGroupSpec-others)
}

// TestLargestAppInBytes: a person may write characters of four bytes, and desired.CompileApp bounds the spec of an app that takes effect. Its groups are in the status once
// more, and in managedFields.
func TestLargestAppInBytes(t *testing.T) {
	const etcd = 3 << 19
	status := Size(t, largestStatus(t, Schema(t, "../..", "scimapps")))
	names := 256 * 256
	if total := status - names + 3*desired.MaxSpec; total > etcd {
		t.Errorf("the largest ScimApp has %d bytes; etcd takes %d", total, etcd)
	}
}

func largestStatus(t *testing.T, schema *v1.JSONSchemaProps) any {
	t.Helper()
	return Largest(t, property(schema, "status"), "status", map[string]any{"status.conditions": conditions()})
}

// conditions are as many as the operator sets, with messages as long as it writes them (kube.MaxMessage). The schema of a condition is Kubernetes' own.
func conditions() []any {
	all := make([]any, 16)
	for i := range all {
		all[i] = map[string]any{
			"type": strings.Repeat("x", 32), "status": "Unknown", "reason": strings.Repeat("x", 64), "message": strings.Repeat("x", kube.MaxMessage),
			"lastTransitionTime": "2006-01-02T15:04:05Z", "observedGeneration": math.MaxInt64,
		}
	}
	return all
}

func property(schema *v1.JSONSchemaProps, name string) *v1.JSONSchemaProps {
	property := schema.Properties[name]
	return &property
}
