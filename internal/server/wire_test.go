// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

// Bodies as identity providers send them (Okta: SCIM 2.0 protocol reference and guides; Entra: use-scim-to-provision-users-and-groups). {{name}} is filled in
// by a test.

// oktaNewUser: Okta always sends a password, a placeholder where password sync is off, and groups.
const oktaNewUser = `{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
  "userName": "{{userName}}",
  "name": {"givenName": "{{givenName}}", "familyName": "{{familyName}}"},
  "emails": [{"primary": true, "value": "{{userName}}", "type": "work"}],
  "displayName": "{{givenName}} {{familyName}}",
  "locale": "en-US",
  "externalId": "00u-{{userName}}",
  "groups": [],
  "password": "1mz050nq-placeholder",
  "active": true
}`

const oktaNewGroup = `{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
  "displayName": "{{displayName}}",
  "members": []
}`

// oktaSetActive is what catalogue apps send: no path.
const oktaSetActive = `{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  "Operations": [{"op": "replace", "value": {"active": {{active}}}}]
}`

// aiwPutGroup is the only way in which apps of the App Integration Wizard change a group.
const aiwPutGroup = `{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
  "id": "{{id}}",
  "displayName": "{{displayName}}",
  "members": {{members}}
}`

// entraDisable is Entra's default form: the operation capitalized, the boolean a string.
const entraDisable = `{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  "Operations": [{"op": "Replace", "path": "active", "value": "False"}]
}`
