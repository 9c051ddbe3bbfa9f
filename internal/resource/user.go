// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Lengths of the CRD's fields, in characters.
const (
	maxName     = 1024
	maxText     = 4096
	maxKeyword  = 256
	maxValue    = 65536
	maxExternal = 1024
)

type (
	userSpec  = v1alpha1.ScimUserSpec
	realName  = v1alpha1.Name
	multi     = v1alpha1.MultiValue
	address   = v1alpha1.Address
	entUser   = v1alpha1.EnterpriseUser
	entBoss   = v1alpha1.Manager
	extension = v1alpha1.Extension
)

var nameAttributes = []attribute[realName]{
	text("formatted", maxText, func(n *realName) *string { return &n.Formatted }),
	text("familyName", maxText, func(n *realName) *string { return &n.FamilyName }),
	text("givenName", maxText, func(n *realName) *string { return &n.GivenName }),
	text("middleName", maxText, func(n *realName) *string { return &n.MiddleName }),
	text("honorificPrefix", maxText, func(n *realName) *string { return &n.HonorificPrefix }),
	text("honorificSuffix", maxText, func(n *realName) *string { return &n.HonorificSuffix }),
}

var multiAttributes = []attribute[multi]{
	text("value", maxValue, func(m *multi) *string { return &m.Value }),
	text("display", maxText, func(m *multi) *string { return &m.Display }),
	text("type", maxKeyword, func(m *multi) *string { return &m.Type }),
	flag("primary", func(m *multi) **bool { return &m.Primary }),
}

var addressAttributes = []attribute[address]{
	text("formatted", maxText, func(a *address) *string { return &a.Formatted }),
	text("streetAddress", maxText, func(a *address) *string { return &a.StreetAddress }),
	text("locality", maxText, func(a *address) *string { return &a.Locality }),
	text("region", maxText, func(a *address) *string { return &a.Region }),
	text("postalCode", maxKeyword, func(a *address) *string { return &a.PostalCode }),
	text("country", maxKeyword, func(a *address) *string { return &a.Country }),
	text("type", maxKeyword, func(a *address) *string { return &a.Type }),
	flag("primary", func(a *address) **bool { return &a.Primary }),
}

var managerAttributes = []attribute[entBoss]{
	text("value", maxName, func(m *entBoss) *string { return &m.Value }),
	text("displayName", maxText, func(m *entBoss) *string { return &m.DisplayName }),
}

var enterpriseAttributes = []attribute[entUser]{
	text("employeeNumber", maxText, func(e *entUser) *string { return &e.EmployeeNumber }),
	text("costCenter", maxText, func(e *entUser) *string { return &e.CostCenter }),
	text("organization", maxText, func(e *entUser) *string { return &e.Organization }),
	text("division", maxText, func(e *entUser) *string { return &e.Division }),
	text("department", maxText, func(e *entUser) *string { return &e.Department }),
	object("manager", managerAttributes, func(e *entUser) **entBoss { return &e.Manager }),
}

