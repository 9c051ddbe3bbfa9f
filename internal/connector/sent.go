// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSentBytes bounds the work of finding the values of a request. A larger body is a group's; its error goes without the app's words.
const maxSentBytes = 1 << 20

// notPersonal are the keys of a SCIM body whose values are part of the protocol.
var notPersonal = map[string]bool{"schemas": true, "op": true, "type": true, "operation": true}

// names are the attributes whose words are a person's names, each of which says something by itself.
var names = wordSet("displayName formatted familyName givenName middleName nickName")

// commonWords are no names, wherever they stand.
var commonWords = wordSet("the and of for to in on at is not user account admin group team")

// inQuotes finds the values in a path such as members[value eq "2819c223"].
var inQuotes = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)

// sentValues collects the values of a request's body that may be personal; false where it is too large for that.
func sentValues(body []byte) ([]string, bool) {
	if len(body) == 0 {
		return nil, true
	}
	if len(body) > maxSentBytes {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var decoded any
	if decoder.Decode(&decoded) != nil {
		return nil, false
	}
	return Personal(decoded), true
}

// Personal returns what must not be shown of a JSON value, such as a user or the attributes of an account: its strings and numbers as text, and the words of names.
func Personal(value any) []string { return leaves(nil, "", value) }

// leaves appends the strings and numbers below a value, which stands at key.
func leaves(values []string, key string, node any) []string {
	switch v := node.(type) {
	case map[string]any:
		path, _ := v["path"].(string)
		if _, isOperation := v["op"]; !isOperation {
			path = ""
		}
		for name, inner := range v {
			switch {
			case notPersonal[name]:
			case name == "path" && path != "":
				for _, match := range inQuotes.FindAllStringSubmatch(path, -1) {
					values = append(values, match[1])
				}
			case name == "value" && path != "":
				values = leaves(values, path, inner)
			default:
				values = leaves(values, name, inner)
			}
		}
	case Attributes:
		return leaves(values, key, map[string]any(v))
	case []any:
		for _, inner := range v {
			values = leaves(values, key, inner)
		}
	case string:
		values = append(values, v)
		if names[leaf(key)] {
			values = append(values, nameParts(v)...)
		}
	case json.Number:
		values = append(values, v.String())
	case float64:
		values = append(values, strconv.FormatFloat(v, 'f', -1, 64))
	case nil, bool:
	default:
		values = append(values, fmt.Sprint(v))
	}
	return values
}

// nameParts returns the words of a person's name that are written in capitals: not the "van" or "de".
func nameParts(name string) []string {
	parts := strings.FieldsFunc(name, func(r rune) bool { return !isWord(r) })
	return slices.DeleteFunc(parts, func(part string) bool {
		first, _ := utf8.DecodeRuneInString(part)
		return unicode.IsLower(first) || commonWords[strings.ToLower(part)]
	})
}
