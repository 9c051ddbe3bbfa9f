// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A value is one key of values.yaml.
type value struct {
	key     string
	section string
	doc     string
	// schema is what the comment adds.
	schema map[string]any
	// node is the default.
	node *yaml.Node
	// below are the keys of a map that has documented ones.
	below []value
}

// parse reads a values.yaml. Every key at the top, and every key of a map without a schema of its own for other keys, needs a comment.
func parse(text []byte) ([]value, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode || len(doc.Content[0].Content) == 0 {
		return nil, errors.New("it is no map with keys")
	}
	root := doc.Content[0]
	// What stands above the first key, and a line apart, belongs to the document.
	root.Content[0].HeadComment = doc.HeadComment + "\n" + root.Content[0].HeadComment
	return keys(root, "")
}

func keys(node *yaml.Node, path string) ([]value, error) {
	var values []value
	section := ""
	for i := 0; i < len(node.Content); i += 2 {
		key, content := node.Content[i], node.Content[i+1]
		v := value{key: key.Value, node: content}
		if err := v.comment(key.HeadComment); err != nil {
			return nil, fmt.Errorf("%s%s: %w", path, v.key, err)
		}
		if v.section != "" {
			section = v.section
		}
		v.section = section
		if content.Kind == yaml.MappingNode && len(content.Content) > 0 && (v.schema == nil || content.Content[0].HeadComment != "") {
			var err error
			if v.below, err = keys(content, path+v.key+"."); err != nil {
				return nil, err
			}
		}
		if v.doc == "" && v.below == nil {
			return nil, fmt.Errorf("%s%s has no comment that says what it is", path, v.key)
		}
		values = append(values, v)
	}
	return values, nil
}

// comment reads what stands above a key.
func (v *value) comment(text string) error {
	var doc []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#"))
		if title, ok := strings.CutPrefix(line, "@section "); ok {
			v.section, doc = title, nil
			continue
		}
		if schema, ok := strings.CutPrefix(line, "@schema "); ok {
			if err := json.Unmarshal([]byte(schema), &v.schema); err != nil {
				return fmt.Errorf("@schema: %w", err)
			}
			continue
		}
		if line != "" {
			doc = append(doc, line)
		}
	}
	v.doc = strings.Join(doc, " ")
	return nil
}

// rootSchema is that of all values. The root takes keys that the chart does not know, because a chart that depends on this one may put some there; what is below
// does not.
func rootSchema(values []value) map[string]any {
	return map[string]any{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": properties(values)}
}

func properties(values []value) map[string]any {
	all := map[string]any{}
	for _, v := range values {
		all[v.key] = v.jsonSchema()
	}
	return all
}

func (v *value) jsonSchema() map[string]any {
	schema := map[string]any{}
	if v.doc != "" {
		schema["description"] = v.doc
	}
	switch v.node.Kind {
	case yaml.MappingNode:
		schema["type"] = "object"
		if v.below != nil {
			schema["properties"], schema["additionalProperties"] = properties(v.below), false
		}
	case yaml.SequenceNode:
		schema["type"] = "array"
	default:
		schema["type"] = map[string]string{"!!bool": "boolean", "!!int": "integer", "!!float": "number", "!!str": "string"}[v.node.Tag]
	}
	maps.Copy(schema, v.schema)
	return schema
}

// table is the values in Markdown, a table for each section.
func table(values []value) string {
	var b strings.Builder
	section := ""
	for i, v := range values {
		if i == 0 || v.section != section {
			section = v.section
			fmt.Fprintf(&b, "### %s\n\n| value | default | what it is |\n| --- | --- | --- |\n", section)
		}
		rows(&b, v, "")
		if i == len(values)-1 || values[i+1].section != section {
			b.WriteString("\n")
		}
	}
	return b.String()
}

func rows(b *strings.Builder, v value, path string) {
	path += v.key
	if v.below == nil {
		fmt.Fprintf(b, "| `%s` | `%s` | %s |\n", path, compact(v.node), strings.ReplaceAll(v.doc, "|", `\|`))
		return
	}
	for _, below := range v.below {
		rows(b, below, path+".")
	}
}

// compact is a default in one line.
func compact(node *yaml.Node) string {
	var plain any
	if err := node.Decode(&plain); err != nil {
		return err.Error()
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return err.Error()
	}
	return strings.ReplaceAll(string(text), "|", `\|`)
}
