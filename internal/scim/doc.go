// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package scim is the core of the SCIM 2.0 protocol (RFC 7643, RFC 7644): schemas, resources, attribute paths, filters, PATCH, PUT, projection, entity
// tags, list responses and errors.
//
// Everything in it is a pure function of its arguments: no HTTP, no Kubernetes, no I/O, no clock. Resources are values: no exported function changes a
// [Resource] that it is given, except the methods Set and Delete of the resource itself.
//
// What an identity provider sends besides the standard is tolerated by its [Dialect]; each tolerance that a request really needed is reported through
// [Options.Used].
package scim
