// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crdtest

import (
	"math"
	"strings"
	"testing"

	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/server"
)

// target is the largest object that is safe: etcd takes 1.5 MiB for a request, with the key, and managedFields and metadata come on top.
const target = 1 << 20

// TestLargestObjects: an object that is too large for etcd takes no patch of its status any more, so that nobody could even be deactivated.
func TestLargestObjects(t *testing.T) {
	limits := server.DefaultLimits()
	for plural, spec := range map[string]int{
		// What the endpoint takes of a user is bounded by the body. The typed fields alone may be larger: somebody who writes objects by himself is not bounded.
		"scimusers": int(limits.UserBody),
		// Members beyond MaxInlineMembers are in slices; an id of a user is at most 253 + 1 + 64 characters long in fact.
		"scimgroups": 0,
		"scimapps":   0,
	} {
		t.Run(plural, func(t *testing.T) {
			schema := Schema(t, "../..", plural)
			status := Largest(t, property(schema, "status"), "status", map[string]any{"status.conditions": conditions()})
			total := Size(t, status)
			t.Logf("status %d: %s", total, Sizes(t, status))
			for _, list := range []string{"accounts", "apps", "batches", "conditions"} {
				if items, ok := status.(map[string]any)[list].([]any); ok {
					t.Logf("each of %d %s %d: %s", len(items), list, Size(t, items[0]), Sizes(t, items[0]))
				}
			}
			largest := Largest(t, property(schema, "spec"), "spec", map[string]any{
				"spec.extensions[].attributes": map[string]any{}, "spec.members[].value": strings.Repeat("x", 253+1+64),
			})
			t.Logf("spec by its schema %d: %s", Size(t, largest), Sizes(t, largest))
			if spec == 0 {
				spec = Size(t, largest)
			}
			if total += spec; total > target {
				t.Errorf("the largest of %s have %d bytes, %d of them the spec; at most %d are safe", plural, total, spec, target)
			}
		})
	}
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
