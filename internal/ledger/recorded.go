// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/sha256"
	"slices"
)

// MemberHash stands for a member of a group in a ScimGroupRecord: the first bytes of a hash of the account's id in the app.
type MemberHash [6]byte

// HashMember returns the hash of an account's id.
func HashMember(remoteID string) MemberHash {
	sum := sha256.Sum256([]byte("member:" + remoteID))
	return MemberHash(sum[:6])
}

// EncodeMembers returns the hashes of members and those whose id is not known, sorted, as they are stored.
func EncodeMembers(members []string, nameless []MemberHash) []byte {
	hashes := slices.Clone(nameless)
	for _, member := range members {
		hashes = append(hashes, HashMember(member))
	}
	slices.SortFunc(hashes, func(a, b MemberHash) int { return slices.Compare(a[:], b[:]) })
	hashes = slices.Compact(hashes)
	data := make([]byte, 0, len(hashes)*len(MemberHash{}))
	for _, hash := range hashes {
		data = append(data, hash[:]...)
	}
	return data
}

// DecodeMembers returns the hashes that are stored.
func DecodeMembers(data []byte) map[MemberHash]bool {
	hashes := make(map[MemberHash]bool, len(data)/len(MemberHash{}))
	for chunk := range slices.Chunk(data, len(MemberHash{})) {
		if len(chunk) == len(MemberHash{}) {
			hashes[MemberHash(chunk)] = true
		}
	}
	return hashes
}

// Members are those that a group may have in the app, as far as this process or an earlier one has written them.
type Members struct {
	// IDs in the app, sorted.
	IDs []string
	// Nameless are recorded members whose id is not known any more: their user does not exist.
	Nameless []MemberHash
}

// RecordedMembers returns the members that a group may have. known is false where neither this process nor a record of an earlier one tells.
func (l *Ledger) RecordedMembers(id ID) (members Members, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil || e.members == nil {
		return Members{}, false
	}
	return Members{IDs: slices.Clone(e.members.IDs), Nameless: slices.Clone(e.members.Nameless)}, true
}

// Record says that the group has exactly these members. Those without a name stay.
func (l *Ledger) Record(id ID, members []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	var nameless []MemberHash
	if e.members != nil {
		nameless = e.members.Nameless
	}
	e.members = &Members{IDs: sorted(members), Nameless: nameless}
}

// RecordIfUnknown says which members the group has, unless that is known.
func (l *Ledger) RecordIfUnknown(id ID, members Members) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entry(id); e.members == nil {
		e.members = &Members{IDs: sorted(members.IDs), Nameless: members.Nameless}
	}
}

// MayRecord says that a call is about to write these members: until its outcome is known, the group may have them or the former ones. Where those are unknown, they
// remain so.
func (l *Ledger) MayRecord(id ID, members []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil && e.members != nil {
		e.members = &Members{IDs: sorted(append(slices.Clone(e.members.IDs), members...)), Nameless: e.members.Nameless}
	}
}

// ForgetMembers says that another group may be linked, or that the app does not have the group any more.
func (l *Ledger) ForgetMembers(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil {
		e.members = nil
		l.dropEmpty(id)
	}
}

func sorted(members []string) []string {
	members = slices.Clone(members)
	slices.Sort(members)
	return slices.Compact(members)
}
