// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command chart writes the generated parts of a Helm chart from the comments of its values.yaml: the table of values in README.md, between the two markers, and
// values.schema.json.
//
// Each value has a comment that says what it is. A line "# @section Title" begins a section of the table, a line "# @schema {...}" adds JSON Schema to what is worked
// out from the default.
//
//	usage: chart CHART-DIRECTORY
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	begin = "<!-- values: begin -->"
	end   = "<!-- values: end -->"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: chart CHART-DIRECTORY")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func generate(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "values.yaml"))
	if err != nil {
		return err
	}
	values, err := parse(text)
	if err != nil {
		return fmt.Errorf("values.yaml: %w", err)
	}
	schema, err := json.MarshalIndent(rootSchema(values), "", "  ")
	if err != nil {
		return err
	}
	readme := filepath.Join(dir, "README.md")
	page, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	filled, err := insert(string(page), table(values))
	if err != nil {
		return fmt.Errorf("README.md: %w", err)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "values.schema.json"), append(schema, '\n'), 0o644),
		os.WriteFile(readme, []byte(filled), 0o644),
	)
}

// insert puts text between the markers of a page.
func insert(page, text string) (string, error) {
	before, rest, ok := strings.Cut(page, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("the markers %s and %s are not there", begin, end)
	}
	return before + begin + "\n\n" + text + end + after, nil
}
