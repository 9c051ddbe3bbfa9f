// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"io"
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
	limit := h.limits.UserBody
	if e.target.endpoint == endpointGroups {
		limit = h.limits.GroupBody
	}
	if e.request.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(e.writer, e.request.Body, limit))
	var over *http.MaxBytesError
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &over):
		return nil, tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, scim.NewError(http.StatusRequestTimeout, "the body of the request did not arrive in time")
	}
	return nil, scim.NewError(http.StatusBadRequest, "the body of the request did not arrive whole")
}

func tooLarge(limit int64) error {
	return scim.NewError(http.StatusRequestEntityTooLarge, "the body of the request is larger than the limit of %d bytes: send less at once", limit)
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
