// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind says what an error means for what happens next. The values are fit for condition reasons.
type Kind string

const (
	// Unreachable: no connection, or one that broke (name, route, TLS, refused, reset).
	Unreachable Kind = "Unreachable"
	// Timeout: no answer in time, or the caller gave up waiting.
	Timeout Kind = "Timeout"
	// RateLimited: the app, or our own limiter for it, asks to wait. RetryAfter says how long; zero means that the app did not say.
	RateLimited Kind = "RateLimited"
	// Credentials: the app does not accept the token. A person has to replace it.
	Credentials Kind = "Credentials"
	// Forbidden: the token is known but may not do this (plan, permission). Needs a person.
	Forbidden Kind = "Forbidden"
	// NoSeats: the app takes no further active account, because its plan has no seat or licence left. Every create and reactivation fails the same way until a
	// person buys seats or an account is deactivated; other calls work.
	NoSeats Kind = "NoSeats"
	// NotFound: the account, the group, or (for calls without an id) the endpoint does not exist.
	NotFound Kind = "NotFound"
	// Conflict: another account or group holds the name.
	Conflict Kind = "Conflict"
	// Invalid: the app refuses the data of this account or group. Needs a person; repeating does not help.
	Invalid Kind = "Invalid"
	// Unsupported: the app does not have this function, or its profile says so. Never repeated.
	Unsupported Kind = "Unsupported"
	// ServerError: the app failed on its side (5xx).
	ServerError Kind = "ServerError"
	// Unconfirmed: the app says that it created an account or group and does not say which, and one lookup did not show it yet. It is to be looked up again.
	Unconfirmed Kind = "Unconfirmed"
	// UnusableAnswer: the app answers as the protocol promises, but with something that cannot be kept of this one account or group, such as an id that is longer
	// than MaxIDLength. Repeating does not help; a write has taken effect.
	UnusableAnswer Kind = "UnusableAnswer"
	// UnexpectedAnswer: the answer is not what the protocol promises (no JSON, a success whose body is no resource or list, a redirect to elsewhere, too large, an
	// incomplete listing). On a credential test the base URL is the likely cause.
	UnexpectedAnswer Kind = "UnexpectedAnswer"
)

// Scope says how far an error reaches.
type Scope string

const (
	// ScopeApp: every call to the app is likely to fail the same way; it belongs on the app, not on its accounts.
	ScopeApp Scope = "App"
	// ScopeAccount: it concerns the one account or group of the call.
	ScopeAccount Scope = "Account"
)

// Operations: the method of Connector that failed, as Error.Op and as the label of observations.
const (
	OpTest        = "Test"
	OpFindUsers   = "FindUsers"
	OpListUsers   = "ListUsers"
	OpGetUser     = "GetUser"
	OpCreateUser  = "CreateUser"
	OpUpdateUser  = "UpdateUser"
	OpSetActive   = "SetActive"
	OpDeleteUser  = "DeleteUser"
	OpFindGroups  = "FindGroups"
	OpGetGroup    = "GetGroup"
	OpCreateGroup = "CreateGroup"
	OpUpdateGroup = "UpdateGroup"
	OpDeleteGroup = "DeleteGroup"
)

// Error is how a call to an app fails. Its text is safe to show in status and logs: it holds our own words, no text of the app, no personal value and no
// credential. What the app said is for the status of the one user or group concerned, see For.
type Error struct {
	Kind Kind
	// Op is the operation that failed, one of the Op constants.
	Op string
	// Status is the HTTP status, 0 where there was no answer.
	Status int
	// ScimType is the detail error keyword of RFC 7644 table 9; empty where the app gave none or another one.
	ScimType string
	// RetryAfter is how long the app asks to wait, 0 where it does not say.
	RetryAfter time.Duration
	// OwnLimit: RateLimited by the limit set for the app; the app was not asked.
	OwnLimit bool
	// Detail explains in our own words. It holds neither text of the app nor a personal value; where the base URL may be wrong, it names that and the content type.
	Detail string
	// AppText is what the app said, at most MaxAppText bytes. It is as the app gave it, but for the credential: show For in its place.
	AppText string
	// Sent is true when the request, or a part of it, may have reached the app.
	Sent bool
	// Attributes are the paths of the request that the app names in its refusal, in no more than a best reading of its words: those that it does not take, or that
	// belong to another account already (Conflict). Empty where it names none. They are paths of the request as it was made (userName, name.givenName, URN:department;
	// displayName, externalId and members of a group), never text of the app, and may be shown.
	Attributes []string
	// Refused are the members that the app takes neither in nor out of a group (UpdateGroup). Everything else of the change was written.
	Refused []Member
	// InProtocol is true when the app refused in the error form of its protocol (RFC 7644 3.12), which a proxy or a login page does not speak.
	InProtocol bool
	// Err is the cause, for errors.Is. Its text may hold personal values and is not part of Error's text.
	Err error
	// values of the request, which For takes out of AppText.
	values []string
}

