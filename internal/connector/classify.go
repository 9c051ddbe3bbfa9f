// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/scim-operator/scim-operator/internal/egress"
)

// classify turns an answer that is no success into an error. Signals of the app's profile come before the meaning of the status.
func classify(op string, status int, header http.Header, body []byte, signals []Signal, now time.Time) *Error {
	e := &Error{Op: op, Status: status, Kind: statusKind(status), ScimType: scimType(body), InProtocol: inProtocol(body), Sent: true}
	if status == http.StatusBadRequest && e.ScimType == "uniqueness" {
		// RFC 7644 3.3 wants 409 for it; not everyone obeys.
		e.Kind = Conflict
	}
	if e.RetryAfter = retryAfter(status, header, body, now); status == http.StatusForbidden && e.RetryAfter > 0 {
		// Roambi and GitHub refuse what is too much with 403.
		e.Kind = RateLimited
	}
	lower := strings.ToLower(string(body))
	for _, signal := range signals {
		if signal.matches(op, status, lower) {
			e.Kind = signal.Kind
			break
		}
	}
	return e
}

// inProtocol reports whether an error has the form of RFC 7644 3.12. Common Room names its schema otherwise.
func inProtocol(body []byte) bool {
	var answer struct {
		Schemas []string `json:"schemas"`
	}
	return json.Unmarshal(body, &answer) == nil && slices.ContainsFunc(answer.Schemas, IsErrorSchema)
}

// IsErrorSchema reports whether a schema is that of an error.
func IsErrorSchema(schema string) bool {
	const standard, commonRoom = "urn:ietf:params:scim:api:messages:2.0:Error", "urn:ietf:params:scim:schemas:core:2.0:Error"
	return strings.EqualFold(schema, standard) || strings.EqualFold(schema, commonRoom)
}

func statusKind(status int) Kind {
	switch status {
	case http.StatusUnauthorized:
		return Credentials
	case http.StatusForbidden, http.StatusPaymentRequired:
		return Forbidden
	case http.StatusNotFound, http.StatusGone:
		return NotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return Conflict
	case http.StatusTooManyRequests:
		return RateLimited
	case http.StatusRequestTimeout:
		return Timeout
	case http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType, http.StatusNotImplemented:
		return Unsupported
	}
	switch {
	case status >= 500:
		return ServerError
	case status >= 400:
		return Invalid
	default:
		return UnexpectedAnswer
	}
}

// transportError turns a failure without an answer into an error.
func transportError(op string, err error, sent bool) *Error {
	e := &Error{Op: op, Kind: Unreachable, Sent: sent, Err: err, Detail: describe(err)}
	var timeout net.Error
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		e.Kind = Timeout
	}
	return e
}

// describe explains a transport failure in words that do not change from try to try (no local ports, no times of day) and hold nothing of the request or the
// answer: net/http puts the URL, and with it the filter's value, or a malformed answer into its errors.
func describe(err error) string {
	var (
		dns         *net.DNSError
		op          *net.OpError
		certificate x509.CertificateInvalidError
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		denied      *egress.DeniedError
		invalid     *tls.CertificateVerificationError
		noTLS       tls.RecordHeaderError
		alert       tls.AlertError
		number      syscall.Errno
	)
	switch {
	case errors.As(err, &denied):
		return denied.Error()
	case errors.Is(err, context.Canceled):
		return "the call was cancelled"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &certificate) && certificate.Reason == x509.Expired:
		return "the server's certificate has expired or is not yet valid"
	case errors.As(err, &authority):
		return "the server's certificate is signed by an unknown authority"
	case errors.As(err, &hostname):
		return "the server's certificate is for another host name"
	case errors.As(err, &dns):
		return "the host name does not resolve"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed without an answer"
	case errors.As(err, &noTLS), errors.Is(err, http.ErrSchemeMismatch):
		return "the server does not speak TLS on this port"
	case errors.As(err, &alert):
		return "the server ends the TLS handshake: " + alert.Error()
	case errors.As(err, &invalid):
		return "the server's certificate is not valid"
	case errors.As(err, &number):
		return number.Error()
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy does not connect to the server"
	default:
		return "the connection failed, or the answer is not HTTP"
	}
}
