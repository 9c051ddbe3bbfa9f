// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// The schema URNs of RFC 7643.
const (
	UserSchemaID           = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupSchemaID          = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseUserSchemaID = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	SchemaSchemaID         = "urn:ietf:params:scim:schemas:core:2.0:Schema"
	ResourceTypeSchemaID   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
)

// The core schemas and resource types. They are shared and must not be changed.
var (
	// UserSchema is RFC 7643 4.1.
	UserSchema = &Schema{ID: UserSchemaID, Name: "User", Description: "User Account", Attributes: userAttributes()}
	// GroupSchema is RFC 7643 4.2.
	GroupSchema = &Schema{ID: GroupSchemaID, Name: "Group", Description: "Group", Attributes: groupAttributes()}
	// EnterpriseUserSchema is RFC 7643 4.3.
	EnterpriseUserSchema = &Schema{
		ID: EnterpriseUserSchemaID, Name: "EnterpriseUser", Description: "Enterprise User", Attributes: enterpriseUserAttributes(),
	}

	// UserType is the User with the enterprise extension.
	UserType = &ResourceType{
		Name: "User", Endpoint: "/Users", Description: "User Account", Schema: UserSchema,
		Extensions: []SchemaExtension{{Schema: EnterpriseUserSchema}},
	}
	// GroupType is the Group.
	GroupType = &ResourceType{Name: "Group", Endpoint: "/Groups", Description: "Group", Schema: GroupSchema}
)

// CoreSchemas lists the schemas of users and groups, in a fixed order.
func CoreSchemas() []*Schema { return []*Schema{UserSchema, GroupSchema, EnterpriseUserSchema} }

// CoreResourceTypes lists the resource types that are stored, in a fixed order.
func CoreResourceTypes() []*ResourceType { return []*ResourceType{UserType, GroupType} }

// commonAttributes are those of every resource (RFC 7643 3.1). They belong to no schema and are not published by /Schemas.
var commonAttributes = []*Attribute{
	attribute("schemas", TypeReference, "The URNs of the schemas in use.", multi, required, always),
	attribute("id", TypeString, "The resource's identifier, given by the server.", exact, readOnly, always, uniqueServer),
	attribute("externalId", TypeString, "The client's identifier of the resource.", exact),
	attribute("meta", TypeComplex, "What the server knows about the resource.", readOnly, subs(
		attribute("resourceType", TypeString, "The name of the resource type.", exact, readOnly),
		attribute("created", TypeDateTime, "When the resource was created.", readOnly),
		attribute("lastModified", TypeDateTime, "When the resource was last changed.", readOnly),
		attribute("location", TypeReference, "The URI of the resource.", readOnly, refersTo("uri")),
		attribute("version", TypeString, "The entity tag of the resource.", exact, readOnly),
	)),
}

func userAttributes() []*Attribute {
	return []*Attribute{
		attribute("userName", TypeString, "Identifies the user towards the service; unique, whatever its letter case.", required, uniqueServer),
		attribute("name", TypeComplex, "The parts of the user's name.", subs(
			attribute("formatted", TypeString, "The full name as it is shown."),
			attribute("familyName", TypeString, "The family name, or last name in most Western languages."),
			attribute("givenName", TypeString, "The given name, or first name in most Western languages."),
			attribute("middleName", TypeString, "The middle names."),
			attribute("honorificPrefix", TypeString, "What stands before the name, such as a title."),
			attribute("honorificSuffix", TypeString, "What stands after the name, such as III."),
		)),
		attribute("displayName", TypeString, "The name to show for the user."),
		attribute("nickName", TypeString, "The casual way to address the user."),
		attribute("profileUrl", TypeReference, "A page about the user.", refersTo("external")),
		attribute("title", TypeString, "The user's title, such as Vice President."),
		attribute("userType", TypeString, "The user's relation to the organization, such as Employee or Contractor."),
		attribute("preferredLanguage", TypeString, "The preferred language, in the form of the Accept-Language header."),
		attribute("locale", TypeString, "The locale for dates, currency and numbers, such as en-US."),
		attribute("timezone", TypeString, "The time zone by its IANA name, such as Europe/Zurich."),
		attribute("active", TypeBoolean, "Whether the user may use the service.", keptByPut),
		attribute("password", TypeString, "Accepted, and dropped: the service keeps no passwords.", writeOnly, never),
		plural("emails", "E-mail addresses.", TypeString, canonical("work", "home", "other")),
		plural("phoneNumbers", "Phone numbers, kept exactly as sent.", TypeString, canonical("work", "home", "mobile", "fax", "pager", "other")),
		plural("ims", "Instant messaging addresses.", TypeString, canonical("aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo")),
		plural("photos", "Links to pictures of the user.", TypeReference, canonical("photo", "thumbnail"), refersTo("external")),
		attribute("addresses", TypeComplex, "Postal addresses.", multi, subs(
			attribute("formatted", TypeString, "The full address, for display or a label."),
			attribute("streetAddress", TypeString, "Street, house number and the like."),
			attribute("locality", TypeString, "The city."),
			attribute("region", TypeString, "The state or region."),
			attribute("postalCode", TypeString, "The postal code."),
			attribute("country", TypeString, "The country, by its ISO 3166-1 alpha-2 code."),
			attribute("type", TypeString, "What the address is for.", canonical("work", "home", "other")),
			attribute("primary", TypeBoolean, "Whether this is the preferred one; true at most once."),
		)),
		attribute("groups", TypeComplex, "The groups that the user is in, directly or through others. Changed through the groups.", multi, readOnly, subs(
			attribute("value", TypeString, "The id of the group.", exact, readOnly),
			attribute("$ref", TypeReference, "The URI of the group.", readOnly, refersTo("Group")),
			attribute("display", TypeString, "The displayName of the group.", readOnly),
			attribute("type", TypeString, "Whether the user is in the group itself or in one of its groups.", readOnly, canonical("direct", "indirect")),
		)),
		plural("entitlements", "What the user is entitled to.", TypeString),
		plural("roles", "The user's roles.", TypeString),
		plural("x509Certificates", "The user's certificates, DER in base64.", TypeBinary),
	}
}

