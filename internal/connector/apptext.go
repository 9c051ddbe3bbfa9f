// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"encoding/json"
	"strings"
)

// MaxAppText bounds, in bytes, what is kept of an app's explanation of an error.
const MaxAppText = 16 << 10

// scimTypes are the detail error keywords of RFC 7644 table 9. Anything else that stands there is text of the app.
var scimTypes = []string{
	"invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget", "invalidValue", "invalidVers", "sensitive",
}

// scimType returns the keyword of an error's body, "" where it has none of the known ones.
func scimType(body []byte) string {
	var answer struct {
		ScimType string `json:"scimType"`
	}
	_ = json.Unmarshal(body, &answer) // a body that is no SCIM error has no scimType
	for _, known := range scimTypes {
		if strings.EqualFold(answer.ScimType, known) {
			return known
		}
	}
	return ""
}

// appText returns the app's explanation of an error, "" where the body has none in a form that is known: SCIM's detail (RFC 7644 3.12), message and errors
// (4me), reason (Common Room), error_description and error (OAuth), Errors.description (Slack). The secret is taken out.
func appText(body []byte, secret string) string {
	var answer map[string]any
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	text := ""
	for _, name := range []string{"detail", "message", "error_description", "reason", "error"} {
		if value, ok := answer[name].(string); ok && value != "" {
			text = value
			break
		}
	}
	if pairs, ok := answer["errors"].([]any); ok {
		text = joinNonEmpty(text, fieldErrors(pairs))
	}
	if nested, ok := answer["Errors"].(map[string]any); ok && text == "" {
		text, _ = nested["description"].(string)
	}
	if secret != "" {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	if len(text) > MaxAppText {
		text = strings.ToValidUTF8(text[:MaxAppText], "")
	}
	return text
}

// fieldErrors renders 4me's list of [field, text].
func fieldErrors(pairs []any) string {
	var texts []string
	for _, pair := range pairs {
		parts, ok := pair.([]any)
		if !ok {
			continue
		}
		var words []string
		for _, part := range parts {
			if word, ok := part.(string); ok {
				words = append(words, word)
			}
		}
		texts = append(texts, strings.Join(words, " "))
	}
	return strings.Join(texts, ", ")
}

func joinNonEmpty(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ": " + b
}
