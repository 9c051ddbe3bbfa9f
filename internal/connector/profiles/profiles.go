// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package profiles holds, as data, how the apps deviate from RFC 7643 and RFC 7644 and from each other. A profile has no behaviour: the connector and the
// controllers read it.
package profiles

import (
	"maps"
	"slices"
	"time"

	"github.com/scim-operator/scim-operator/internal/connector"
)

// Features by their names in Okta's provisioning settings.
const (
	PushNewUsers         = "PushNewUsers"
	PushProfileUpdates   = "PushProfileUpdates"
	PushUserDeactivation = "PushUserDeactivation"
	ReactivateUsers      = "ReactivateUsers"
	PushGroups           = "PushGroups"
	GroupLinking         = "GroupLinking"
)

// Profile describes one vendor's app. The values are shared: do not change what Get returns through its slices and maps.
type Profile struct {
	// Name is the value of a ScimApp's profile field, Title the name for people.
	Name, Title string

	// Features the app can do, in Okta's order. Anything else is Unsupported.
	Features []string

	// DefaultBaseURL is used when the ScimApp names none; BaseURLRequired says that there is no default because it differs per tenant.
	DefaultBaseURL  string
	BaseURLRequired bool
	// BasePath completes a base URL that stops short of it (see connector.NormalizeBaseURL); empty takes the URL as it is.
	BasePath string
	// TenantInURL: the base URL names the tenant, so two ScimApps with one base URL manage the same accounts, and only one of them may write. Otherwise one URL
	// serves every tenant (Common Room; also Robin, Slack and Zoom), the credential names the tenant, and an equal base URL says nothing about it. Omni, like
	// most others, has its tenant in the URL.
	TenantInURL bool

	// RequiredAttributes have to have a value before the app is called (paths as in connector.Attributes).
	RequiredAttributes []string
	// Attributes is the default mapping.
	Attributes []Attribute
	// KeepsExternalID: the app keeps the externalId of an account. Each create carries the user's SCIM id there, so that an account whose create was answered
	// to nobody is known as our own. It is never changed later: another one may have put it there.
	KeepsExternalID bool
	// SameRecord: an inactive account of the same address is always the user's, by the vendor's guide (S49). Otherwise one with another externalId or employee number is
	// linked only when a person has confirmed it.
	SameRecord bool
	// Roles says how a role reaches the app.
	Roles Roles

	// MatchAttribute is the path by which an account is found before it is created.
	MatchAttribute     string
	OnIdentifierChange IdentifierChange
	Reactivation       Reactivation
	GroupCreation      GroupCreation

	// Limits are defaults; a ScimApp may set others.
	Limits connector.Limits
	// SettleTime is how long after a write the app may still not show it. After a create whose outcome is unknown, the account is not created again before.
	SettleTime time.Duration

	// SCIM says how the app deviates on the wire.
	SCIM SCIM
}

// Attribute maps a value of the user to an attribute of the account.
type Attribute struct {
	// Path as in connector.Attributes.
	Path string
	// Expression is CEL over `user`, the SCIM user as a JSON object. One that gives null, or asks for what the user does not have, gives no value.
	Expression string
}

// Roles says how a role reaches the app.
type Roles struct {
	// Attribute is the path that takes the roles.
	Attribute string
	Form      RoleForm
	// Allowed are the roles that the app knows; empty means that any is accepted.
	Allowed []string
	// Aliases are other names of allowed roles.
	Aliases map[string]string
	// Default is given where no mapping gives a role.
	Default []string
	// Required: an account is never created without a role, because the app would choose one.
	Required bool
}

// RoleForm is the shape of the role attribute's value.
type RoleForm string

const (
	// RolesAsValues is [{"value": role, "primary": true}, {"value": role}, ...].
	RolesAsValues RoleForm = "values"
	// RoleAsString is a single string.
	RoleAsString RoleForm = "string"
	// NoRoles: the app takes no role.
	NoRoles RoleForm = "none"
)

// IdentifierChange is what a changed match attribute (userName) leads to.
type IdentifierChange string

const (
	// UpdateIdentifier: the account is renamed.
	UpdateIdentifier IdentifierChange = "Update"
	// BlockIdentifierChange: nothing is sent, because the app would make another account of it (S34).
	BlockIdentifierChange IdentifierChange = "Block"
)

// Reactivation is what switching an account on again leads to.
type Reactivation string

const (
	// ReactivateSame: the same account becomes active again.
	ReactivateSame Reactivation = "patchActive"
	// ReactivateNewID: the app makes another account with another id.
	ReactivateNewID Reactivation = "newID"
)

// GroupCreation is what happens to a pushed group that the app does not have.
type GroupCreation string

const (
	// CreateGroups: it is made.
	CreateGroups GroupCreation = "Create"
	// RequirePredefined: it is waited for, because it has to be made in the app first (S51).
	RequirePredefined GroupCreation = "RequirePredefined"
)

