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
//
// # Choices
//
// Where RFC 7643 and 7644 leave a choice, or leave a hole, this package does the following, and tests it.
//
//   - Two names in one JSON object that differ in letter case only are 400 invalidSyntax: names ignore case (RFC 7643 2.1), so nobody can say which one counts.
//     Invalid UTF-8 and half surrogate pairs are refused for the same reason.
//   - A password is dropped by the JSON decoder, under whatever name ends in it, at whatever depth. It cannot be filtered by.
//   - userName, and the displayName of a group, may not begin or end with white space or hold control characters.
//   - An attribute that no schema defines is kept if the dialect allows; it cannot be filtered by, and is never a silent empty answer.
//   - Values of multi-valued attributes have no order: the same values in another order are no change, and have the same ETag. A group's members are the set of their ids.
//   - Ids in members.value and groups.value are case exact, as ids are; RFC 7643 8.7.1 has them without case. /Schemas says so.
//   - members.display, members.$ref and manager.$ref are read-only: the server works them out. manager.displayName is kept as sent, since manager.value need not be an id
//     of this service. /Schemas says so.
//   - PUT clears what it does not mention, but for "active": absent means active, and nobody gets access back by not being mentioned.
//   - PATCH remove of what is not there succeeds without change, with or without a filter. Remove with a value that cannot be read is 400; it never clears.
//   - PATCH add or replace on an extension merges: its attributes are independent of each other.
//   - See Filter for "ne" and null, ApplyPatch for value paths.
package scim
