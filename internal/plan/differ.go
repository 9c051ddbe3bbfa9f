// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// differing is the attributes to write and to take away, by what was last written, sorted. Attributes that could not be computed and required ones without value
// are in neither.
func (d decision) differing() (set, clear []string) {
	applied := ParseApplied(d.have.Applied)
	for name, hash := range HashValues(d.Values) {
		if applied[name] != hash && !d.problem(name) {
			set = append(set, name)
		}
	}
	for name := range applied {
		if _, wanted := d.Values[name]; !wanted && !d.problem(name) && !slices.Contains(d.Missing, name) {
			clear = append(clear, name)
		}
	}
	slices.Sort(set)
	slices.Sort(clear)
	return set, clear
}

// identifierChange is whether writing would change what identifies the account in an app that would make another account of it (S34).
//
// Where it is not known what was written, because the entry was written by another version, the app's own id tells: in such an app it is the identifier.
func (d decision) identifierChange(set []string) bool {
	if !d.BlockIdentifierChange || !slices.Contains(set, d.MatchAttribute) {
		return false
	}
	if _, known := ParseApplied(d.have.Applied)[d.MatchAttribute]; known {
		return true
	}
	value, _ := d.Values[d.MatchAttribute].(string)
	return scim.Fold(value) != scim.Fold(d.have.RemoteID)
}

// takesRole is whether an update takes away a role that the account has.
func (d decision) takesRole(set, clear []string) bool {
	if d.RoleAttribute == "" || (!slices.Contains(set, d.RoleAttribute) && !slices.Contains(clear, d.RoleAttribute)) {
		return false
	}
	return slices.ContainsFunc(d.have.Roles, func(role string) bool { return !slices.Contains(d.Roles, role) })
}

// problem is whether an attribute could not be computed.
func (d decision) problem(name string) bool {
	_, is := d.Problems[name]
	return is && name != ""
}

// only is the list without all others.
func only(names []string, name string) []string {
	if name != "" && slices.Contains(names, name) {
		return []string{name}
	}
	return nil
}
