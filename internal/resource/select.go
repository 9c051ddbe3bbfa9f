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

// Resource gives a resource of the attributes, and may give others besides.
func (s *UserSelection) Resource(u *v1alpha1.ScimUser, client string) *scim.Resource {
	spec := &u.Spec
	for i := range spec.Extensions {
		if slices.Contains(s.urns, spec.Extensions[i].Schema) {
			// Few users have any of these.
			return scim.ResourceFromMap(scim.UserType, s.json(spec, client))
		}
	}
	o := scim.NewObject(len(s.core) + 2)
	for i := range s.core {
		o.Append(s.core[i].name, s.core[i].read(spec))
	}
	if spec.Enterprise != nil && len(s.enterprise) > 0 {
		o.Append(scim.EnterpriseUserSchemaID, readAll(s.enterprise, spec.Enterprise).Value())
	}
	if s.externalID {
		o.Append("externalId", externalID(spec.ExternalIDs, client))
	}
	return scim.ResourceOf(scim.UserType, o)
}

// json is for users of whom spec.extensions has a part.
func (s *UserSelection) json(spec *userSpec, client string) map[string]any {
	kept := openExtensions(spec.Extensions, scim.UserSchemaID)
	out := give(spec, s.core, kept.core)
	var enterprise entUser
	if spec.Enterprise != nil {
		enterprise = *spec.Enterprise
	}
	if m := give(&enterprise, s.enterprise, kept.others[scim.EnterpriseUserSchemaID]); len(m) > 0 {
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

// externalID is nil where the client has given none.
func externalID(ids []v1alpha1.ExternalID, client string) any {
	for _, id := range ids {
		if client != "" && id.Client == client {
			return id.ID
		}
	}
	return nil
}
