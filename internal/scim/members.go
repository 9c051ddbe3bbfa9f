// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

// Member is one member of a group (RFC 7643 4.2). A group's membership is a set of values (ids): everything else describes the member.
type Member struct {
	// Value is the id of the user or group.
	Value string
	// Type is "User", "Group", or "" where the client sent none, which means User until an object with that id says otherwise.
	Type    string
	Display string
	Ref     string
}

// Members gives the members of a group resource, each id once.
func (r *Resource) Members() []Member { panic("skeleton") }

// SetMembers replaces the members of a group resource. An empty list deletes the attribute.
func (r *Resource) SetMembers(members []Member) { panic("skeleton") }

// MemberOpKind is what a MemberOp does.
type MemberOpKind string

// The kinds of member operations.
const (
	// MembersAdd adds those of Members that are missing.
	MembersAdd MemberOpKind = "Add"
	// MembersRemove removes those of Members (by Value) that are there.
	MembersRemove MemberOpKind = "Remove"
	// MembersRemoveWhere removes those for which Where is true. It is the only kind that needs more than ids.
	MembersRemoveWhere MemberOpKind = "RemoveWhere"
	// MembersReplace makes the membership exactly Members.
	MembersReplace MemberOpKind = "Replace"
	// MembersClear removes all.
	MembersClear MemberOpKind = "Clear"
)

// MemberOp is one change of a group's membership, free of paths and of the rest of the group.
type MemberOp struct {
	Kind    MemberOpKind
	Members []Member
	// Where is set for MembersRemoveWhere.
	Where *MemberFilter
}

// MemberFilter selects members, as in `members[type eq "Group"]`.
type MemberFilter struct{ skeleton int }

// Match reports whether the filter selects the member. A member without type is a User.
func (f *MemberFilter) Match(m Member) bool { panic("skeleton") }

// SplitGroupPatch separates what a PATCH does to the membership from what it does to the other attributes, so that a large group can be changed without loading
// its members. Both parts keep their sequence; they touch different attributes, so their order against each other does not matter.
func SplitGroupPatch(p *Patch) (attributes *Patch, members []MemberOp) { panic("skeleton") }

// MembershipDelta is the net effect of member operations.
type MembershipDelta struct {
	// All is true if the operations do not depend on the members before: the membership becomes exactly Add, and Remove is empty.
	All bool
	// Add and Remove have each id once and no id in common.
	Add    []Member
	Remove []string
}

// NetMemberOps folds operations into one delta without knowing the current members. ok is false if an operation needs them (MembersRemoveWhere).
func NetMemberOps(ops []MemberOp) (delta MembershipDelta, ok bool) { panic("skeleton") }

// ApplyMemberOps applies the operations in sequence to a list of members, in time linear in all of them. It gives the new list and the effective delta (never with
// All): what was really added and removed. The argument is not changed.
func ApplyMemberOps(current []Member, ops []MemberOp) (next []Member, delta MembershipDelta) {
	panic("skeleton")
}

// MemberDigest identifies a set of member ids without regard to order. It can be kept up to date by Add and Remove alone, so that the ETag of a large group needs no
// list of its members.
type MemberDigest [4]uint64

// Add puts in an id that was not there.
func (d *MemberDigest) Add(value string) { panic("skeleton") }

// Remove takes out an id that was there.
func (d *MemberDigest) Remove(value string) { panic("skeleton") }
