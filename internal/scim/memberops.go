// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// MembershipDelta is the net effect of member operations.
type MembershipDelta struct {
	// All is true if the membership before does not matter: it becomes exactly Add, and Remove is empty.
	All bool
	// Add and Remove have each id once and no id in common.
	Add    []Member
	Remove []string
}

// Empty reports whether the delta changes nothing.
func (d MembershipDelta) Empty() bool { return !d.All && len(d.Add) == 0 && len(d.Remove) == 0 }

// NetMemberOps folds operations into one delta without knowing the current members. ok is false if an operation needs them (MembersRemoveWhere).
//
// An id in Add may be a member already, and one in Remove none: who applies the delta ignores these. Applied to any list, the delta gives the same set of members as
// the operations one by one.
func NetMemberOps(ops []MemberOp) (delta MembershipDelta, ok bool) {
	added, removed := newMemberList(nil), newMemberList(nil)
	for _, op := range ops {
		switch op.Kind {
		case MembersAdd:
			for _, m := range op.Members {
				removed.remove(m.Value)
				added.add(m)
			}
		case MembersRemove:
			for _, m := range op.Members {
				added.remove(m.Value)
				if !delta.All {
					removed.add(m)
				}
			}
		case MembersReplace, MembersClear:
			delta.All = true
			added, removed = newMemberList(op.Members), newMemberList(nil)
		default:
			return MembershipDelta{}, false
		}
	}
	delta.Add = added.list()
	for _, m := range removed.list() {
		delta.Remove = append(delta.Remove, m.Value)
	}
	return delta, true
}

// Ops gives the operations that have the effect of the delta.
func (d MembershipDelta) Ops() []MemberOp {
	if d.All {
		return []MemberOp{{Kind: MembersReplace, Members: d.Add}}
	}
	removed := make([]Member, len(d.Remove))
	for i, id := range d.Remove {
		removed[i] = Member{Value: id}
	}
	return []MemberOp{{Kind: MembersRemove, Members: removed}, {Kind: MembersAdd, Members: d.Add}}
}

// ApplyMemberOps applies the operations in sequence to a list of members, in time linear in all of them. It gives the new list and the effective delta (never with
// All): what was really added and removed. Members that stay keep their place and their data. The argument is not changed.
func ApplyMemberOps(current []Member, ops []MemberOp) (next []Member, delta MembershipDelta) {
	l := newMemberList(current)
	for _, op := range ops {
		switch op.Kind {
		case MembersAdd:
			for _, m := range op.Members {
				l.add(m)
			}
		case MembersRemove:
			for _, m := range op.Members {
				l.remove(m.Value)
			}
		case MembersRemoveWhere:
			l.keep(func(m Member) bool { return !op.Where.Match(m) })
		case MembersReplace, MembersClear:
			wanted := newMemberList(op.Members)
			l.keep(func(m Member) bool { return wanted.has(m.Value) })
			for _, m := range op.Members {
				l.add(m)
			}
		}
	}
	next = l.list()
	before := newMemberList(current)
	for _, m := range next {
		if !before.has(m.Value) {
			delta.Add = append(delta.Add, m)
		}
	}
	for _, m := range before.list() {
		if !l.has(m.Value) {
			delta.Remove = append(delta.Remove, m.Value)
		}
	}
	return next, delta
}

// memberList is an ordered set of members by id with constant-time add and remove.
type memberList struct {
	members []Member
	// at has the index of each member; removed ones are not in it, and stay in members until the list is asked for.
	at map[string]int
}

func newMemberList(members []Member) *memberList {
	l := &memberList{members: make([]Member, 0, len(members)), at: make(map[string]int, len(members))}
	for _, m := range members {
		l.add(m)
	}
	return l
}

func (l *memberList) has(id string) bool {
	_, ok := l.at[id]
	return ok
}

func (l *memberList) add(m Member) {
	if l.has(m.Value) {
		return
	}
	l.at[m.Value] = len(l.members)
	l.members = append(l.members, m)
}

func (l *memberList) remove(id string) { delete(l.at, id) }

// keep removes the members for which f is false.
func (l *memberList) keep(f func(Member) bool) {
	for i, m := range l.members {
		if at, ok := l.at[m.Value]; ok && at == i && !f(m) {
			l.remove(m.Value)
		}
	}
}

func (l *memberList) list() []Member {
	if len(l.at) == 0 {
		return nil
	}
	out := make([]Member, 0, len(l.at))
	for i, m := range l.members {
		if at, ok := l.at[m.Value]; ok && at == i {
			out = append(out, m)
		}
	}
	return out
}

// MemberDigest identifies a set of member ids without regard to order: the sum of the ids' SHA-256 hashes modulo 2^256. It can be kept up to date by Add and Remove
// alone, so that the ETag of a large group needs no list of its members.
type MemberDigest [4]uint64

// DigestMembers gives the digest of a list in which each id is there once.
func DigestMembers(members []Member) MemberDigest {
	var d MemberDigest
	for _, m := range members {
		d.Add(m.Value)
	}
	return d
}

// Add puts in an id that was not there.
func (d *MemberDigest) Add(value string) {
	carry := uint64(0)
	for i, h := range hashWords(value) {
		d[i], carry = bits.Add64(d[i], h, carry)
	}
}

// Remove takes out an id that was there.
func (d *MemberDigest) Remove(value string) {
	borrow := uint64(0)
	for i, h := range hashWords(value) {
		d[i], borrow = bits.Sub64(d[i], h, borrow)
	}
}

func hashWords(value string) (words [4]uint64) {
	sum := sha256.Sum256([]byte(value))
	for i := range words {
		words[i] = binary.BigEndian.Uint64(sum[8*i:])
	}
	return words
}
