// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assignment

// CheckRoles gives roles the names by which the app knows them, sorted, each once, and those that it does not know. allowed empty: the app knows every role.
// aliases are other names of allowed roles. Letter case does not matter.
func CheckRoles(roles, allowed []string, aliases map[string]string) (known, unknown []string) {
	return nil, nil
}
