// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"
	"testing"
)

func TestAnswerTypeFollowsAccept(t *testing.T) {
	for accept, want := range map[string]string{
		"": contentType, "*/*": contentType, "application/scim+json": contentType, "application/json": contentTypeJSON,
		"application/json; charset=utf-8": contentTypeJSON, "application/json, application/scim+json;q=0.5": contentType, "application/json, */*": contentType,
		"text/html": contentType, "application/xml;q=0.9": contentType, "text/html, application/json;q=0.1": contentTypeJSON, ";;": contentType,
	} {
		if got := answerType(http.Header{"Accept": {accept}}); got != want {
			t.Errorf("Accept %q: %q, want %q", accept, got, want)
		}
	}
}
