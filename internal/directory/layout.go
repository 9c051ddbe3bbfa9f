// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// sizes say where members stand and how many are written together.
type sizes struct {
	// inline is how many members stand in the group itself; with more they stand in slices, until half as many are left.
	inline int
	// slice is how many members a slice has.
	slice int
	// writers is how many slices are written at once.
	writers int
}

// defaultSizes: docs/decisions/0009-group-slices.md has the measurements.
var defaultSizes = sizes{inline: 250, slice: v1alpha1.MaxSliceMembers, writers: 8}

// A piece is a slice of a group as it is or as it will be.
type piece struct {
	// kept is the slice as the group names it, empty where the piece has to be written.
	kept v1alpha1.GroupSlice
	// members are loaded where they are needed.
	members []v1alpha1.GroupMember
	count   int
	// touched: it has lost or got members, or a neighbor.
	touched bool
}

func (p *piece) fresh() bool { return p.kept.Name == "" }

// A layout is the slices of a group while a change is worked out. A change rewrites the slices that lose a member, and appends to the last one. No two neighbors
// have together what one slice holds, so there are never more than twice as many as there have to be. The last one may be short besides: members who come one by one
// gather in it, so that not half a slice is written for each.
type layout struct {
	pieces []piece
	size   int
	load   func(v1alpha1.GroupSlice) ([]v1alpha1.GroupMember, error)
}

// newLayout takes members that stand in the group itself for slices that are not written yet.
func newLayout(spec *v1alpha1.ScimGroupSpec, size int, load func(v1alpha1.GroupSlice) ([]v1alpha1.GroupMember, error)) *layout {
	l := &layout{size: size, load: load, pieces: make([]piece, 0, len(spec.Slices))}
	for part := range slices.Chunk(spec.Members, size) {
		l.pieces = append(l.pieces, piece{members: part, count: len(part), touched: true})
	}
	for _, ref := range spec.Slices {
		l.pieces = append(l.pieces, piece{kept: ref, count: int(ref.Count)})
	}
	return l
}

// open loads a piece and makes it one that has to be written.
func (l *layout) open(p *piece) error {
	if p.fresh() {
		return nil
	}
	members, err := l.load(p.kept)
	if err != nil {
		return err
	}
	*p = piece{members: slices.Clip(members), count: len(members), touched: true}
	return nil
}

// remove takes members out of the i-th slice.
func (l *layout) remove(i int, gone map[string]bool) error {
	p := &l.pieces[i]
	if err := l.open(p); err != nil {
		return err
	}
	left := make([]v1alpha1.GroupMember, 0, len(p.members))
	for _, m := range p.members {
		if !gone[m.Value] {
			left = append(left, m)
		}
	}
	p.members, p.count = left, len(left)
	return nil
}

// add appends members: to the last slice if that is short, or does not make one more to write than slices of their own.
func (l *layout) add(members []v1alpha1.GroupMember) error {
	if len(members) == 0 {
		return nil
	}
	if last := len(l.pieces) - 1; last >= 0 {
		tail := &l.pieces[last]
		apart := l.needed(len(members))
		if tail.fresh() {
			apart++
		}
		isShort := tail.count < l.short()
		gathering := len(members) < l.short() && !isShort && !tail.fresh()
		if isShort || l.needed(tail.count+len(members)) <= apart && !gathering {
			if err := l.open(tail); err != nil {
				return err
			}
			members = slices.Concat(tail.members, members)
			l.pieces = l.pieces[:last]
		}
	}
	for part := range slices.Chunk(members, l.size) {
		l.pieces = append(l.pieces, piece{members: part, count: len(part), touched: true})
	}
	return nil
}

// short is how many members a last slice has at least that is not left beside another.
func (l *layout) short() int { return l.size / 8 }

// needed is how many slices n members need.
func (l *layout) needed(n int) int { return (n + l.size - 1) / l.size }

// merge joins neighbors that fit into one slice, if one of them changes anyway.
func (l *layout) merge() error {
	var done []piece
	for i, next := range l.pieces {
		for len(done) > 0 {
			last := &done[len(done)-1]
			if !last.touched && !next.touched || last.count+next.count > l.size {
				break
			}
			if gathers := i == len(l.pieces)-1 && next.count < l.short(); gathers && !last.touched && next.count > 0 {
				break
			}
			joined, err := l.join(last, &next)
			if err != nil {
				return err
			}
			next, done = joined, done[:len(done)-1]
		}
		done = append(done, next)
	}
	l.pieces = slices.DeleteFunc(done, func(p piece) bool { return p.count == 0 })
	return nil
}

// join makes one piece of two. One that has lost all of its members leaves the other as it is, beside another neighbor.
func (l *layout) join(a, b *piece) (piece, error) {
	for _, pair := range [][2]*piece{{a, b}, {b, a}} {
		if empty, other := pair[0], pair[1]; empty.count == 0 {
			other.touched = true
			return *other, nil
		}
	}
	for _, p := range []*piece{a, b} {
		if err := l.open(p); err != nil {
			return piece{}, err
		}
	}
	members := slices.Concat(a.members, b.members)
	return piece{members: members, count: len(members), touched: true}, nil
}

// all loads the members of all slices.
func (l *layout) all() ([]v1alpha1.GroupMember, error) {
	var members []v1alpha1.GroupMember
	for i := range l.pieces {
		p := &l.pieces[i]
		part := p.members
		if !p.fresh() {
			var err error
			if part, err = l.load(p.kept); err != nil {
				return nil, err
			}
		}
		members = append(members, part...)
	}
	return members, nil
}

func (l *layout) count() int {
	n := 0
	for i := range l.pieces {
		n += l.pieces[i].count
	}
	return n
}
