// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// ErrorSchema is the schema URN of a SCIM error body (RFC 7644 3.12).
const ErrorSchema = "urn:ietf:params:scim:api:messages:2.0:Error"

// ScimType is the detail error keyword of RFC 7644 3.12, table 9.
type ScimType string

// The keywords of RFC 7644 table 9. Uniqueness goes with status 409 (RFC 7644 3.3), Sensitive with 403, all others with 400.
const (
	ScimTypeInvalidFilter ScimType = "invalidFilter"
	ScimTypeTooMany       ScimType = "tooMany"
	ScimTypeUniqueness    ScimType = "uniqueness"
	ScimTypeMutability    ScimType = "mutability"
	ScimTypeInvalidSyntax ScimType = "invalidSyntax"
	ScimTypeInvalidPath   ScimType = "invalidPath"
	ScimTypeNoTarget      ScimType = "noTarget"
	ScimTypeInvalidValue  ScimType = "invalidValue"
	ScimTypeInvalidVers   ScimType = "invalidVers"
	ScimTypeSensitive     ScimType = "sensitive"
)

// Error is a SCIM error (RFC 7644 3.12). Detail is written for the administrator who reads it in the identity provider: it names the attribute, the reason,
// and where possible the remedy. It never holds an attribute's value.
type Error struct {
	// Status is the HTTP status code.
	Status int
	// ScimType is empty where RFC 7644 defines none for the status.
	ScimType ScimType
	// Detail is the text for a person.
	Detail string
	// Position is the byte in the request body, path or filter at which the error was found, counted from 1. 0 means that there is none. Detail names it too.
	Position int

	// reason is Detail without the position.
	reason string
}

// Error implements error.
func (e *Error) Error() string {
	if e.ScimType == "" {
		return fmt.Sprintf("%d: %s", e.Status, e.Detail)
	}
	return fmt.Sprintf("%d %s: %s", e.Status, e.ScimType, e.Detail)
}

// MarshalJSON gives the body of RFC 7644 3.12. The status is a JSON string there.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Schemas  []string `json:"schemas"`
		ScimType ScimType `json:"scimType,omitempty"`
		Detail   string   `json:"detail,omitempty"`
		Status   string   `json:"status"`
	}{[]string{ErrorSchema}, e.ScimType, e.Detail, strconv.Itoa(e.Status)})
}

// NewError is an error without scimType, for every status but 400.
func NewError(status int, format string, args ...any) *Error {
	return &Error{Status: status, Detail: fmt.Sprintf(format, args...)}
}

// InvalidFilter: the filter does not parse, or compares what cannot be compared. position counts from 1.
func InvalidFilter(position int, format string, args ...any) *Error {
	return located(ScimTypeInvalidFilter, "filter", position, format, args)
}

// InvalidPath: the path of a PATCH operation does not parse or names no attribute. position counts from 1.
func InvalidPath(position int, format string, args ...any) *Error {
	return located(ScimTypeInvalidPath, "path", position, format, args)
}

// InvalidSyntax: the body is not JSON or not the structure that RFC 7644 asks for.
func InvalidSyntax(format string, args ...any) *Error {
	return badRequest(ScimTypeInvalidSyntax, format, args)
}

// InvalidValue: a required value is missing, or a value does not fit its attribute.
func InvalidValue(format string, args ...any) *Error {
	return badRequest(ScimTypeInvalidValue, format, args)
}

// Mutability: the change is not allowed for the attribute (readOnly, immutable, or removal of a required one).
func Mutability(format string, args ...any) *Error {
	return badRequest(ScimTypeMutability, format, args)
}

// NoTarget: the path selects nothing that could be changed.
func NoTarget(format string, args ...any) *Error {
	return badRequest(ScimTypeNoTarget, format, args)
}

// TooMany: the filter gives more results than the server is willing to work through.
func TooMany(format string, args ...any) *Error {
	return badRequest(ScimTypeTooMany, format, args)
}

// InvalidVers: the SCIM protocol version asked for is not supported.
func InvalidVers(format string, args ...any) *Error {
	return badRequest(ScimTypeInvalidVers, format, args)
}

// Uniqueness: one of the values is taken. Status 409 by RFC 7644 3.3.
func Uniqueness(format string, args ...any) *Error {
	return &Error{Status: http.StatusConflict, ScimType: ScimTypeUniqueness, Detail: fmt.Sprintf(format, args...)}
}

// Sensitive: the request carries personal information in its URL. Status 403 by RFC 7644 7.5.2.
func Sensitive(format string, args ...any) *Error {
	return &Error{Status: http.StatusForbidden, ScimType: ScimTypeSensitive, Detail: fmt.Sprintf(format, args...)}
}

func badRequest(t ScimType, format string, args []any) *Error {
	return &Error{Status: http.StatusBadRequest, ScimType: t, Detail: fmt.Sprintf(format, args...)}
}

func located(t ScimType, what string, position int, format string, args []any) *Error {
	e := badRequest(t, format, args)
	e.Position = position
	e.reason = e.Detail
	if position > 0 {
		e.Detail = fmt.Sprintf("%s, position %d: %s", what, position, e.reason)
	}
	return e
}

// relocate turns an error that was found in a part of a text into one of the whole text, which begins offset bytes earlier.
func relocate(err error, t ScimType, what string, offset int) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return located(t, what, e.Position+offset, "%s", []any{e.reason})
}
