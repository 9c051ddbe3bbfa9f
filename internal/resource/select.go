// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"slices"
	"strings"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// UserSelection reads some attributes of users, for filters and orders that look at many users: a fraction of the work of UserJSON.
type UserSelection struct {
	core       []attribute[userSpec]
	enterprise []attribute[entUser]
	// urns are the schemas whose spec.extensions may have one of the attributes.
	urns       []string
	externalID bool
}

// SelectUser takes the canonical names of top-level attributes: "userName", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", or an
// extension's URN for all of it.
func SelectUser(names []string) *UserSelection {
	s := &UserSelection{}
	for _, name := range names {
		urn, attribute := scim.UserSchemaID, name
		if name == scim.EnterpriseUserSchemaID {
			urn, attribute = name, ""
		} else if i := strings.LastIndexByte(name, ':'); i >= 0 {
			urn, attribute = name[:i], name[i+1:]
		}
		s.urns = append(s.urns, urn)
		switch {
		case urn == scim.UserSchemaID && attribute == "externalId":
			s.externalID = true
		case urn == scim.UserSchemaID:
			s.core = append(s.core, named(userAttributes, attribute)...)
		case urn == scim.EnterpriseUserSchemaID && attribute == "":
			s.enterprise = enterpriseAttributes
		case urn == scim.EnterpriseUserSchemaID:
			s.enterprise = append(s.enterprise, named(enterpriseAttributes, attribute)...)
		default:
			// A URN of an unknown extension may be that of the extension as a whole.
			s.urns = append(s.urns, name)
		}
	}
	return s
}

func named[T any](attributes []attribute[T], name string) []attribute[T] {
	if i := slices.IndexFunc(attributes, func(a attribute[T]) bool { return a.name == name }); i >= 0 {
		return attributes[i : i+1]
	}
	return nil
}

// JSON gives the attributes in the form of UserJSON, and may give others besides.
func (s *UserSelection) JSON(u *v1alpha1.ScimUser, client string) map[string]any {
	spec := &u.Spec
	kept := extensions{}
	for i := range spec.Extensions {
		if slices.Contains(s.urns, spec.Extensions[i].Schema) {
			// Nearly all users have none of these.
			kept = openExtensions(spec.Extensions, scim.UserSchemaID)
			break
		}
	}
	out := give(spec, s.core, kept.core)
	if enterprise := spec.Enterprise; enterprise != nil || kept.others[scim.EnterpriseUserSchemaID] != nil {
		if enterprise == nil {
			enterprise = &entUser{}
		}
		if m := give(enterprise, s.enterprise, kept.others[scim.EnterpriseUserSchemaID]); len(m) > 0 {
			out[scim.EnterpriseUserSchemaID] = m
		}
	}
	for urn, attributes := range kept.others {
		if urn != scim.EnterpriseUserSchemaID {
			out[urn] = attributes
		}
	}
	if s.externalID {
		putExternalID(out, spec.ExternalIDs, client)
	}
	return out
}
