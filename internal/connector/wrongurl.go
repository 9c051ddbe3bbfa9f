// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// whatAnswered says what the base URL answered that is not SCIM, and what to check. It holds no text of the app but a well-formed content type.
func (h *HTTP) whatAnswered(answer *http.Response) string {
	return fmt.Sprintf("the base URL %s answered with status %d and %s; check that spec.scim.baseURL is the SCIM base URL of the app, to the letter "+
		"(many end in /scim/v2), and not its web page or a proxy", h.options.BaseURL, answer.StatusCode, contentType(answer.Header))
}

// contentType is the content type of an answer, as far as it is one.
func contentType(header http.Header) string {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789/+-."
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || len(media) > 64 || strings.Trim(media, allowed) != "" {
		return "no content type"
	}
	return "content type " + media
}

// isJSON reports whether an answer says that it is JSON, or nothing.
func isJSON(header http.Header) bool {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err != nil || media == "application/json" || strings.HasSuffix(media, "+json")
}
