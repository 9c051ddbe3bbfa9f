// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
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
	d.doubtful(&set, &clear)
	slices.Sort(set)
	slices.Sort(clear)
	return slices.Compact(set), slices.Compact(clear)
}

// doubtful adds the attributes of a change that may or may not have been made: the process that announced it may have died before it wrote what came of it, and
// the change may have been taken back since, so that nothing seems to differ.
func (d decision) doubtful(set, clear *[]string) {
	for _, name := range d.have.PlannedAttributes {
		if !d.announced() || d.problem(name) || (name == d.MatchAttribute && d.BlockIdentifierChange) {
			continue
		}
		if _, wanted := d.Values[name]; wanted {
			*set = append(*set, name)
		} else if !slices.Contains(d.Missing, name) {
			*clear = append(*clear, name)
		}
	}
}

// waits is whether the planned change of an entry is one that nobody makes for now.
func waits(have *v1alpha1.Account) bool {
	return have.Reason == v1alpha1.ReasonHeld || have.Reason == v1alpha1.ReasonSuspended
}

// announced is whether the entry says that one of these changes is about to be made, any at all when none is given: it may have been made.
func (d decision) announced(actions ...v1alpha1.AccountAction) bool {
	if d.have.Planned == "" || waits(d.have) {
		return false
	}
	return len(actions) == 0 || slices.Contains(actions, d.have.Planned)
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
