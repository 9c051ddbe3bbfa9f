// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const example = `# @section First

# How many | there are.
# @schema {"minimum": 0}
count: 2

image:
  # Tag.
  tag: ""

# @section Second

# Anything
# at all.
# @schema {"additionalProperties": true}
free:
  a: [1]
# Names.
# @schema {"items": {"type": "string"}}
names: []
`

func TestGenerate(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"values.yaml": example, "README.md": "above\n" + begin + "\nold\n" + end + "\nbelow\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := generate(dir); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := "above\n" + begin + `

### First

| value | default | what it is |
| --- | --- | --- |
| ` + "`count` | `2`" + ` | How many \| there are. |
| ` + "`image.tag` | `\"\"`" + ` | Tag. |

### Second

| value | default | what it is |
| --- | --- | --- |
| ` + "`free` | `{\"a\":[1]}`" + ` | Anything at all. |
| ` + "`names` | `[]`" + ` | Names. |

` + end + "\nbelow\n"
	if diff := cmp.Diff(want, string(readme)); diff != "" {
		t.Error(diff)
	}
	text, err := os.ReadFile(filepath.Join(dir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
		"properties": map[string]any{
			"count": map[string]any{"type": "integer", "description": "How many | there are.", "minimum": 0.0},
			"image": map[string]any{
				"type": "object", "additionalProperties": false,
				"properties": map[string]any{"tag": map[string]any{"type": "string", "description": "Tag."}},
			},
			"free":  map[string]any{"type": "object", "description": "Anything at all.", "additionalProperties": true},
			"names": map[string]any{"type": "array", "description": "Names.", "items": map[string]any{"type": "string"}},
		},
	}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsWrongWithValuesIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1":                           "a has no comment",
		"# x\na: 1\nb:\n  c: 1":          "b.c has no comment",
		"# x\n# @schema {minimum}\na: 1": "a: @schema: ",
		"- a":                            "it is no map",
	} {
		if _, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error = %v, want %q", text, err, want)
		}
	}
}
