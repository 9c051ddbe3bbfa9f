// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"bytes"
	"encoding/json"
	"regexp"
)

// maxSentBytes bounds the work of finding the values of a request. A larger body is a group's; its error goes without the app's words.
const maxSentBytes = 1 << 20

// notPersonal are the keys of a SCIM body whose values are part of the protocol.
var notPersonal = map[string]bool{"schemas": true, "op": true, "type": true, "operation": true}

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
	return leaves(nil, decoded), true
}

// leaves appends the strings and numbers below a value.
func leaves(values []string, node any) []string {
	switch v := node.(type) {
	case map[string]any:
		for key, inner := range v {
			path, isText := inner.(string)
			switch {
			case notPersonal[key]:
			case key == "path" && isText:
				for _, match := range inQuotes.FindAllStringSubmatch(path, -1) {
					values = append(values, match[1])
				}
			default:
				values = leaves(values, inner)
			}
		}
	case []any:
		for _, inner := range v {
			values = leaves(values, inner)
		}
	case string:
		values = append(values, v)
	case json.Number:
		values = append(values, v.String())
	}
	return values
}
