// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	namedTest    = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9_]*)`")
	declaredTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Za-z0-9_]+)\(`)
	complaint    = regexp.MustCompile(`(?m)^\| C(\d+) \|`)
)

// Every test that the documentation names exists.
func TestNamedTestsExist(t *testing.T) {
	root := filepath.Join("..", "..")
	declared := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".") && path != root):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, match := range declaredTest.FindAllStringSubmatch(string(text), -1) {
			declared[match[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range documents(t, root) {
		for _, match := range namedTest.FindAllStringSubmatch(read(t, file), -1) {
			if !declared[match[1]] {
				t.Errorf("%s: there is no test %s", file, match[1])
			}
		}
	}
}

// docs/complaints.md has a row for each of the 32 complaints, in their order.
func TestEveryComplaintHasItsRow(t *testing.T) {
	const all = 32
	rows := complaint.FindAllStringSubmatch(read(t, filepath.Join("..", "..", "docs", "complaints.md")), -1)
	if len(rows) != all {
		t.Fatalf("%d rows, want %d", len(rows), all)
	}
	for i, row := range rows {
		if want := i + 1; row[1] != strconv.Itoa(want) {
			t.Errorf("row %d is that of C%s", want, row[1])
		}
	}
}
