// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// The presets: for each identity provider the tolerances that its traffic is known to need, and no others. Where a list is short, what is known of the
// provider's traffic is within the standard.
var presets = presetsByName(
	// Okta does not check values before it sends them, and takes 400 for final. Catalogue apps use PUT and PATCH, those of the App Integration Wizard PUT alone.
	NewDialect("okta", UnknownSchemas, MissingSchemas, UnknownAttributes, EmptyStringClears, ReadOnlyInPatch),
	NewDialect("okta-aiw", UnknownSchemas, MissingSchemas, UnknownAttributes, EmptyStringClears),
	// Entra without a flag in the tenant URL.
	NewDialect("entra", entra...),
	// Entra with the flag aadOptscim062020. The flag has no effect on provisioning on demand, which uses the same URL: the default form comes as well.
	NewDialect("entra-compliant", append([]Tolerance{FlatKeys}, entra...)...),
	// OneLogin fills in a JSON template that an administrator writes: all values are text, and those that a user lacks are empty. It removes members by a list
	// of values.
	NewDialect("onelogin", UnknownSchemas, MissingSchemas, UnknownAttributes, StringBooleans, EmptyStringClears, RemoveByValue),
	// JumpCloud removes members by a list of values.
	NewDialect("jumpcloud", RemoveByValue),
	// Ping sends extensions of the customer's. Its filters, `username Eq "..."`, are the standard: names and operators have no letter case.
	NewDialect("ping", UnknownSchemas),
	// SailPoint reads /Schemas and sends what stands there. Its replace of a complex attribute means to add to it, and so does that of RFC 7644 3.5.2.3.
	NewDialect("sailpoint"),
	NewDialect("strict"),
)

var entra = []Tolerance{
	UnknownSchemas, MissingSchemas, UnknownAttributes, UnqualifiedExtension, StringBooleans, EmptyStringClears, ComplexAsString, ComplexAsJSONText,
	ArrayForSingle, MultiplePrimaries, OperationCase, ReplaceCreatesTarget, RemoveByValue, UnquotedFilterValue,
}

func presetsByName(dialects ...Dialect) map[string]Dialect {
	byName := make(map[string]Dialect, len(dialects))
	for _, d := range dialects {
		byName[d.name] = d
	}
	return byName
}
