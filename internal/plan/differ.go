// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// differing is the attributes to write and to take away, by what was last written, sorted. Attributes that could not be computed and required ones without value
// are in neither.
func (d decision) differing() (set, clear []string) {
	applied := ParseApplied(d.have.Applied)
	for name, hash := range HashValues(d.Values) {
		if !sameHash(applied[name], hash) && !d.problem(name) && !d.leftOut(name) {
			set = append(set, name)
		}
	}
	for name := range applied {
		if _, wanted := d.Values[name]; !wanted && !d.problem(name) && !slices.Contains(d.Missing, name) && !d.kept(name) && !d.leftOut(name) {
			clear = append(clear, name)
		}
	}
	if d.op != nil {
		d.uncertain(&set, &clear)
	}
	slices.Sort(set)
	slices.Sort(clear)
	return slices.Compact(set), slices.Compact(clear)
}

// uncertain adds the attributes that the unsettled operation may have written: nothing may seem to differ, because the change was reverted since.
func (d decision) uncertain(set, clear *[]string) {
	for _, name := range d.op.names(d) {
		refused := slices.Contains(d.Refused, name) && d.leftOut(name)
		if d.problem(name) || refused || (name == d.MatchAttribute && d.BlockIdentifierChange) {
			continue
		}
		if _, wanted := d.Values[name]; wanted {
			*set = append(*set, name)
		} else if !slices.Contains(d.Missing, name) && !d.kept(name) {
			*clear = append(*clear, name)
		}
	}
}

// kept reports whether an attribute stays as it is because it is not mapped any more. Roles are always revoked, also where they are in a former role attribute.
func (d decision) kept(name string) bool {
	return d.KeepUnmapped && name != d.RoleAttribute && !slices.Contains(d.Mapped, name) && !d.formerRole(name)
}

// forgotten returns the attributes that were written and are kept, sorted.
func (d decision) forgotten() []string {
	var names []string
	for name := range ParseApplied(d.have.Applied) {
		if d.kept(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// identifierChange is whether writing would change what identifies the account in an app that would make another account of it (S34).
//
// Where it is not known what was written, because the entry was written by another version, the app's own id tells: in such an app it is the identifier.
func (d decision) identifierChange(set []string) bool {
	if !d.BlockIdentifierChange || !slices.Contains(set, d.MatchAttribute) {
		return false
	}
	if hash := ParseApplied(d.have.Applied)[d.MatchAttribute]; hash != "" && hash != unknownHash {
		return true
	}
	return scim.Fold(d.matchValue()) != scim.Fold(d.have.RemoteID)
}

// takesRole reports whether an update revokes a role that the account may have.
func (d decision) takesRole(set, clear []string) bool {
	if slices.ContainsFunc(set, d.formerRole) || slices.ContainsFunc(clear, d.formerRole) {
		return true
	}
	return d.losesRole() && (slices.Contains(set, d.RoleAttribute) || slices.Contains(clear, d.RoleAttribute))
}

// losesFormerRole reports whether the account may have roles in an attribute that was the role attribute before the app was changed.
func (d decision) losesFormerRole() bool {
	if len(d.have.Roles) == 0 && (d.op == nil || len(d.op.Roles) == 0) && !MayHaveUnconfirmedRoles(d.have) {
		return false
	}
	set, clear := d.differing()
	return slices.ContainsFunc(set, d.formerRole) || slices.ContainsFunc(clear, d.formerRole)
}

// formerRole reports whether an attribute may have been the role attribute before the app was changed: the recorded roles are what was last written to it. Where that
// cannot be told, it is any attribute that is not mapped any more, as long as the present role attribute was not written.
func (d decision) formerRole(name string) bool {
	if name == d.RoleAttribute {
		return false
	}
	_, mapped := d.Values[name]
	mapped = mapped || slices.Contains(d.Mapped, name)
	if d.op != nil && len(d.op.Roles) > 0 && !mapped && slices.Contains(d.op.Attributes, name) && !slices.Contains(d.op.Attributes, d.RoleAttribute) {
		return true
	}
	applied := ParseApplied(d.have.Applied)
	hash := applied[name]
	switch {
	case strings.HasPrefix(hash, unconfirmedMark):
		return true
	case len(d.have.Roles) == 0 || hash == "":
		return false
	}
	return slices.Contains(roleHashes(d.have.Roles), hash) || (!mapped && applied[d.RoleAttribute] == "")
}

// roleHashes are the hashes of roles in either form of a role attribute.
func roleHashes(roles []string) []string {
	return []string{hashValue(roles[0]), hashValue(RoleValues(roles))}
}

// MayHaveFormerRoles reports whether the recorded roles may be in another attribute than the role attribute. mapped are the paths of all mapped attributes.
func MayHaveFormerRoles(recorded *v1alpha1.Account, roleAttribute string, mapped []string) bool {
	if len(recorded.Roles) == 0 {
		return MayHaveUnconfirmedRoles(recorded)
	}
	hashes := roleHashes(recorded.Roles)
	for name, hash := range ParseApplied(recorded.Applied) {
		if name != roleAttribute && (!slices.Contains(mapped, name) || slices.Contains(hashes, hash)) {
			return true
		}
	}
	return false
}

// RoleValues returns the value of a role attribute that takes several roles. The first one is primary.
func RoleValues(roles []string) []any {
	values := make([]any, len(roles))
	for i, role := range roles {
		value := map[string]any{"value": role}
		if i == 0 {
			value["primary"] = true
		}
		values[i] = value
	}
	return values
}

// losesRole reports whether the account may have a role that is not desired.
func (d decision) losesRole() bool {
	if d.RoleAttribute == "" || d.problem(d.RoleAttribute) {
		return false
	}
	return d.losesUnconfirmedRole() || len(Undesired(d.have.Roles, d.Roles)) > 0 || (d.op != nil && len(Undesired(d.op.Roles, d.Roles)) > 0)
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
