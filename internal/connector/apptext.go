// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
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

// appText returns the app's explanation of an error, bounded and without the secret.
func appText(body []byte, secret string) string {
	text := explanation(body)
	if secret != "" {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	if len(text) > MaxAppText {
		text = strings.ToValidUTF8(text[:MaxAppText], "")
	}
	return text
}

// explanation returns the app's explanation of an error, "" where the body has none in a form that is known: SCIM's detail (RFC 7644 3.12), message and errors
// (4me), reason (Common Room), error_description and error (OAuth), Errors.description (Slack), meta.message (Robin), msg, and text that is no JSON.
func explanation(body []byte) string {
	var answer map[string]any
	if json.Unmarshal(body, &answer) != nil {
		return plainText(body)
	}
	text := firstText(answer, "detail", "message", "error_description", "reason", "error", "msg", "title")
	for _, name := range []string{"errors", "detail"} {
		if list, ok := answer[name].([]any); ok {
			text = joinNonEmpty(text, listedErrors(list))
		}
	}
	for _, name := range []string{"Errors", "errors", "error", "meta"} {
		if nested, ok := answer[name].(map[string]any); ok && text == "" {
			text = cmp.Or(firstText(nested, "description", "message", "detail", "status_message"), fieldTexts(nested))
		}
	}
	return text
}

// plainText returns a body that is text and no page.
func plainText(body []byte) string {
	text := strings.TrimSpace(string(body))
	if !utf8.ValidString(text) || strings.HasPrefix(text, "<") || strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return ""
	}
	return text
}

// firstText returns the first of the fields that is a text.
func firstText(object map[string]any, names ...string) string {
	for _, name := range names {
		if value, ok := object[name].(string); ok && value != "" {
			return value
		}
	}
	return ""
}

// listedErrors renders a list of errors: texts, 4me's [field, text], or objects.
func listedErrors(list []any) string {
	var texts []string
	for _, item := range list {
		switch v := item.(type) {
		case string:
			texts = append(texts, v)
		case []any:
			texts = append(texts, words(v))
		case map[string]any:
			field := strings.Join(fieldNames(nil, v), " ")
			if text := firstText(v, "detail", "message", "msg", "description", "title"); text != "" {
				texts = append(texts, joinNonEmpty(field, text))
			}
		}
	}
	return strings.Join(texts, ", ")
}

// fieldTexts renders errors by their fields: {"title": ["is too long"]}.
func fieldTexts(errors map[string]any) string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(errors)) {
		switch v := errors[name].(type) {
		case string:
			texts = append(texts, name+" "+v)
		case []any:
			texts = append(texts, name+" "+words(v))
		}
	}
	return strings.Join(texts, ", ")
}

// words joins the texts of a list.
func words(list []any) string {
	var words []string
	for _, item := range list {
		if word, ok := item.(string); ok {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

func joinNonEmpty(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ": " + b
}
