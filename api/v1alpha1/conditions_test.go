// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// declared are the values of the constants of conditions.go with a prefix, sorted.
func declared(t *testing.T, prefix string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
		return false
	})
	slices.Sort(values)
	return values
}

// documented are the first cells of the tables of docs/conditions.md whose header begins with the word, sorted.
func documented(t *testing.T, header string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "conditions.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("^\\| `([A-Za-z]+)` \\|")
	var names []string
	inTable := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| "+header+" |") {
			inTable = true
		}
		inTable = inTable && strings.HasPrefix(line, "|")
		if match := row.FindStringSubmatch(line); inTable && match != nil {
			names = append(names, match[1])
		}
	}
	slices.Sort(names)
	return names
}

func TestEveryReasonIsDocumented(t *testing.T) {
	if diff := cmp.Diff(declared(t, "Reason"), documented(t, "reason")); diff != "" {
		t.Errorf("docs/conditions.md has other reasons than conditions.go (-code +docs):\n%s", diff)
	}
}

func TestEveryConditionIsDocumented(t *testing.T) {
	if diff := cmp.Diff(declared(t, "Condition"), documented(t, "condition")); diff != "" {
		t.Errorf("docs/conditions.md has other conditions than conditions.go (-code +docs):\n%s", diff)
	}
}
