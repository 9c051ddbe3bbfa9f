// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assignment_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
)

func TestResolveGroups(t *testing.T) {
	resolved := func(name, id string, generation int64) v1alpha1.ResolvedGroup {
		return v1alpha1.ResolvedGroup{DisplayName: name, ID: id, Generation: generation}
	}
	type groups = []assignment.GroupRef
	type previous = []v1alpha1.ResolvedGroup
	for name, tc := range map[string]struct {
		generation int64
		previous   previous
		groups     groups
		want       assignment.Resolution
	}{
		"found":                        {1, nil, groups{{"1", "Eng"}, {"2", "Ops"}}, assignment.Resolution{Groups: previous{resolved("Eng", "1", 1)}}},
		"found in another letter case": {1, nil, groups{{"1", "ENG"}}, assignment.Resolution{Groups: previous{resolved("Eng", "1", 1)}}},
		"not there yet":                {1, nil, groups{{"2", "Ops"}}, assignment.Resolution{NotFound: []string{"Eng"}}},
		"two of that name":             {1, nil, groups{{"2", "Eng"}, {"1", "eng"}}, assignment.Resolution{Ambiguous: []string{"Eng"}}},
		"one group given twice":        {1, nil, groups{{"1", "Eng"}, {"1", "Eng"}}, assignment.Resolution{Groups: previous{resolved("Eng", "1", 1)}}},

		"still there":                        {1, previous{resolved("Eng", "1", 1)}, groups{{"1", "Eng"}}, assignment.Resolution{Groups: previous{resolved("Eng", "1", 1)}}},
		"still there in a later generation":  {4, previous{resolved("Eng", "1", 1)}, groups{{"1", "Eng"}}, assignment.Resolution{Groups: previous{resolved("Eng", "1", 4)}}},
		"another one of that name came":      {1, previous{resolved("Eng", "1", 1)}, groups{{"0", "Eng"}, {"1", "Eng"}}, assignment.Resolution{Groups: previous{resolved("Eng", "1", 1)}}},
		"renamed":                            {1, previous{resolved("Eng", "1", 1)}, groups{{"1", "Engineering"}}, assignment.Resolution{Groups: previous{resolved("Eng", "1", 1)}, Renamed: []string{"Eng"}}},
		"renamed, and then the spec changed": {2, previous{resolved("Eng", "1", 1)}, groups{{"1", "Engineering"}}, assignment.Resolution{Groups: previous{resolved("Eng", "1", 2)}, Renamed: []string{"Eng"}}},

		"renamed, and another has the name": {
			1, previous{resolved("Eng", "1", 1)}, groups{{"1", "Old"}, {"2", "Eng"}},
			assignment.Resolution{Groups: previous{resolved("Eng", "1", 1)}, Changed: []string{"Eng"}},
		},
		"another has the name, and then the spec changed": {
			2, previous{resolved("Eng", "1", 1)}, groups{{"1", "Old"}, {"2", "Eng"}},
			assignment.Resolution{Groups: previous{resolved("Eng", "2", 2)}},
		},
		"two others have the name, and then the spec changed": {
			2, previous{resolved("Eng", "1", 1)}, groups{{"2", "Eng"}, {"3", "Eng"}},
			assignment.Resolution{Groups: previous{resolved("Eng", "1", 1)}, Changed: []string{"Eng"}},
		},
		"deleted":                            {1, previous{resolved("Eng", "1", 1)}, nil, assignment.Resolution{Groups: previous{resolved("Eng", "1", 1)}, NotFound: []string{"Eng"}}},
		"deleted, and then the spec changed": {2, previous{resolved("Eng", "1", 1)}, nil, assignment.Resolution{Groups: previous{resolved("Eng", "1", 1)}, NotFound: []string{"Eng"}}},
		"deleted, and another has the name": {
			1, previous{resolved("Eng", "1", 1)}, groups{{"2", "Eng"}},
			assignment.Resolution{Groups: previous{resolved("Eng", "1", 1)}, Changed: []string{"Eng"}},
		},
		"deleted, then the spec changed, then another has the name": {
			2, previous{resolved("Eng", "1", 1)}, groups{{"2", "Eng"}}, assignment.Resolution{Groups: previous{resolved("Eng", "2", 2)}},
		},
		"no longer in the spec": {1, previous{resolved("Eng", "1", 1), resolved("Ops", "2", 1)}, groups{{"1", "Eng"}, {"2", "Ops"}}, assignment.Resolution{Groups: previous{resolved("Eng", "1", 1)}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := assignment.ResolveGroups([]string{"Eng"}, tc.generation, tc.previous, tc.groups)
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("resolution (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzResolveGroups follows one spec through random renames, deletions and creations.
func FuzzResolveGroups(f *testing.F) {
	for seed := range uint64(32) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 3))
		names, all := []string{"A", "B", "C"}, []string{"a", "b", "c", "d"}
		directory := map[string]string{}
		var followed []v1alpha1.ResolvedGroup
		generation := int64(1)
		for range 100 {
			id := string(rune('1' + r.IntN(5)))
			switch r.IntN(8) {
			case 0:
				delete(directory, id)
			case 1:
				generation++
			default:
				directory[id] = all[r.IntN(len(all))]
			}
			var groups []assignment.GroupRef
			for id, name := range directory {
				groups = append(groups, assignment.GroupRef{ID: id, DisplayName: name})
			}
			got := assignment.ResolveGroups(names, generation, followed, groups)
			r.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
			if diff := cmp.Diff(got, assignment.ResolveGroups(names, generation, followed, groups)); diff != "" {
				t.Fatalf("another order of the groups (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(got, assignment.ResolveGroups(names, generation, got.Groups, groups)); diff != "" {
				t.Fatalf("once more (-want +got):\n%s", diff)
			}
			for _, now := range got.Groups {
				i := slices.IndexFunc(followed, func(p v1alpha1.ResolvedGroup) bool { return p.DisplayName == now.DisplayName })
				if i >= 0 && followed[i].ID != now.ID && followed[i].Generation >= generation {
					t.Fatalf("%s went from %s to %s without a change of the spec", now.DisplayName, followed[i].ID, now.ID)
				}
			}
			followed = got.Groups
		}
	})
}
