// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/rand"
	"net/http"
	"regexp"
)

// requestIDHeader carries the request id in both directions.
const requestIDHeader = "X-Request-Id"

// saneRequestID is what a proxy in front may give as the id of a request. It goes into logs, annotations and the answer.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID is the id that came with the request, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); saneRequestID.MatchString(id) {
		return id
	}
	return rand.Text()
}
