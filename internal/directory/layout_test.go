// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// shelf has slices by name.
type shelf struct {
	t      *testing.T
	size   int
	refs   []v1alpha1.GroupSlice
	parts  map[string][]v1alpha1.GroupMember
	loaded int
}

// change works a change out and stores it. It gives the sizes of the slices that had to be written.
func (s *shelf) change(remove func(i int, member string) bool, add ...string) (written []int) {
	s.t.Helper()
	s.loaded = 0
	l := newLayout(&v1alpha1.ScimGroupSpec{Slices: s.refs}, s.size, func(ref v1alpha1.GroupSlice) ([]v1alpha1.GroupMember, error) {
		s.loaded++
		return slices.Clone(s.parts[ref.Name]), nil
	})
	for i, ref := range s.refs {
		gone := map[string]bool{}
		for _, m := range s.parts[ref.Name] {
			if remove != nil && remove(i, m.Value) {
				gone[m.Value] = true
			}
		}
		if len(gone) > 0 {
			if err := l.remove(i, gone); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	var members []v1alpha1.GroupMember
	for _, id := range add {
		members = append(members, v1alpha1.GroupMember{Value: id})
	}
	if err := l.add(members); err != nil {
		s.t.Fatal(err)
	}
	if err := l.merge(); err != nil {
		s.t.Fatal(err)
	}
	s.refs = nil
	for i := range l.pieces {
		p := &l.pieces[i]
		ref := p.kept
		if p.fresh() {
			ref = v1alpha1.GroupSlice{Name: fmt.Sprint("s", len(s.parts)), Count: int32(len(p.members))}
			s.parts[ref.Name] = p.members
			written = append(written, len(p.members))
		}
		s.refs = append(s.refs, ref)
	}
	return written
}

func (s *shelf) counts() (counts []int) {
	for _, ref := range s.refs {
		counts = append(counts, int(ref.Count))
	}
	return counts
}

func (s *shelf) members() (ids []string) {
	for _, ref := range s.refs {
		for _, m := range s.parts[ref.Name] {
			ids = append(ids, m.Value)
		}
	}
	return ids
}

func TestWhatAChangeWrites(t *testing.T) {
	one := func(slice int) func(int, string) bool {
		done := false
		return func(i int, _ string) bool {
			first := i == slice && !done
			done = done || first
			return first
		}
	}
	whole := func(slice int) func(int, string) bool { return func(i int, _ string) bool { return i == slice } }
	for name, tc := range map[string]struct {
		before  []int
		remove  func(int, string) bool
		add     int
		after   []int
		written []int
	}{
		"a batch that fits into the last slice":             {before: []int{16, 8}, add: 8, after: []int{16, 16}, written: []int{16}},
		"a batch that would make one more slice":            {before: []int{16, 8}, add: 16, after: []int{16, 8, 16}, written: []int{16}},
		"a batch of two slices":                             {before: []int{16, 16}, add: 32, after: []int{16, 16, 16, 16}, written: []int{16, 16}},
		"one into a short slice":                            {before: []int{16, 1}, add: 1, after: []int{16, 2}, written: []int{2}},
		"one beside a slice that is not short":              {before: []int{16, 8}, add: 1, after: []int{16, 8, 1}, written: []int{1}},
		"the short one is full":                             {before: []int{16, 8, 1}, add: 1, after: []int{16, 10}, written: []int{10}},
		"one into a full group":                             {before: []int{16, 16}, add: 1, after: []int{16, 16, 1}, written: []int{1}},
		"one goes":                                          {before: []int{16, 16, 16}, remove: one(1), after: []int{16, 15, 16}, written: []int{15}},
		"one goes, and the neighbors fit":                   {before: []int{8, 9, 16}, remove: one(1), after: []int{16, 16}, written: []int{16}},
		"a slice goes, and its neighbors do not fit":        {before: []int{9, 16, 9}, remove: whole(1), after: []int{9, 9}},
		"a slice goes, and its neighbors fit":               {before: []int{8, 16, 8}, remove: whole(1), after: []int{16}, written: []int{16}},
		"all go":                                            {before: []int{16, 16}, remove: func(int, string) bool { return true }},
		"the first slice goes, and another comes":           {before: []int{16, 16}, remove: whole(0), add: 1, after: []int{16, 1}, written: []int{1}},
		"one goes and one comes, in the last slice":         {before: []int{16, 12}, remove: one(1), add: 1, after: []int{16, 12}, written: []int{12}},
		"one goes from the last but one, which is short":    {before: []int{16, 3, 16}, remove: one(1), after: []int{16, 2, 16}, written: []int{2}},
		"a slice becomes empty, and others are as they are": {before: []int{16, 1, 16}, remove: one(1), after: []int{16, 16}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{t: t, size: 16, parts: map[string][]v1alpha1.GroupMember{}}
			for i, n := range tc.before {
				ref := v1alpha1.GroupSlice{Name: fmt.Sprint("s", i), Count: int32(n)}
				for j := range n {
					s.parts[ref.Name] = append(s.parts[ref.Name], v1alpha1.GroupMember{Value: fmt.Sprintf("%d.%d", i, j)})
				}
				s.refs = append(s.refs, ref)
			}
			var add []string
			for i := range tc.add {
				add = append(add, fmt.Sprint("new", i))
			}
			written := s.change(tc.remove, add...)
			if diff := cmp.Diff(tc.after, s.counts()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.written, written); diff != "" {
				t.Errorf("written: %s", diff)
			}
		})
	}
}

// TestLayoutsKeepOrderAndNumber: whatever comes and goes, the order is that in which members came, and there are no more slices than twice those that have to be, and a
// short one.
func TestLayoutsKeepOrderAndNumber(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(3, seed))
		s := &shelf{t: t, size: 16, parts: map[string][]v1alpha1.GroupMember{}}
		var want []string
		for step := range 60 {
			gone := map[string]bool{}
			for _, m := range want {
				gone[m] = random.IntN(12) == 0 && step%3 > 0
			}
			want = slices.DeleteFunc(want, func(m string) bool { return gone[m] })
			var add []string
			for i := range random.IntN([]int{2, 6, 50}[random.IntN(3)]) {
				add = append(add, fmt.Sprintf("%d-%d", step, i))
			}
			want = append(want, add...)
			s.change(func(_ int, m string) bool { return gone[m] }, add...)
			if got := s.members(); !slices.Equal(want, got) {
				t.Fatalf("seed %d, step %d: %s", seed, step, cmp.Diff(want, got))
			}
			counts := s.counts()
			for i, n := range counts {
				if n == 0 || n > s.size {
					t.Fatalf("seed %d, step %d: a slice of %d", seed, step, n)
				}
				if i > 0 && n+counts[i-1] <= s.size && !(i == len(counts)-1 && n < s.size/8) {
					t.Fatalf("seed %d, step %d: two slices that would fit into one: %v", seed, step, counts)
				}
			}
		}
	}
}
