// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// retrySeconds is the Retry-After of a 503. Okta obeys whole seconds only.
const retrySeconds = 5

// unavailable is an error of what the endpoint itself needs, whatever its kind.
type unavailable struct {
	cause error
	// retryAfter is when to come back, in whole seconds; retrySeconds where it is 0.
	retryAfter int
}

func (e *unavailable) Error() string { return e.cause.Error() }
func (e *unavailable) Unwrap() error { return e.cause }

// methodNotAllowed is an error that tells which methods there are.
type methodNotAllowed struct{ method, allow string }

func (e *methodNotAllowed) Error() string { return "method not allowed" }

// versionInBase finds the version of the protocol in a base URL, whatever stands before it.
var versionInBase = regexp.MustCompile(`/scim/(v[0-9.]+)(?:/|$)`)

// outsideBase is the error for a path that is below no client's base URL. RFC 7644 3.13 has invalidVers for a version that the service does not speak.
func outsideBase(escapedPath string) error {
	if found := versionInBase.FindStringSubmatch(escapedPath); found != nil && found[1] != "v2" {
		return scim.InvalidVers("this service speaks version 2 of SCIM alone: the base URL of a client is https://<host>/<namespace>/<ScimClient>/scim/v2")
	}
	return scim.NewError(http.StatusNotFound, "there is nothing here: the base URL of a client is https://<host>/<namespace>/<ScimClient>/scim/v2")
}

// errorResponse turns any error into the answer that a client gets. Only *scim.Error is meant for its eyes.
func errorResponse(err error, requestID string) *response {
	var se *scim.Error
	var slow *slowDown
	var method *methodNotAllowed
	var later *directory.UnavailableError
	retryAfter := retrySeconds
	switch {
	case errors.As(err, &later):
		se, retryAfter = withRequestID(later.Err, requestID), wholeSeconds(later.RetryAfter)
	case errors.As(err, &method):
		se = scim.NewError(http.StatusMethodNotAllowed, "%s is not possible here; possible are %s", method.method, method.allow)
		return &response{status: se.Status, body: se, header: http.Header{"Allow": {method.allow}}}
	case errors.As(err, &slow):
		se = scim.NewError(http.StatusTooManyRequests, "%swait %d seconds%s", slow.why, slow.seconds, slow.then)
		return &response{status: se.Status, body: se, header: http.Header{"Retry-After": {strconv.Itoa(slow.seconds)}}}
	case errors.As(err, &se):
		if se.Status == http.StatusInternalServerError || se.Status == http.StatusServiceUnavailable {
			se = withRequestID(se, requestID)
		}
	case isUnavailable(err):
		var own *unavailable
		if errors.As(err, &own) && own.retryAfter > 0 {
			retryAfter = own.retryAfter
		}
		se = withRequestID(scim.NewError(http.StatusServiceUnavailable, "the request could not be finished just now, and may be sent again"), requestID)
	default:
		se = withRequestID(scim.NewError(http.StatusInternalServerError, "internal error"), requestID)
	}
	header := http.Header{}
	switch se.Status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", `Bearer realm="scim"`)
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	return &response{status: se.Status, body: se, header: header}
}

// withRequestID adds what an administrator needs to find the cause in the operator's log.
func withRequestID(e *scim.Error, requestID string) *scim.Error {
	return scim.NewError(e.Status, "%s (the operator's log has the cause under request id %s)", e.Detail, requestID)
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }

// isUnavailable tells trouble that passes from faults.
func isUnavailable(err error) bool {
	var own *unavailable
	var network net.Error
	return errors.As(err, &own) || errors.As(err, &network) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) || apierrors.IsConflict(err)
}

// loggable is the part of an error that may stand in a log: messages of the API server, URLs of requests to it and errors of encoding/json can hold names and values
// of users.
func loggable(err error) string {
	var request *url.Error
	var status apierrors.APIStatus
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var marshaler *json.MarshalerError
	var value *json.UnsupportedValueError
	switch {
	case errors.As(err, &syntax), errors.As(err, &kind), errors.As(err, &marshaler), errors.As(err, &value):
		return "JSON that cannot be read or written"
	case errors.As(err, &status):
		return fmt.Sprintf("the API server answered %d %s", status.Status().Code, status.Status().Reason)
	case errors.As(err, &request):
		return "no answer from the API server: " + request.Err.Error()
	}
	return err.Error()
}
