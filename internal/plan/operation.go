// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/bounded"
)

// Operation is a change of an account that may have taken effect and is not settled.
type Operation struct {
	// Types of the calls that may have taken effect; none: any. Several, where a call followed another one that was not settled.
	Types []v1alpha1.AccountAction
	// Attributes that may have been written, sorted. All: any mapped attribute.
	Attributes []string
	All        bool
	// Roles that may have been given.
	Roles []string
	// Superseded: a later call succeeded, and only a late effect of this one can still change the account.
	Superseded bool
}

// Limits of what an account status keeps, in bytes of JSON: a status that etcd refuses would stop every change of the user.
const (
	// MaxAttributes is how many names AccountOperation.attributes has.
	MaxAttributes = 24
	// MaxPlanned is how many names Account.plannedAttributes has.
	MaxPlanned = 16
	// MaxRejected is how many names Account.rejectedAttributes and Account.differences have.
	MaxRejected = 8
	// MaxAttributeLength is for the names of all of them.
	MaxAttributeLength = 48
	// MaxRoles is how many roles Account.roles and AccountOperation.roles have: an app may show more.
	MaxRoles = 32
	// MaxRoleLength is for their names.
	MaxRoleLength = 48
	// MaxMatchValue is for Account.matchValue and PushedGroupStatus.matchValue.
	MaxMatchValue = 512
)

// moreRoles stands for the roles that a status has no room for. It is never desired, so that a change of them is a revocation.
const moreRoles = "..."

// StorableMatchValue returns the match value where a status has room for it, else "". What has a longer one is not created, so that nothing has to be looked up by it.
func StorableMatchValue(value string) string {
	if bounded.Size(value) > MaxMatchValue {
		return ""
	}
	return value
}

// unknownHash stands in Applied for an attribute whose value in the app is not known: it differs from every value.
const unknownHash = "?"

// may reports whether a call of that type may have taken effect.
func (o *Operation) may(action v1alpha1.AccountAction) bool {
	return len(o.Types) == 0 || slices.Contains(o.Types, action)
}

// only reports whether no call of another type may have taken effect.
func (o *Operation) only(action v1alpha1.AccountAction) bool {
	return len(o.Types) == 1 && o.Types[0] == action
}

// Repeats reports whether a deprovisioning step does what the operation may already have done, so that its success settles both.
func (o *Operation) Repeats(step Step) bool {
	return (step.Action == v1alpha1.ActionDeactivate || step.Action == v1alpha1.ActionDelete) && o.only(step.Action)
}

// Revokes reports whether a call that may have taken effect has revoked access that the recorded state shows.
func (o *Operation) Revokes(recorded *v1alpha1.Account, roleAttribute string) bool {
	if o == nil {
		return false
	}
	if slices.Contains(o.Types, v1alpha1.ActionDeactivate) || slices.Contains(o.Types, v1alpha1.ActionDelete) {
		return recorded.State == v1alpha1.AccountActive
	}
	return slices.Contains(o.Attributes, roleAttribute) && (len(without(recorded.Roles, o.Roles)) > 0 || MayHaveUnconfirmedRoles(recorded))
}

// Lost reports whether an observation shows less access than was recorded.
func Lost(recorded, observed *v1alpha1.Account) bool {
	ended := recorded.State == v1alpha1.AccountActive && observed.State != v1alpha1.AccountActive
	return ended || len(without(recorded.Roles, observed.Roles)) > 0
}

