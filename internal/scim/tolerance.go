// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// Tolerance names one deviation from RFC 7643 and 7644 that a dialect accepts. The name appears in metrics and in status.
type Tolerance string

// The tolerances. Each says what is accepted, who sends it, and what happens without it.
const (
	// UnknownSchemas: "schemas" names URNs that the server does not know, or the body has an extension of such a URN, whose data is kept. Without it: 400
	// invalidValue. Entra names its own schema on groups, and writes the URN of the enterprise user without a colon
	// (use-scim-to-provision-users-and-groups); Okta, OneLogin and Ping send attributes of the customer's under a URN of the customer's choice.
	UnknownSchemas Tolerance = "UnknownSchemas"
	// MissingSchemas: "schemas" is absent or does not name all that the body uses; it is worked out. Without it: 400 invalidSyntax. Entra never names the
	// customer's extensions (customize-application-attributes); Okta sends back our "schemas" with an extension that is new in the change, and leaves
	// "schemas" out of an older form of the group push (scimgateway #113); OneLogin sends the template that an administrator wrote.
	MissingSchemas Tolerance = "MissingSchemas"
	// UnknownAttributes: attributes and sub-attributes that no schema defines; they are kept as sent. Without it: 400 invalidSyntax, in the path of a PATCH
	// 400 invalidPath. Okta and OneLogin let an administrator add any name; Entra sends "id" and "displayName" in roles, and paths within the customer's
	// extension (customize-application-attributes).
	UnknownAttributes Tolerance = "UnknownAttributes"
	// UnqualifiedExtension: an attribute of an extension stands without its URN ("manager", "department"). Without it: an unknown attribute. Entra does so
	// (use-scim-to-provision-users-and-groups).
	UnqualifiedExtension Tolerance = "UnqualifiedExtension"
	// FlatKeys: "name.givenName" or "urn:...:User:employeeNumber" as a key of a JSON object; it is expanded. Without it: 400 invalidSyntax. Entra with the
	// flag aadOptscim062020 sends them (application-provisioning-config-problem-scim-compatibility).
	FlatKeys Tolerance = "FlatKeys"
	// StringBooleans: "True" or "False", in any letter case, for a boolean attribute, as a value or in a filter. Without it: 400 invalidValue, invalidFilter
	// or invalidPath. Entra disables a user so, and selects roles[primary eq "True"] (customize-application-attributes); a OneLogin template has
	// "active": "{$user.active}".
	StringBooleans Tolerance = "StringBooleans"
	// EmptyStringClears: "" for an attribute that is not required means that it has no value. Without it: "" is stored for strings, and 400 invalidValue for
	// other types. Okta pushes empty attributes; Entra clears manager so; a OneLogin template has "" where the user has no value.
	EmptyStringClears Tolerance = "EmptyStringClears"
	// ComplexAsString: a bare string for a complex value is its sub-attribute "value". Without it: 400 invalidValue. Entra writes manager so (SCIM-SDK #541).
	ComplexAsString Tolerance = "ComplexAsString"
	// ComplexAsJSONText: a complex value, or an array of them, written as JSON inside a string, or inside the string "value" of an object. Without it: 400
	// invalidValue, or the text is stored as the value. Entra sends roles so (customize-application-attributes, SCIM-SDK #516).
	ComplexAsJSONText Tolerance = "ComplexAsJSONText"
	// ArrayForSingle: an array of one for a single-valued attribute. Without it: 400 invalidValue. Entra writes manager so
	// (use-scim-to-provision-users-and-groups).
	ArrayForSingle Tolerance = "ArrayForSingle"
	// MultiplePrimaries: more than one element of a multi-valued attribute with primary true; the first stays primary. Without it: 400 invalidValue.
	// An Entra mapping sets primary on each value by itself (a switch of SCIMServer, "primary": normalize).
	MultiplePrimaries Tolerance = "MultiplePrimaries"
	// OperationCase: "Add", "Replace", "Remove". Without it: 400 invalidSyntax. Entra's default form.
	OperationCase Tolerance = "OperationCase"
	// ReadOnlyInPatch: a path-less PATCH carries read-only attributes; they are ignored. An id that differs is refused in any case, one that is equal
	// accepted. Without it: 400 mutability. Okta puts into the value of a path-less replace what it holds of the resource.
	ReadOnlyInPatch Tolerance = "ReadOnlyInPatch"
	// ReplaceCreatesTarget: add or replace on a value path that selects nothing creates the element, if its filter is made of eq and "and" alone. Without it:
	// 400 noTarget. Entra writes the first value of emails[type eq "work"] so.
	ReplaceCreatesTarget Tolerance = "ReplaceCreatesTarget"
	// RemoveByValue: remove of a multi-valued attribute with a value removes the values listed. Without it: 400 invalidSyntax. Never: everything. Entra,
	// JumpCloud and OneLogin (npm scim-patch knows it from there) remove members so.
	RemoveByValue Tolerance = "RemoveByValue"
	// UnquotedFilterValue: a text in the filter of a query without its quotes, up to the next space or bracket. Without it: 400 invalidFilter. Entra's
	// documentation has a look-up by externalId so. In the path of a PATCH it is refused in any case: what is not read for certain removes nobody.
	UnquotedFilterValue Tolerance = "UnquotedFilterValue"
)

// Tolerances lists all tolerances.
func Tolerances() []Tolerance {
	return []Tolerance{
		ArrayForSingle, ComplexAsJSONText, ComplexAsString, EmptyStringClears, FlatKeys, MissingSchemas, MultiplePrimaries, OperationCase, ReadOnlyInPatch,
		RemoveByValue, ReplaceCreatesTarget, StringBooleans, UnknownAttributes, UnknownSchemas, UnqualifiedExtension, UnquotedFilterValue,
	}
}
