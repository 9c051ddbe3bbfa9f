// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// The schema URNs by which Okta finds what an app offers ("Build a SCIM 2.0 server with entitlements").
const (
	RoleSchemaID        = "urn:okta:scim:schemas:core:1.0:Role"
	EntitlementSchemaID = "urn:okta:scim:schemas:core:1.0:Entitlement"
)

// The resource types of the catalogue, which is only read. They are shared and must not be changed. Okta sends what is assigned from them as the value of an element
// of a user's roles and entitlements: value is the id, display the displayName.
var (
	// RoleType is what can stand in a user's roles.
	RoleType = &ResourceType{
		Name: "Role", Endpoint: "/Roles", Description: "A role that a user can have in an app",
		Schema: &Schema{ID: RoleSchemaID, Name: "Role", Description: "A role that a user can have in an app", Attributes: []*Attribute{
			attribute("displayName", TypeString, "The name of the role, with the app's.", required, readOnly),
		}},
	}
	// EntitlementType is what can stand in a user's entitlements.
	EntitlementType = &ResourceType{
		Name: "Entitlement", Endpoint: "/Entitlements", Description: "An app that a user can have",
		Schema: &Schema{ID: EntitlementSchemaID, Name: "Entitlement", Description: "An app that a user can have", Attributes: []*Attribute{
			attribute("displayName", TypeString, "The name of the app.", required, readOnly),
			attribute("type", TypeString, "The name of the resource type.", required, readOnly),
			attribute("description", TypeString, "What the entitlement gives.", readOnly),
		}},
	}
)

// CatalogueResourceTypes lists the resource types of the catalogue, in a fixed order.
func CatalogueResourceTypes() []*ResourceType { return []*ResourceType{RoleType, EntitlementType} }

// PublishedResourceTypes lists the resource types that /ResourceTypes publishes, in a fixed order.
func PublishedResourceTypes() []*ResourceType {
	return append(CoreResourceTypes(), CatalogueResourceTypes()...)
}

// PublishedSchemas lists the schemas that /Schemas publishes, in a fixed order.
func PublishedSchemas() []*Schema {
	return append(CoreSchemas(), RoleType.Schema, EntitlementType.Schema)
}

// InCatalogue is whether the resources of a type are those of the catalogue.
func (rt *ResourceType) InCatalogue() bool { return rt == RoleType || rt == EntitlementType }
