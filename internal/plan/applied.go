// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

// Applied is a short hash of each attribute that was last written.
type Applied map[string]string

// HashValues hashes the values of attributes.
func HashValues(values map[string]any) Applied { return nil }

// ParseApplied reads what String gives. Anything else is nil: everything has to be written again.
func ParseApplied(s string) Applied { return nil }

// String is the form that an account entry keeps.
func (a Applied) String() string { return "" }
