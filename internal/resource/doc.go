// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package resource converts between ScimUser and ScimGroup objects and the attributes of SCIM resources (RFC 7643). It is pure.
package resource