var userAttributes = []attribute[userSpec]{
	text("userName", maxName, func(s *userSpec) *string { return &s.UserName }),
	flag("active", func(s *userSpec) **bool { return &s.Active }),
	object("name", nameAttributes, func(s *userSpec) **realName { return &s.Name }),
	text("displayName", maxText, func(s *userSpec) *string { return &s.DisplayName }),
	text("nickName", maxText, func(s *userSpec) *string { return &s.NickName }),
	text("profileUrl", maxText, func(s *userSpec) *string { return &s.ProfileURL }),
	text("title", maxText, func(s *userSpec) *string { return &s.Title }),
	text("userType", maxText, func(s *userSpec) *string { return &s.UserType }),
	text("preferredLanguage", maxKeyword, func(s *userSpec) *string { return &s.PreferredLanguage }),
	text("locale", maxKeyword, func(s *userSpec) *string { return &s.Locale }),
	text("timezone", maxKeyword, func(s *userSpec) *string { return &s.Timezone }),
	list("emails", 64, multiAttributes, func(s *userSpec) *[]multi { return &s.Emails }),
	list("phoneNumbers", 64, multiAttributes, func(s *userSpec) *[]multi { return &s.PhoneNumbers }),
	list("ims", 64, multiAttributes, func(s *userSpec) *[]multi { return &s.IMs }),
	list("photos", 64, multiAttributes, func(s *userSpec) *[]multi { return &s.Photos }),
	list("addresses", 64, addressAttributes, func(s *userSpec) *[]address { return &s.Addresses }),
	list("entitlements", 1024, multiAttributes, func(s *userSpec) *[]multi { return &s.Entitlements }),
	list("roles", 1024, multiAttributes, func(s *userSpec) *[]multi { return &s.Roles }),
	list("x509Certificates", 32, multiAttributes, func(s *userSpec) *[]multi { return &s.X509Certificates }),
}

// notStored are the attributes that the server works out, and the password, which is dropped.
var notStored = map[string]bool{"schemas": true, "id": true, "meta": true, "groups": true, "password": true, "externalId": true}

// UserJSON gives the SCIM attributes of a user as encoding/json would decode them: without schemas, id, meta and groups, and with the externalId of the client
// only (none for "").
func UserJSON(u *v1alpha1.ScimUser, client string) map[string]any {
	spec := &u.Spec
	kept := openExtensions(spec.Extensions, scim.UserSchemaID)
	out := give(spec, userAttributes, kept.core)
	var enterprise entUser
	if spec.Enterprise != nil {
		enterprise = *spec.Enterprise
	}
	if m := give(&enterprise, enterpriseAttributes, kept.others[scim.EnterpriseUserSchemaID]); len(m) > 0 {
		out[scim.EnterpriseUserSchemaID] = m
	}
	for urn, attributes := range kept.others {
		if urn != scim.EnterpriseUserSchemaID {
			out[urn] = attributes
		}
	}
	putExternalID(out, spec.ExternalIDs, client)
	return out
}

// ApplyUser makes the SCIM attributes of a spec exactly those given, in the form that UserJSON gives. What does not fit a typed field without loss is kept
// as it was sent in spec.extensions, under the core schema's URN, so that UserJSON gives it back; the field then has the part that fits. What the
// operator manages (id, client, managedBy, reservation, the externalIDs of other clients) stays as it is. Errors are *scim.Error, and leave the spec as it was.
func ApplyUser(spec *v1alpha1.ScimUserSpec, attrs map[string]any, client string) error {
	values, _ := normal(attrs).(map[string]any)
	if s, _ := values["userName"].(string); s == "" {
		return scim.InvalidValue("userName is required")
	}
	next := spec.DeepCopy()
	if err := applyExternalID(&next.ExternalIDs, values["externalId"], client); err != nil {
		return err
	}
	enterprise, isObject := values[scim.EnterpriseUserSchemaID].(map[string]any)
	plain, urns := split(values, scim.UserSchemaID)
	rest, err := take(next, userAttributes, "", plain)
	if err != nil {
		return err
	}
	if isObject {
		delete(urns, scim.EnterpriseUserSchemaID)
	}
	var typed entUser
	restEnterprise, err := take(&typed, enterpriseAttributes, scim.EnterpriseUserSchemaID+":", enterprise)
	if err != nil {
		return err
	}
	next.Enterprise = nil
	if len(loadAll(enterpriseAttributes, &typed)) > 0 {
		next.Enterprise = &typed
	}
	if len(restEnterprise) > 0 {
		urns[scim.EnterpriseUserSchemaID] = restEnterprise
	}
	if next.Extensions, err = packExtensions(scim.UserSchemaID, rest, urns); err != nil {
		return err
	}
	*spec = *next
	return nil
}
