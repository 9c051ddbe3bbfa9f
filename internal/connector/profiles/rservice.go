// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"time"

	"github.com/scim-operator/scim-operator/internal/connector"
)

// rService is R-Service, which is 4me and Xurrent under another name, by the vendor's SCIM pages (connection, users, groups, okta).
//
// PUT changes only the attributes given and clears those given as empty; a group's PUT replaces the members given. Groups have to be known to the app as
// organizations (S51).
var rService = Profile{
	Name:               "r-service",
	Title:              "R-Service",
	Features:           []string{PushNewUsers, PushProfileUpdates, PushUserDeactivation, ReactivateUsers, PushGroups, GroupLinking},
	BaseURLRequired:    true,
	BasePath:           "/scim/v2",
	TenantInURL:        true,
	RequiredAttributes: []string{"userName"},
	KeepsExternalID:    true,
	SameRecord:         true,
	Attributes:         append([]Attribute{{"userName", email}}, profileAttributes()...),
	Roles:              Roles{Attribute: "roles", Form: RolesAsValues},
	MatchAttribute:     "userName",
	OnIdentifierChange: UpdateIdentifier,
	Reactivation:       ReactivateSame,
	GroupCreation:      RequirePredefined,
	Limits:             connector.Limits{PerSecond: 5, Burst: 10, PerHour: 3600, Timeout: 20 * time.Second},
	SettleTime:         30 * time.Second,
	SCIM: SCIM{
		AuthWord:              "Bearer",
		ContentType:           "application/scim+json",
		UsersPath:             "/Users",
		GroupsPath:            "/Groups",
		PageSize:              25,
		Quote:                 '"',
		Lookup:                LookupFilter,
		UserUpdate:            PutForProfilePatchForActive,
		PutSemantics:          PutMerges,
		ClearWith:             ClearWithEmpty,
		GroupPatch:            GroupPut,
		GroupReadShowsMembers: true,
	},
}
