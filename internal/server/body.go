// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"mime"
	"net/http"
	"os"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// readBody reads the body of a request to write something, within the limit for the endpoint.
func (h *handler) readBody(e *exchange) ([]byte, error) {
	if err := checkContentType(e.request.Header); err != nil {
		return nil, err
	}
	limit, tooLarge := h.bodyLimit(e.target)
	if e.request.ContentLength > limit {
		return nil, tooLarge
	}
	body, err := h.readAll(e, http.MaxBytesReader(e.writer, e.request.Body, limit), e.request.ContentLength, limit)
	var over *http.MaxBytesError
	var busy *unavailable
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &busy):
		return nil, err
	case errors.As(err, &over):
		return nil, tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, scim.NewError(http.StatusRequestTimeout, "the body of the request did not arrive in time")
	}
	return nil, scim.NewError(http.StatusBadRequest, "the body of the request did not arrive whole")
}

// bodyLimit is the largest body, in bytes, and the error for a larger one. RFC 7644 3.7.4 wants the limit of a bulk request named.
func (h *handler) bodyLimit(t target) (limit int64, tooLarge *scim.Error) {
	limit = h.limits.UserBody
	switch t.endpoint {
	case endpointGroups:
		limit = h.limits.GroupBody
	case endpointBulk:
		limit = h.limits.BulkBody
		return limit, scim.NewError(http.StatusRequestEntityTooLarge, "the body of the bulk request is larger than maxPayloadSize, which is %d bytes: send several requests", limit)
	}
	return limit, scim.NewError(http.StatusRequestEntityTooLarge, "the body of the request is larger than the limit of %d bytes: send less at once", limit)
}

// checkContentType accepts the two media types of RFC 7644 3.1 and 8.1, with any parameters, and a missing one, which is taken for application/scim+json.
func checkContentType(header http.Header) error {
	if encoding := header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return scim.NewError(http.StatusUnsupportedMediaType, "the header Content-Encoding is not supported: send the body as it is")
	}
	value := header.Get("Content-Type")
	if value == "" {
		return nil
	}
	// A parameter that is malformed changes nothing about the type.
	mediaType, _, err := mime.ParseMediaType(value)
	if (err == nil || errors.Is(err, mime.ErrInvalidMediaParameter)) && (mediaType == "application/scim+json" || mediaType == "application/json") {
		return nil
	}
	return scim.NewError(http.StatusUnsupportedMediaType, "the header Content-Type has to be application/scim+json or application/json")
}
