// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// page is the reference of a kind, in Markdown.
func page(crd *apiextensionsv1.CustomResourceDefinition) string {
	var out strings.Builder
	names := crd.Spec.Names
	fmt.Fprintf(&out, "# %s\n\n", names.Kind)
	out.WriteString("<!-- Written by hack/apidocs from the CustomResourceDefinition: run `make generate`. -->\n\n")
	for _, version := range crd.Spec.Versions {
		schema := version.Schema.OpenAPIV3Schema
		out.WriteString(schema.Description + "\n\n")
		fmt.Fprintf(&out, "`apiVersion: %s/%s`, `kind: %s`; short name `%s`, categories `%s`.\n", crd.Spec.Group, version.Name, names.Kind,
			strings.Join(names.ShortNames, "`, `"), strings.Join(names.Categories, "`, `"))
		for _, field := range version.SelectableFields {
			fmt.Fprintf(&out, "`kubectl get %s --field-selector %s=...` finds by that field.\n", names.Plural, strings.TrimPrefix(field.JSONPath, "."))
		}
		for _, part := range []string{"spec", "status"} {
			properties := schema.Properties[part]
			fmt.Fprintf(&out, "\n## %s\n\n", part)
			writeRules(&out, properties)
			out.WriteString("| field | type | description |\n| --- | --- | --- |\n")
			writeFields(&out, "", properties)
		}
	}
	return out.String()
}

// writeFields writes a row for each field of an object and for those below it.
func writeFields(out *strings.Builder, prefix string, object apiextensionsv1.JSONSchemaProps) {
	for _, name := range slices.Sorted(maps.Keys(object.Properties)) {
		field := object.Properties[name]
		path := prefix + name
		fmt.Fprintf(out, "| `%s` | %s | %s |\n", path, typeOf(field), describe(field, slices.Contains(object.Required, name)))
		switch {
		case len(field.Properties) > 0:
			writeFields(out, path+".", field)
		case field.Items != nil && field.Items.Schema != nil && len(field.Items.Schema.Properties) > 0:
			writeFields(out, path+"[].", *field.Items.Schema)
		}
	}
}

func typeOf(field apiextensionsv1.JSONSchemaProps) string {
	switch {
	case field.Type == "array" && field.Items != nil && field.Items.Schema != nil:
		return "list of " + typeOf(*field.Items.Schema)
	case field.Format != "" && field.Type == "string":
		return field.Format
	default:
		return field.Type
	}
}

// describe is the description with what the API server checks.
func describe(field apiextensionsv1.JSONSchemaProps, required bool) string {
	parts := []string{strings.Join(strings.Fields(field.Description), " ")}
	if required {
		parts = append(parts, "**Required.**")
	}
	if limits := limitsOf(field); len(limits) > 0 {
		parts = append(parts, "("+strings.Join(limits, "; ")+")")
	}
	for _, rule := range field.XValidations {
		parts = append(parts, "Rule: "+rule.Message+".")
	}
	return strings.ReplaceAll(strings.TrimSpace(strings.Join(parts, " ")), "|", "\\|")
}

func limitsOf(field apiextensionsv1.JSONSchemaProps) []string {
	var limits []string
	if values := enumOf(field); len(values) > 0 {
		limits = append(limits, "one of "+strings.Join(values, ", "))
	}
	if field.Items != nil && field.Items.Schema != nil {
		if values := enumOf(*field.Items.Schema); len(values) > 0 {
			limits = append(limits, "of "+strings.Join(values, ", "))
		}
	}
	if field.Minimum != nil || field.Maximum != nil {
		limits = append(limits, strings.TrimSpace(bound("from %.0f", field.Minimum)+" "+bound("to %.0f", field.Maximum)))
	}
	if field.MaxLength != nil {
		limits = append(limits, fmt.Sprintf("at most %d characters", *field.MaxLength))
	}
	if field.MaxItems != nil {
		limits = append(limits, fmt.Sprintf("at most %d", *field.MaxItems))
	}
	if field.Pattern != "" {
		limits = append(limits, "pattern `"+field.Pattern+"`")
	}
	return limits
}

func bound(format string, value *float64) string {
	if value == nil {
		return ""
	}
	return fmt.Sprintf(format, *value)
}

func enumOf(field apiextensionsv1.JSONSchemaProps) []string {
	values := make([]string, len(field.Enum))
	for i, value := range field.Enum {
		values[i] = "`" + strings.Trim(string(value.Raw), `"`) + "`"
	}
	return values
}

func writeRules(out *strings.Builder, object apiextensionsv1.JSONSchemaProps) {
	for _, rule := range object.XValidations {
		fmt.Fprintf(out, "Rule: %s.\n\n", rule.Message)
	}
}
