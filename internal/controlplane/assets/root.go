// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assets

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
)

// ModuleRoot returns the root of the checkout that the working directory is in:
// the nearest directory above it whose go.mod is the operator's.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(mod, []byte("module github.com/scim-operator/scim-operator\n")) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the working directory is not in a checkout of scim-operator")
		}
		dir = parent
	}
}