func enterpriseUserAttributes() []*Attribute {
	return []*Attribute{
		attribute("employeeNumber", TypeString, "The number or code that the organization gave the user."),
		attribute("costCenter", TypeString, "The name of a cost center."),
		attribute("organization", TypeString, "The name of an organization."),
		attribute("division", TypeString, "The name of a division."),
		attribute("department", TypeString, "The name of a department."),
		// RFC 7643 4.3 has displayName read-only, worked out from value. But value need not be an id of this service (Okta maps any identifier to it), and
		// Okta maps the name too: it is kept as sent. $ref is worked out where value is an id.
		attribute("manager", TypeComplex, "The user's manager.", subs(
			attribute("value", TypeString, "The id of the manager, or another identifier, as sent."),
			attribute("$ref", TypeReference, "The URI of the manager.", readOnly, refersTo("User")),
			attribute("displayName", TypeString, "The displayName of the manager, as sent."),
		)),
	}
}

func groupAttributes() []*Attribute {
	return []*Attribute{
		attribute("displayName", TypeString, "The name of the group.", required),
		// RFC 7643 8.7.1 has value without caseExact and required; an id has the one (3.1), and an entry without an id names nobody. There is no display, as there:
		// what a client sends along is ignored.
		attribute("members", TypeComplex, "The members of the group.", multi, subs(
			attribute("value", TypeString, "The id of the member.", exact, immutable, required),
			attribute("$ref", TypeReference, "The URI of the member.", readOnly, refersTo("User", "Group")),
			attribute("type", TypeString, "The resource type of the member.", immutable, canonical("User", "Group")),
		)),
	}
}

type attributeOption func(*Attribute)

func attribute(name string, t AttributeType, description string, options ...attributeOption) *Attribute {
	a := &Attribute{Name: name, Type: t, Description: description, Mutability: ReadWrite, Returned: ReturnedDefault, Uniqueness: UniqueNone}
	// References and binary values are case exact (RFC 7643 2.3.6, 2.3.7).
	a.CaseExact = t == TypeReference || t == TypeBinary
	for _, o := range options {
		o(a)
	}
	return a
}

// plural is a multi-valued attribute with the default sub-attributes of RFC 7643 2.4. canonical and refersTo go to the sub-attribute that they describe.
func plural(name, description string, valueType AttributeType, options ...attributeOption) *Attribute {
	value := attribute("value", valueType, "The value itself.")
	kind := attribute("type", TypeString, "What the value is for.")
	for _, o := range options {
		var described Attribute
		o(&described)
		if described.CanonicalValues != nil {
			o(kind)
		} else {
			o(value)
		}
	}
	return attribute(name, TypeComplex, description, multi, subs(
		value,
		attribute("display", TypeString, "A name to show for the value."),
		kind,
		attribute("primary", TypeBoolean, "Whether this is the preferred one; true at most once."),
	))
}

func multi(a *Attribute)        { a.MultiValued = true }
func required(a *Attribute)     { a.Required = true }
func exact(a *Attribute)        { a.CaseExact = true }
func readOnly(a *Attribute)     { a.Mutability = ReadOnly }
func immutable(a *Attribute)    { a.Mutability = Immutable }
func writeOnly(a *Attribute)    { a.Mutability = WriteOnly }
func always(a *Attribute)       { a.Returned = ReturnedAlways }
func never(a *Attribute)        { a.Returned = ReturnedNever }
func uniqueServer(a *Attribute) { a.Uniqueness = UniqueServer }
func keptByPut(a *Attribute)    { a.keptByPut = true }

func canonical(values ...string) attributeOption {
	return func(a *Attribute) { a.CanonicalValues = values }
}

func refersTo(types ...string) attributeOption {
	return func(a *Attribute) { a.ReferenceTypes = types }
}

func subs(list ...*Attribute) attributeOption {
	return func(a *Attribute) { a.SubAttributes = list }
}
