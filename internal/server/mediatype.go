// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"mime"
	"net/http"
	"strings"
)

// contentType of answers with a body (RFC 7644 3.1), and of those to a client that asks for the other type of 8.1 alone, as OneLogin does. Nobody is refused
// for what it accepts.
const (
	contentType     = "application/scim+json; charset=utf-8"
	contentTypeJSON = "application/json; charset=utf-8"
)

// answerType is the content type for a client. Whoever accepts application/json and neither application/scim+json nor everything gets that.
func answerType(header http.Header) string {
	plain := false
	for _, value := range header.Values("Accept") {
		for _, part := range strings.Split(value, ",") {
			mediaType, _, _ := mime.ParseMediaType(part) // a malformed one is none
			switch mediaType {
			case "application/json":
				plain = true
			case "application/scim+json", "application/*", "*/*":
				return contentType
			}
		}
	}
	if plain {
		return contentTypeJSON
	}
	return contentType
}
