// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	redacted  = "***"
	maxDetail = 256
)

var emailLike = regexp.MustCompile(`[^\s"'<>()\[\],;:=]+@[^\s"'<>()\[\],;:]+`)

// appDetail returns the app's explanation of an error, "" where the body has none in a form that is known: SCIM's detail (RFC 7644 3.12), message and errors
// (4me), reason (Common Room), error_description and error (OAuth), Errors.description (Slack).
func appDetail(body []byte) string {
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
	if scimType, ok := answer["scimType"].(string); ok && scimType != "" {
		text = joinNonEmpty(scimType, text)
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

// redact takes e-mail addresses and the given values out of a text, as well as control characters, and bounds its length.
func redact(text string, values []string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) > 16*maxDetail {
		text = strings.ToValidUTF8(text[:16*maxDetail], "")
	}
	text = emailLike.ReplaceAllString(text, redacted)
	values = slices.Clone(values)
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	for _, value := range slices.Compact(values) {
		text = redactValue(text, value)
	}
	if runes := []rune(text); len(runes) > maxDetail {
		text = string(runes[:maxDetail]) + "..."
	}
	return strings.TrimSpace(text)
}

// redactValue takes one value out, wherever it stands when it is long, as a word of its own when it is short: "Al" must not eat "already".
func redactValue(text, value string) string {
	value = strings.TrimSpace(value)
	if len([]rune(value)) < 2 {
		return text
	}
	quoted := regexp.QuoteMeta(value)
	if len([]rune(value)) > 4 {
		return regexp.MustCompile(`(?i)`+quoted).ReplaceAllLiteralString(text, redacted)
	}
	word := regexp.MustCompile(`(?i)(^|[^\pL\pN])` + quoted + `($|[^\pL\pN])`)
	// Twice, because neighbouring matches share the character between them.
	return word.ReplaceAllString(word.ReplaceAllString(text, "${1}"+redacted+"${2}"), "${1}"+redacted+"${2}")
}

// notPersonal are the keys of a SCIM body whose values are part of the protocol.
var notPersonal = map[string]bool{"schemas": true, "op": true, "path": true, "type": true, "members": true, "operation": true}

// maxSentValues bounds the work of redacting.
const maxSentValues = 200

// sentValues collects the strings of a request body that may be personal, and the words of names.
func sentValues(body any) []string {
	var values []string
	var walk func(value any)
	walk = func(value any) {
		if len(values) > maxSentValues {
			return
		}
		switch v := value.(type) {
		case map[string]any:
			for key, inner := range v {
				if !notPersonal[key] {
					walk(inner)
				}
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		case string:
			values = append(values, v)
			values = append(values, words(v)...)
		}
	}
	walk(body)
	return values
}

// words splits a name or the local part of an address, so that "Doe is taken" is redacted when "Jane Doe" was sent.
func words(value string) []string {
	local, _, _ := strings.Cut(value, "@")
	parts := strings.FieldsFunc(local, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	if len(parts) < 2 && local == value {
		return nil
	}
	return slices.DeleteFunc(parts, func(part string) bool { return len([]rune(part)) < 3 })
}
