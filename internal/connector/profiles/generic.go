// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"time"

	"github.com/scim-operator/scim-operator/internal/connector"
)

const enterpriseUser = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// enterprise is the expression for an attribute of the enterprise extension.
func enterprise(attribute string) Attribute {
	return Attribute{enterpriseUser + ":" + attribute, `user["` + enterpriseUser + `"].` + attribute}
}

// same is the mapping of an attribute to itself.
func same(attribute string) Attribute { return Attribute{attribute, "user." + attribute} }

// email is the primary e-mail address, else the first, else a userName that is an address, else null.
const email = `has(user.emails) && user.emails.exists(e, has(e.value) && has(e.primary) && e.primary == true)` +
	` ? user.emails.filter(e, has(e.value) && has(e.primary) && e.primary == true)[0].value` +
	` : has(user.emails) && user.emails.exists(e, has(e.value)) ? user.emails.filter(e, has(e.value))[0].value` +
	` : user.userName.contains("@") ? user.userName : null`

// profileAttributes are the attributes that are mapped one to one.
func profileAttributes() []Attribute {
	return []Attribute{
		same("name.givenName"),
		same("name.familyName"),
		same("name.formatted"),
		same("name.middleName"),
		same("displayName"),
		same("nickName"),
		same("title"),
		same("userType"),
		same("preferredLanguage"),
		same("locale"),
		same("timezone"),
		same("emails"),
		same("phoneNumbers"),
		same("addresses"),
		enterprise("employeeNumber"),
		enterprise("costCenter"),
		enterprise("organization"),
		enterprise("division"),
		enterprise("department"),
	}
}

// generic is an app that follows RFC 7644 to the letter. PATCH rather than PUT, because PATCH leaves alone what is not mapped, in one call.
var generic = Profile{
	Name:  "generic",
	Title: "SCIM 2.0",
	Features: []string{
		PushNewUsers, PushProfileUpdates, PushUserDeactivation, ReactivateUsers, PushGroups, GroupLinking,
	},
	BaseURLRequired:    true,
	TenantInURL:        true,
	RequiredAttributes: []string{"userName"},
	KeepsExternalID:    true,
	Attributes:         append([]Attribute{same("userName")}, profileAttributes()...),
	Roles:              Roles{Attribute: "roles", Form: RolesAsValues},
	MatchAttribute:     "userName",
	OnIdentifierChange: UpdateIdentifier,
	Reactivation:       ReactivateSame,
	GroupCreation:      CreateGroups,
	Limits:             connector.Limits{PerSecond: 10, Burst: 20, Timeout: 20 * time.Second},
	SettleTime:         10 * time.Second,
	SCIM: SCIM{
		AuthWord:              "Bearer",
		ContentType:           "application/scim+json",
		UsersPath:             "/Users",
		GroupsPath:            "/Groups",
		PageSize:              100,
		Quote:                 '"',
		Lookup:                LookupFilter,
		UserUpdate:            PatchWithPath,
		PutSemantics:          PutReplaces,
		ClearWith:             ClearWithRemove,
		GroupPatch:            GroupPatchRFC7644,
		MemberRemoval:         RemoveByValueFilter,
		GroupReadShowsMembers: true,
		MaxMembers:            500,
	},
}
