// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command apidocs writes the field reference: a page for each CustomResourceDefinition.
//
//	apidocs CRD-DIRECTORY OUTPUT-DIRECTORY
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: apidocs CRD-DIRECTORY OUTPUT-DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "apidocs:", err)
		os.Exit(1)
	}
}

// write writes a page for each CRD of a directory.
func write(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(data, &crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		name := strings.ToLower(crd.Spec.Names.Kind) + ".md"
		if err := os.WriteFile(filepath.Join(to, name), []byte(page(&crd)), 0o644); err != nil {
			return err
		}
	}
	return nil
}
