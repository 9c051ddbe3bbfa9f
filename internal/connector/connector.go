// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package connector is the border between the operator and the apps whose accounts it manages: what an app can be asked to do, in words that fit every
// protocol, and how it refuses. It knows neither Kubernetes nor who should have what.
package connector

import (
	"context"
	"time"
)

// Attributes are the wanted values of an account, as a flat map from SCIM path to JSON value (string, bool, float64, []any, map[string]any, or nil).
//
// Paths name an attribute ("userName"), a sub-attribute ("name.givenName") or an attribute of an extension by its URN
// ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"). A multi-valued attribute is always the whole list:
// "emails": []any{map[string]any{"value": "a@corp.test", "type": "work", "primary": true}}. A nil value means that the account shall not have the attribute.
type Attributes map[string]any

// MaxIDLength is the largest size of an id, in bytes of JSON. An account or group whose id is longer, or has control characters, is an error of kind UnusableAnswer:
// it would not fit into a status.
const MaxIDLength = 512

// MaxTextLength is the largest length in characters of the names and external ids that are kept of an answer, see BoundText. A userName or displayName of the directory
// has as many at most.
const MaxTextLength = 1024

// BoundText cuts a text of the app to MaxTextLength. Compare it with a text that is cut as well.
func BoundText(text string) string {
	if len(text) <= MaxTextLength {
		return text
	}
	n := 0
	for i := range text {
		if n == MaxTextLength {
			return text[:i]
		}
		n++
	}
	return text
}

// User is an account as the app shows it.
type User struct {
	// ID is the app's own identifier, the one to address the account by; a number is given as its decimal text.
	ID string
	// UserName and ExternalID are cut to MaxTextLength; Attributes has them in full.
	UserName   string
	ExternalID string
	// Active is true for an app that does not show the attribute: RFC 7643 leaves the meaning to the service provider.
	Active bool
	// ActiveShown is true if the answer carried active, so that Active is what the app answered.
	ActiveShown bool
	// Attributes is the nested JSON object as the app gave it; nil where the app answered a write without a body, and then only ID and Active are set.
	Attributes map[string]any
}

// Group is a group as the app shows it.
type Group struct {
	ID string
	// DisplayName and ExternalID are cut to MaxTextLength.
	DisplayName string
	ExternalID  string
	Members     []Member
	// MembersKnown is false where the app did not show the members, so that an absent list is not taken for an empty one.
	MembersKnown bool
}

// Member refers to an account of the same app by its ID.
type Member struct {
	ID      string
	Display string
}

// Change is a change of an account's attributes.
type Change struct {
	// Set holds the values that differ; a nil value clears.
	Set Attributes
	// Clear names attributes to be taken away.
	Clear []string
	// Full is everything that is mapped, for apps whose update takes the whole account. Set wins over Full, Clear over both.
	Full Attributes
}

// GroupChange is a change of a group.
type GroupChange struct {
	// DisplayName renames the group; empty leaves the name alone.
	DisplayName string
	// Add and Remove change the membership and leave other members alone. There are apps that list a member twice when one is added that is there already, so after
	// an unknown outcome the group is to be read first.
	Add, Remove []Member
	// Want is the whole membership. It is used in place of Add and Remove where the app can only replace and does not show its members, and wherever Add and
	// Remove are empty. nil means that the membership is not to be replaced; an empty list takes every member out.
	Want []Member
	// Hidden says that what the app shows of the members is not all of them: where the membership can only be replaced, Want is written, and nothing is taken from
	// what the app shows.
	Hidden bool
}

// MaxFound is the largest number of accounts or groups that a lookup returns.
const MaxFound = 100

// MaxMembers is the largest number of members that a group is read with.
const MaxMembers = 200_000

// Connector talks to one app. Its methods may be called concurrently. Each error is an *Error; each call counts against the app's limits.
type Connector interface {
	// Test checks address and credentials without side effects (S39, S59, S93).
	Test(ctx context.Context) error

	// FindUsers returns the accounts whose attribute (a path as in Attributes) equals value, at most MaxFound; letter case matters no more to the connector than
	// it does to the app. None is not an error.
	FindUsers(ctx context.Context, attribute, value string) ([]User, error)
	// ListUsers yields each account that the app lists. It returns nil only when the whole listing was seen: a partial listing is an error, never a short
	// success. An error of yield ends the listing and is returned as it is. yield is called while the answer arrives, within the time limit of the request. An
	// account whose id is unusable is left out.
	ListUsers(ctx context.Context, yield func(User) error) error
	// GetUser returns an account, or an error of kind NotFound.
	GetUser(ctx context.Context, id string) (User, error)
	// CreateUser creates an account, active unless attributes say otherwise.
	CreateUser(ctx context.Context, attributes Attributes) (User, error)
	// UpdateUser makes a change with one write call (and one read before it where the app's update replaces the whole account). Attributes of the account that
	// are not part of the change stay as the app has them.
	UpdateUser(ctx context.Context, id string, change Change) (User, error)
	// SetActive switches an account on or off with one write call. Switching on brings the account to full as well, when full is not empty; switching off
	// changes nothing else.
	SetActive(ctx context.Context, id string, active bool, full Attributes) (User, error)
	// DeleteUser deletes an account. The error is of kind NotFound where the app says that it does not exist: the caller decides whether that is believed.
	DeleteUser(ctx context.Context, id string) error

	// FindGroups returns the groups of that name, as FindUsers compares.
	FindGroups(ctx context.Context, displayName string) ([]Group, error)
	GetGroup(ctx context.Context, id string) (Group, error)
	// CreateGroup creates a group with its members. group.ID is ignored.
	CreateGroup(ctx context.Context, group Group) (Group, error)
	// UpdateGroup changes a group. Members are removed before others are added, in requests of their own, so that a refused addition keeps nobody in the group. A
	// request that the app refuses is halved until the members are known that it does not take: everything else is written, and the error's Refused names them.
	UpdateGroup(ctx context.Context, id string, change GroupChange) (Group, error)
	// DeleteGroup deletes a group, with the errors of DeleteUser.
	DeleteGroup(ctx context.Context, id string) error

	// Close ends idle connections.
	Close()
}

// Batched is implemented by connectors that write the members of a group in requests of a limited size.
type Batched interface {
	// MembersPerRequest returns the largest number of members that the app has taken in one request after it refused more; 0 where it never did.
	MembersPerRequest() int
}

// Blocked is implemented by connectors that keep requests back because the app asked for it.
type Blocked interface {
	// BlockedUntil returns the moment before which the app asked for no request; zero where it never did. It may be in the past.
	BlockedUntil() time.Time
}