// Error implements error. It is the summary, so that logs stay free of personal values.
func (e *Error) Error() string { return e.Summary() }

// Summary returns the operation, the kind, the HTTP status, the scimType and our own words.
func (e *Error) Summary() string {
	var text strings.Builder
	text.WriteString(e.Op)
	if text.Len() > 0 {
		text.WriteString(": ")
	}
	text.WriteString(string(e.Kind))
	switch {
	case e.Status != 0 && e.ScimType != "":
		fmt.Fprintf(&text, " (status %d, %s)", e.Status, e.ScimType)
	case e.Status != 0:
		fmt.Fprintf(&text, " (status %d)", e.Status)
	}
	if e.Detail != "" {
		text.WriteString(": " + e.Detail)
	}
	return text.String()
}

// For returns the summary and what the app said, for the status of the user or group that the call was about. values are all values of that user, numbers as
// their decimal text. Neither they nor the values of the request survive, nor what looks like an e-mail address or a number of four digits or more.
func (e *Error) For(values []string) string {
	text := redact(e.AppText, append(slices.Clone(values), e.values...))
	if text == "" {
		return e.Summary()
	}
	return e.Summary() + appSays + text
}

// appSays comes before the words of the app.
const appSays = "; the app says: "

// WithoutAppText returns what For gave without the words of the app: for logs and events.
func WithoutAppText(message string) string {
	ours, _, _ := strings.Cut(message, appSays)
	return ours
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Scope says whether the app as a whole or one account is concerned. NoSeats concerns every create, but the app works otherwise, and a deactivation frees a seat:
// hence the account. A server error counts as the app's: a caller that sees one account fail again and again
// while others succeed knows better.
func (e *Error) Scope() Scope {
	switch e.Kind {
	case Conflict, UnusableAnswer, Unconfirmed, NoSeats:
		return ScopeAccount
	case Invalid:
		if e.Op == OpTest || e.Op == OpListUsers {
			return ScopeApp
		}
		return ScopeAccount
	case NotFound:
		if e.addressesOne() {
			return ScopeAccount
		}
		return ScopeApp
	default:
		return ScopeApp
	}
}

// Retriable is true where repeating the same call later may succeed without a person doing anything.
func (e *Error) Retriable() bool {
	switch e.Kind {
	case Unreachable, Timeout, RateLimited, ServerError, UnexpectedAnswer, Unconfirmed:
		return true
	default:
		return false
	}
}

// UnknownOutcome is true where a write may have taken effect although the call failed: look before repeating it.
func (e *Error) UnknownOutcome() bool {
	if !e.Sent || !isWrite(e.Op) {
		return false
	}
	switch e.Kind {
	case Unreachable, Timeout, UnexpectedAnswer, UnusableAnswer, Unconfirmed:
		return true
	case ServerError:
		// 503 says that the request was not handled (RFC 9110 15.6.4); the other server errors do not say.
		return e.Status != 503
	default:
		return false
	}
}

func (e *Error) addressesOne() bool {
	switch e.Op {
	case OpGetUser, OpUpdateUser, OpSetActive, OpDeleteUser, OpGetGroup, OpUpdateGroup, OpDeleteGroup:
		return true
	default:
		return false
	}
}

func isWrite(op string) bool {
	switch op {
	case OpCreateUser, OpUpdateUser, OpSetActive, OpDeleteUser, OpCreateGroup, OpUpdateGroup, OpDeleteGroup:
		return true
	default:
		return false
	}
}

// AsError returns err as *Error, or nil when it is none.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// KindOf returns the kind of err, "" when it is no *Error.
func KindOf(err error) Kind {
	if e := AsError(err); e != nil {
		return e.Kind
	}
	return ""
}

// Is reports whether err is an *Error of that kind.
func Is(err error, kind Kind) bool { return KindOf(err) == kind }
