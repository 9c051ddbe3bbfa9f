// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"net/http"
	"time"

	"github.com/scim-operator/scim-operator/internal/connector"
)

// commonRoom is Common Room, by the vendor's SCIM OpenAPI 1.0.0 and its Okta guides of 2024 and 2026.
//
// An account's id is its userName is its e-mail address, so a changed address is another account (S34). POST without a role makes an owner, hence
// Roles.Required. The published description has no groups.
var commonRoom = Profile{
	Name:               "common-room",
	Title:              "Common Room",
	Features:           []string{PushNewUsers, PushProfileUpdates, PushUserDeactivation, ReactivateUsers},
	DefaultBaseURL:     "https://api.commonroom.io/scim/v2",
	RequiredAttributes: []string{"userName", "name.givenName", "name.familyName", "emails"},
	Attributes: []Attribute{
		{"userName", email},
		same("name.givenName"),
		same("name.familyName"),
		{"emails", `(` + email + `) == null ? null : [{"value": (` + email + `), "type": "work", "primary": true}]`},
	},
	Roles: Roles{
		Attribute: "roles",
		Form:      RolesAsValues,
		Allowed:   []string{"owner", "editor", "viewer"},
		// The guide of 2026 calls an owner Admin.
		Aliases:  map[string]string{"admin": "owner"},
		Default:  []string{"viewer"},
		Required: true,
	},
	MatchAttribute:     "userName",
	OnIdentifierChange: BlockIdentifierChange,
	Reactivation:       ReactivateSame,
	GroupCreation:      RequirePredefined,
	Limits:             connector.Limits{PerSecond: 5, Burst: 10, Timeout: 20 * time.Second},
	SettleTime:         30 * time.Second,
	SCIM: SCIM{
		AuthWord:    "Bearer",
		ContentType: "application/scim+json; charset=utf-8",
		UsersPath:   "/users",
		PageSize:    100,
		Quote:       '"',
		// "The list of active owners" does not show a deactivated account; reading it by its address does.
		Lookup:            LookupByID,
		ListOmitsInactive: true,
		UserUpdate:        PatchWithoutPath,
		ClearWith:         ClearWithNull,
		Signals: []connector.Signal{
			// The vendor's other APIs answer a bad token with 403 and one of these bodies; any other 403 is a matter of plan or permission (S31).
			{Status: http.StatusForbidden, Text: "token not valid", Kind: connector.Credentials},
			{Status: http.StatusForbidden, Text: `"status":"forbidden"`, Kind: connector.Credentials},
			{Status: http.StatusForbidden, Text: `"status": "forbidden"`, Kind: connector.Credentials},
			// No 409 is documented; this is the one documented refusal of a create. What is not found afterwards was no conflict.
			{Status: http.StatusBadRequest, Text: "failed to create user", Kind: connector.Conflict},
		},
	},
}