// names are the attributes that the operation may have written.
func (o *Operation) names(d decision) []string {
	if !o.All {
		return o.Attributes
	}
	names := slices.Concat(slices.Collect(maps.Keys(d.Values)), slices.Collect(maps.Keys(ParseApplied(d.have.Applied))), d.Mapped, o.Attributes)
	if len(o.Roles) > 0 && d.RoleAttribute != "" {
		names = append(names, d.RoleAttribute)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// OperationOf returns the operation that a call for the step is.
func OperationOf(step Step, w Desired, p Policy) *Operation {
	op := &Operation{Types: []v1alpha1.AccountAction{step.Action}, Attributes: slices.Concat(step.Set, step.Clear)}
	slices.Sort(op.Attributes)
	if step.Action == v1alpha1.ActionReactivate || slices.Contains(op.Attributes, p.RoleAttribute) {
		op.Roles = roleNames(w.Roles)
	}
	return op
}

// Merge returns the operation that stands for both: what either may have done. One of them may be nil.
func Merge(a, b *Operation) *Operation {
	if a == nil || b == nil {
		if a == nil {
			a = b
		}
		return a
	}
	merged := &Operation{All: a.All || b.All, Attributes: union(a.Attributes, b.Attributes), Roles: union(a.Roles, b.Roles)}
	if len(a.Types) > 0 && len(b.Types) > 0 {
		merged.Types = union(a.Types, b.Types)
	}
	return merged
}

func union[T ~string](a, b []T) []T {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// Status returns the form that the account status keeps: at most MaxAttributes names.
func (o *Operation) Status(start metav1.Time) *v1alpha1.AccountOperation {
	shown, more := Shown(o.Attributes, MaxAttributes)
	if o.All {
		more = max(more, 1)
	}
	return &v1alpha1.AccountOperation{Types: o.Types, Attributes: shown, MoreAttributes: more, Roles: BoundedRoles(o.Roles, nil), StartTime: start}
}

// roleNames returns the roles by the names that a status keeps: a long one is shortened, with its hash, so that it is still told from others.
func roleNames(roles []string) []string {
	names := slices.Clone(roles)
	for i, role := range names {
		names[i] = bounded.Name(role, MaxRoleLength)
	}
	return names
}

// BoundedRoles returns the roles that a status has room for, in their order. Of too many, roles that are not desired go first, since they are to be revoked, and moreRoles
// stands for the others.
func BoundedRoles(roles, desired []string) []string {
	names := roleNames(roles)
	if len(names) <= MaxRoles {
		return names
	}
	undesired := without(names, append(roleNames(desired), moreRoles))
	first := slices.Concat(undesired, without(names, append(undesired, moreRoles)))
	return append(first[:MaxRoles-1:MaxRoles-1], moreRoles)
}

// Undesired returns the roles of a status that are not among the desired ones.
func Undesired(recorded, desired []string) []string { return without(recorded, roleNames(desired)) }

// Shown returns the names that a status has room for, with a mark instead of the enterprise extension, and how many are left out.
func Shown(names []string, limit int) (shown []string, more int32) {
	for _, name := range names {
		short, enterprise := strings.CutPrefix(name, enterprisePrefix)
		if enterprise {
			short = enterpriseMark + short
		}
		if len(shown) == limit || bounded.Size(short) > MaxAttributeLength || (!enterprise && strings.HasPrefix(name, enterpriseMark)) {
			more++
			continue
		}
		shown = append(shown, short)
	}
	return shown, more
}

// fullNames returns the names that Shown has shortened.
func fullNames(shown []string) []string {
	names := slices.Clone(shown)
	for i, name := range names {
		if short, enterprise := strings.CutPrefix(name, enterpriseMark); enterprise {
			names[i] = enterprisePrefix + short
		}
	}
	return names
}

// ParseOperation reads what Status returned; nil for nil.
func ParseOperation(stored *v1alpha1.AccountOperation) *Operation {
	if stored == nil {
		return nil
	}
	return &Operation{Types: stored.Types, Attributes: fullNames(stored.Attributes), All: stored.MoreAttributes > 0, Roles: stored.Roles}
}

// Announced reports whether the step may be taken: after a crash, the next process sees that it may have been. stored is the account status as etcd has it. behind: the
// user's spec has changed since the status was written, which announces every change of an account that exists.
func Announced(step Step, w Desired, p Policy, stored *v1alpha1.Account, behind bool) bool {
	switch step.Action {
	case "", v1alpha1.ActionRelease, v1alpha1.ActionObserve, v1alpha1.ActionCheck:
		return true
	case v1alpha1.ActionCreate:
		return stored != nil && stored.State == v1alpha1.AccountCreating
	}
	if behind {
		return true
	}
	if stored == nil || stored.Operation == nil {
		// The account of a create is looked up again in any case.
		return stored != nil && stored.State == v1alpha1.AccountCreating
	}
	op, call := ParseOperation(stored.Operation), OperationOf(step, w, p)
	// A role that the status does not show would be given, and revoked again without the guard.
	roles := slices.Contains(op.Roles, moreRoles) || len(without(call.Roles, op.Roles)) == 0
	return op.may(step.Action) && roles && (op.All || len(without(call.Attributes, op.Attributes)) == 0)
}

// Observed is what the app shows of an account.
type Observed struct {
	Active bool
	// Roles of the account. RolesShown is false where the app did not show the attribute.
	Roles      []string
	RolesShown bool
	// Value returns the value at a path, and whether there is one.
	Value func(path string) (any, bool)
}

// Settle returns the recorded state after an observation that settles the operation: what the app shows of everything that the operation may have changed.
func Settle(w Desired, recorded *v1alpha1.Account, op *Operation, seen Observed, p Policy) v1alpha1.Account {
	after := *recorded.DeepCopy()
	after.State, after.Operation = v1alpha1.AccountInactive, nil
	if seen.Active {
		after.State = v1alpha1.AccountActive
	}
	if op == nil {
		return after
	}
	d := decision{Desired: w, Policy: p, have: recorded, op: op}
	names := op.names(d)
	applied := ParseApplied(recorded.Applied)
	hashes := observedHashes(applied, names, w, seen)
	hashes.stayRefused(applied, names, w, p)
	if slices.Contains(names, p.RoleAttribute) || len(op.Roles) > 0 {
		after.Roles = union(recorded.Roles, op.Roles)
		switch written := len(op.Roles) > 0 || applied[p.RoleAttribute] != ""; {
		case seen.RolesShown:
			after.Roles = seen.Roles
		case written && p.RoleAttribute != "" && len(after.Roles) > 0:
			// The account may have them all the same, so they are written or cleared once more.
			hashes[p.RoleAttribute] = unknownHash
		}
	}
	after.Applied, after.Roles = hashes.String(), BoundedRoles(after.Roles, w.Roles)
	return after
}

// observedHashes replaces the hashes of the names by what the app shows.
func observedHashes(applied Applied, names []string, w Desired, seen Observed) Applied {
	after := applied.With(nil, nil, names)
	for _, name := range names {
		value, shown := seen.Value(name)
		desired, wanted := w.Values[name]
		switch {
		case !shown:
		case wanted && hashValue(value) == hashValue(desired):
			after[name] = hashValue(desired)
		default:
			after[name] = unknownHash
		}
	}
	return after
}

// Linked returns the recorded state of an account that was found in the app and is linked. made are the attributes that an earlier create of the same account may have
// written, none if nothing was: the app may have them although they are not desired any more.
func Linked(w Desired, seen Observed, made []string) (state v1alpha1.AccountState, roles []string, applied Applied) {
	state = v1alpha1.AccountInactive
	if seen.Active {
		state = v1alpha1.AccountActive
	}
	return state, BoundedRoles(seen.Roles, w.Roles), observedHashes(nil, slices.AppendSeq(slices.Clone(made), maps.Keys(w.Values)), w, seen)
}
