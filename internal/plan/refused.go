// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Marks before a hash in Applied.
const (
	// refusedMark is for a value that the app refused: the attribute has the value that it had before.
	refusedMark = "!"
	// unconfirmedMark is for roles that were written and that the app does not show: the account may have them or not.
	unconfirmedMark = "~"
)

// sameHash reports whether a hash of Applied is of a value that was written.
func sameHash(applied, hash string) bool {
	return applied == hash || applied == unconfirmedMark+hash
}

// refusedHash stands in Applied for a value that the app refused. It is another one when the value, the mapping of the attribute or the request of a person changes, so
// that the attribute is then written again. A nil value is one that could not be cleared.
func refusedHash(w Desired, p Policy, name string) string {
	return refusedMark + hashValue([]any{w.Values[name], p.Mapping[name], w.Asked})
}

// WithRefused marks attributes as refused by the app with their present values.
func (a Applied) WithRefused(w Desired, p Policy, names []string) Applied {
	after := maps.Clone(a)
	if after == nil {
		after = Applied{}
	}
	for _, name := range names {
		after[name] = refusedHash(w, p, name)
	}
	return after
}

// stayRefused keeps the marks of the present values that the app refused, unless it shows that it has taken them all the same: a refused value is not written again.
func (a Applied) stayRefused(before Applied, names []string, w Desired, p Policy) {
	for _, name := range names {
		value, wanted := w.Values[name]
		taken := wanted && a.Has(name, value) || !wanted && a[name] == ""
		if !taken && before[name] == refusedHash(w, p, name) {
			a[name] = before[name]
		}
	}
}

// WithUnconfirmed marks roles that were written and that the app does not show.
func (a Applied) WithUnconfirmed(roleAttribute string) Applied {
	after := maps.Clone(a)
	if hash := after[roleAttribute]; hash != "" && hash != unknownHash && !strings.HasPrefix(hash, unconfirmedMark) {
		after[roleAttribute] = unconfirmedMark + hash
	}
	return after
}

// WithUnknown says that it is not known what the app has of attributes, so that they are written again.
func (a Applied) WithUnknown(names ...string) Applied {
	after := maps.Clone(a)
	if after == nil {
		after = Applied{}
	}
	for _, name := range names {
		after[name] = unknownHash
	}
	return after
}

// Refused reports whether the app refused the last value of an attribute.
func (a Applied) Refused(name string) bool { return strings.HasPrefix(a[name], refusedMark) }

// Has reports whether the value of an attribute was written, as far as it is known.
func (a Applied) Has(name string, value any) bool { return sameHash(a[name], hashValue(value)) }

// MayHaveUnconfirmedRoles reports whether roles were written to the account that the app does not show. Its status does not list them.
func MayHaveUnconfirmedRoles(recorded *v1alpha1.Account) bool {
	return strings.Contains(recorded.Applied, "="+unconfirmedMark)
}

// losesUnconfirmedRole reports whether the account may have roles that the app does not show, and is to have others.
func (d decision) losesUnconfirmedRole() bool {
	hash := ParseApplied(d.have.Applied)[d.RoleAttribute]
	return strings.HasPrefix(hash, unconfirmedMark) && !sameHash(hash, hashValue(d.Values[d.RoleAttribute]))
}

// leftOut reports whether an attribute is not written although it differs, because the app refuses it. What may revoke a role is always written.
func (d decision) leftOut(name string) bool {
	refused := slices.Contains(d.Refused, name) || ParseApplied(d.have.Applied)[name] == refusedHash(d.Desired, d.Policy, name)
	return refused && !(name == d.RoleAttribute && d.losesRole()) && !d.formerRole(name)
}

// rejected returns the attributes that differ and are left out, sorted.
func (d decision) rejected() []string {
	applied := ParseApplied(d.have.Applied)
	var names []string
	for name, value := range d.Values {
		if !applied.Has(name, value) && !d.problem(name) && d.leftOut(name) {
			names = append(names, name)
		}
	}
	for name := range applied {
		if _, wanted := d.Values[name]; !wanted && d.leftOut(name) && !d.kept(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// revoking returns the names of the attributes that may hold roles. A revocation shares its request with nothing else, which the app may refuse.
func (d decision) revoking(names []string) []string {
	var roles []string
	for _, name := range names {
		if name == d.RoleAttribute || d.formerRole(name) {
			roles = append(roles, name)
		}
	}
	return roles
}

// later returns the names that are not written now, sorted. What identifies the account stays known where a change of it is not sent.
func (d decision) later(all, now []string) []string {
	var names []string
	for _, name := range all {
		if !slices.Contains(now, name) && !(name == d.MatchAttribute && d.BlockIdentifierChange) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
