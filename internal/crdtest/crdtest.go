// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package crdtest has what tests need of the CRDs without an API server: their schemas, whether an object would be accepted, and the largest one that would be.
package crdtest

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"sigs.k8s.io/yaml"
)

// Schema reads the schema of a kind from its CRD. root is the path of the repository.
func Schema(t testing.TB, root, plural string) *v1.JSONSchemaProps {
	t.Helper()
	data, err := os.ReadFile(root + "/config/crd/bases/scim-operator.io_" + plural + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd v1.CustomResourceDefinition
	if err := yaml.Unmarshal(data, &crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// Validator returns a function that says why the API server would refuse an object of a kind; rules in CEL are left out.
func Validator(t testing.TB, root, plural string) func(object any) error {
	t.Helper()
	var internal apiextensions.JSONSchemaProps
	if err := v1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(Schema(t, root, plural), &internal, nil); err != nil {
		t.Fatal(err)
	}
	validator, _, err := validation.NewSchemaValidator(&internal)
	if err != nil {
		t.Fatal(err)
	}
	return func(object any) error {
		data, err := json.Marshal(object)
		if err != nil {
			return fmt.Errorf("encoding the object: %w", err)
		}
		var value any
		if err := json.Unmarshal(data, &value); err != nil {
			return fmt.Errorf("decoding the object: %w", err)
		}
		return validation.ValidateCustomResource(nil, value, validator).ToAggregate()
	}
}
