// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The checked-in reference is what the CRDs say.
func TestReferenceIsUpToDate(t *testing.T) {
	root := filepath.Join("..", "..")
	written := t.TempDir()
	if err := write(filepath.Join(root, "config", "crd", "bases"), written); err != nil {
		t.Fatal(err)
	}
	want, have := pages(t, written), pages(t, filepath.Join(root, "docs", "reference"))
	if len(want) == 0 {
		t.Fatal("no page was written")
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("docs/reference is not up to date, run make generate (-want +have):\n%s", diff)
	}
}

func pages(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(file)] = string(text)
	}
	return texts
}