// SCIM says how an app deviates from RFC 7644 on the wire.
type SCIM struct {
	// AuthWord precedes the token in the Authorization header; empty sends the bare token.
	AuthWord string
	// Headers are sent with every request.
	Headers map[string]string
	// ContentType of request bodies.
	ContentType string

	UsersPath, GroupsPath string
	// ProbePath is what the credential test reads; empty is one row of UsersPath.
	ProbePath string

	// PageSize is the count asked for, at most what the app grants.
	PageSize int
	// Quote surrounds a value in a filter: '"' by RFC 7644, or '\''.
	Quote byte

	// Lookup says how an account is found by MatchAttribute.
	Lookup Lookup
	// ListOmitsInactive: listings and filters show active accounts only, so an account that is not listed may exist.
	ListOmitsInactive bool

	UserUpdate   UserUpdate
	PutSemantics PutSemantics
	ClearWith    ClearWith

	GroupPatch    GroupPatch
	MemberRemoval MemberRemoval
	// GroupReadShowsMembers: a group read by id shows its members.
	GroupReadShowsMembers bool
	// MemberDisplay: members are sent with their display name.
	MemberDisplay bool
	// MaxMembers is the largest number of members in one request; 0 is no bound.
	MaxMembers int

	// Signals are answers that mean something other than their HTTP status; the first one that fits counts. Those that all apps have in common come last.
	Signals []connector.Signal
}

// Lookup is a way to find an account by its match attribute.
type Lookup string

const (
	// LookupFilter is GET /Users?filter=userName eq "value".
	LookupFilter Lookup = "filter"
	// LookupByID is GET /users/{value}, for apps whose id is the match attribute.
	LookupByID Lookup = "byID"
)

// UserUpdate is the request that changes an account.
type UserUpdate string

const (
	// PatchWithPath: PATCH, an operation per attribute, each with its path.
	PatchWithPath UserUpdate = "patchWithPath"
	// PatchWithoutPath: PATCH, one replace whose value holds the attributes.
	PatchWithoutPath UserUpdate = "patchWithoutPath"
	// Put: PUT for everything.
	Put UserUpdate = "put"
	// PutForProfilePatchForActive: PUT, but switching off is a PATCH of active.
	PutForProfilePatchForActive UserUpdate = "putForProfilePatchForActive"
)

// PutSemantics is what PUT does to attributes that the request leaves out.
type PutSemantics string

const (
	// PutReplaces: they are cleared (RFC 7644 3.5.1), so the account is read first.
	PutReplaces PutSemantics = "replace"
	// PutMerges: they stay.
	PutMerges PutSemantics = "merge"
)

// ClearWith is how a request takes a value away where leaving it out does not.
type ClearWith string

const (
	// ClearWithRemove is a PATCH operation "remove" with the path.
	ClearWithRemove ClearWith = "remove"
	// ClearWithNull sends null.
	ClearWithNull ClearWith = "null"
	// ClearWithEmpty sends the empty value of the attribute's type: "", [] or {}.
	ClearWithEmpty ClearWith = "empty"
)

// GroupPatch is the request that changes a group.
type GroupPatch string

const (
	// GroupPatchRFC7644 is PATCH with operations (RFC 7644 3.5.2).
	GroupPatchRFC7644 GroupPatch = "rfc7644"
	// GroupPatchSCIM11 is PATCH with the members to add and, marked "operation": "delete", those to remove.
	GroupPatchSCIM11 GroupPatch = "scim11"
	// GroupPut is GET and PUT of all members.
	GroupPut GroupPatch = "put"
)

// MemberRemoval is the form of a removal in GroupPatchRFC7644.
type MemberRemoval string

const (
	// RemoveByValueFilter is an operation per member: path members[value eq "id"].
	RemoveByValueFilter MemberRemoval = "valueFilterPath"
	// RemoveByValueList is one operation: path members, value [{"value": "id"}, ...].
	RemoveByValueList MemberRemoval = "valueList"
)

// registered are the profiles by name. A new one is added here.
var registered = byName(generic, commonRoom, rService)

func byName(list ...Profile) map[string]Profile {
	profiles := make(map[string]Profile, len(list))
	for _, profile := range list {
		profile.SCIM.Signals = append(slices.Clone(profile.SCIM.Signals), common()...)
		profiles[profile.Name] = profile
	}
	return profiles
}

// Get returns the profile of that name.
func Get(name string) (Profile, bool) {
	p, ok := registered[name]
	return p, ok
}

// Names returns the names of all profiles, sorted.
func Names() []string { return slices.Sorted(maps.Keys(registered)) }

// Supports reports whether the app has a feature.
func (p Profile) Supports(feature string) bool { return slices.Contains(p.Features, feature) }
