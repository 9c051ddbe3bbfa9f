// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package membership_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/membership"
)

// people are all who are ever in the group. The first is so all the time, the last never.
const people = 12

func person(i int) string { return fmt.Sprintf("u%d.id", i) }

// A history is what the API server has seen of one group and its slices: two watches, each with its own sequence of events.
type history struct {
	random *rand.Rand
	groups []*v1alpha1.ScimGroup
	// members of each version of the group.
	members []map[string]bool
	slices  []sliceEvent
	made    int
}

type sliceEvent struct {
	slice *v1alpha1.ScimGroupSlice
	gone  bool
}

// happen makes the next version of the group, in slices or not, and lets some replaced slices go.
func (h *history) happen() {
	members := map[string]bool{person(0): true}
	for i := 1; i < people-1; i++ {
		if h.random.IntN(2) == 0 {
			members[person(i)] = true
		}
	}
	group := pt.Group("all")
	var ids []string
	for id := range members {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if h.random.IntN(4) == 0 {
		group.Spec.Members = asMembers(ids)
	} else {
		h.slice(group, ids)
	}
	h.groups, h.members = append(h.groups, group), append(h.members, members)
	for _, slice := range h.unnamed(group) {
		if h.random.IntN(2) == 0 {
			h.slices = append(h.slices, sliceEvent{slice: slice, gone: true})
		}
	}
}

func asMembers(ids []string) []v1alpha1.GroupMember {
	members := make([]v1alpha1.GroupMember, len(ids))
	for i, id := range ids {
		members[i].Value = id
	}
	return members
}

// slice puts the members into slices, of which those stay that had the same ones before.
func (h *history) slice(group *v1alpha1.ScimGroup, ids []string) {
	for part := range slices.Chunk(ids, 3) {
		members := asMembers(part)
		name := ""
		for _, old := range h.present() {
			if slices.Equal(old.Spec.Members, members) && len(h.groups) > 0 && names(h.groups[len(h.groups)-1], old.Name) {
				name = old.Name
			}
		}
		if name == "" {
			h.made++
			name = fmt.Sprintf("s%d", h.made)
			slice := &v1alpha1.ScimGroupSlice{ObjectMeta: pt.Meta(name), Spec: v1alpha1.ScimGroupSliceSpec{Group: group.Name, Members: members}}
			h.slices = append(h.slices, sliceEvent{slice: slice})
		}
		group.Spec.Slices = append(group.Spec.Slices, v1alpha1.GroupSlice{Name: name, Count: int32(len(part))})
	}
}

func names(group *v1alpha1.ScimGroup, slice string) bool {
	return slices.ContainsFunc(group.Spec.Slices, func(s v1alpha1.GroupSlice) bool { return s.Name == slice })
}

// present are the slices that exist.
func (h *history) present() map[string]*v1alpha1.ScimGroupSlice {
	present := map[string]*v1alpha1.ScimGroupSlice{}
	for _, e := range h.slices {
		if present[e.slice.Name] = e.slice; e.gone {
			delete(present, e.slice.Name)
		}
	}
	return present
}

func (h *history) unnamed(group *v1alpha1.ScimGroup) []*v1alpha1.ScimGroupSlice {
	var unnamed []*v1alpha1.ScimGroupSlice
	for _, slice := range h.present() {
		if !names(group, slice.Name) {
			unnamed = append(unnamed, slice)
		}
	}
	slices.SortFunc(unnamed, func(a, b *v1alpha1.ScimGroupSlice) int { return strings.Compare(a.Name, b.Name) })
	return unnamed
}

// A cache gets the events of both watches, each in its order, but neither in step with the other. At every moment the answer has to be that of the group's version which
// the cache shows, or that it is not known: never that somebody is out who is in.
func TestACacheThatIsBehindNeverShowsASmallerMembership(t *testing.T) {
	known, unknown := 0, 0
	for seed := range uint64(150) {
		h := &history{random: rand.New(rand.NewPCG(1, seed))}
		for range 12 {
			h.happen()
		}
		cache := pt.NewCache()
		reader := membership.NewReader(cache, nil)
		shown, heard := 0, 0
		for shown < len(h.groups) || heard < len(h.slices) {
			if heard == len(h.slices) || shown < len(h.groups) && h.random.IntN(3) == 0 {
				cache.Put(h.groups[shown])
				shown++
			} else {
				e := h.slices[heard]
				heard++
				if e.gone {
					cache.Remove(e.slice)
					reader.Vanished(e.slice)
				} else {
					cache.Put(e.slice)
				}
			}
			if shown == 0 {
				continue
			}
			for i := range people {
				groups, err := reader.GroupsOf(t.Context(), pt.Namespace, person(i))
				if errors.Is(err, membership.ErrIncomplete) {
					unknown++
					continue
				}
				known++
				if in := h.members[shown-1][person(i)]; err != nil || (len(groups) == 1) != in {
					t.Fatalf("seed %d, version %d, %d events of slices: %s is a member: %t, found in %d groups: %v", seed, shown, heard, person(i), in, len(groups), err)
				}
			}
			checkOf(t, cache, h, shown)
		}
	}
	if known == 0 || unknown == 0 {
		t.Errorf("known %d times, unknown %d times: one was not tested", known, unknown)
	}
}

func checkOf(t *testing.T, cache *pt.Cache, h *history, shown int) {
	t.Helper()
	after := h.groups[shown-1]
	all, err := membership.Of(t.Context(), cache, after)
	if err == nil {
		got := map[string]bool{}
		for m := range all.All() {
			got[m.Value] = true
		}
		if diff := cmp.Diff(h.members[shown-1], got); diff != "" || all.Len() != len(got) {
			t.Fatal(diff)
		}
	} else if !errors.Is(err, membership.ErrIncomplete) {
		t.Fatal(err)
	}
	if shown < 2 {
		return
	}
	changed, err := membership.Diff(t.Context(), cache, h.groups[shown-2], after)
	if errors.Is(err, membership.ErrIncomplete) {
		return
	}
	want, got := map[string]bool{}, map[string]bool{}
	for i := range people {
		if id := person(i); h.members[shown-2][id] != h.members[shown-1][id] {
			want[id] = true
		}
	}
	for _, m := range changed {
		got[m.Value] = true
	}
	if diff := cmp.Diff(want, got); diff != "" || len(changed) != len(got) {
		t.Fatal(diff)
	}
}

func TestDiffReadsOnlyTheSlicesThatDiffer(t *testing.T) {
	cache := pt.NewCache()
	slice := func(name string, members ...string) v1alpha1.GroupSlice {
		cache.Put(&v1alpha1.ScimGroupSlice{ObjectMeta: pt.Meta(name), Spec: v1alpha1.ScimGroupSliceSpec{Group: "all", Members: asMembers(members)}})
		return v1alpha1.GroupSlice{Name: name, Count: int32(len(members))}
	}
	before, after := pt.Group("all"), pt.Group("all")
	unread := v1alpha1.GroupSlice{Name: "not-there", Count: 500}
	before.Spec.Slices = []v1alpha1.GroupSlice{unread, slice("old", "a", "b", "c")}
	after.Spec.Slices = []v1alpha1.GroupSlice{unread, slice("new", "a", "c", "d")}
	changed, err := membership.Diff(t.Context(), cache, before, after)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(changed, func(a, b v1alpha1.GroupMember) int { return strings.Compare(a.Value, b.Value) })
	if diff := cmp.Diff(asMembers([]string{"b", "d"}), changed); diff != "" {
		t.Error(diff)
	}
	for _, pair := range [][2]*v1alpha1.ScimGroup{{nil, after}, {after, nil}} {
		if _, err := membership.Diff(t.Context(), cache, pair[0], pair[1]); !errors.Is(err, membership.ErrIncomplete) {
			t.Errorf("a whole group of which a part is missing: %v", err)
		}
	}
}

func TestASliceThatTheCacheLacksIsReadLive(t *testing.T) {
	cache, live := pt.NewCache(), pt.NewCache()
	group := pt.Group("all")
	group.Spec.Slices = []v1alpha1.GroupSlice{{Name: "s", Count: 1}}
	cache.Put(group)
	live.Put(&v1alpha1.ScimGroupSlice{ObjectMeta: pt.Meta("s"), Spec: v1alpha1.ScimGroupSliceSpec{Group: "all", Members: asMembers([]string{"a"})}})
	for id, want := range map[string]int{"a": 1, "b": 0} {
		groups, err := membership.NewReader(cache, live).GroupsOf(t.Context(), pt.Namespace, id)
		if err != nil || len(groups) != want {
			t.Errorf("%s is in %d groups: %v", id, len(groups), err)
		}
		if _, err := membership.NewReader(cache, nil).GroupsOf(t.Context(), pt.Namespace, id); !errors.Is(err, membership.ErrIncomplete) {
			t.Errorf("%s from the cache alone: %v", id, err)
		}
	}
}

// Somebody deletes a slice by hand: the members in it are unknown from then on, not out.
func TestADeletedSliceMakesTheMembershipUnknown(t *testing.T) {
	cache := pt.NewCache()
	slice := &v1alpha1.ScimGroupSlice{ObjectMeta: pt.Meta("s"), Spec: v1alpha1.ScimGroupSliceSpec{Group: "all", Members: asMembers([]string{"a"})}}
	group := pt.Group("all")
	group.Spec.Slices = []v1alpha1.GroupSlice{{Name: "s", Count: 1}}
	cache.Put(slice)
	cache.Put(group)
	reader := membership.NewReader(cache, nil)
	if groups, err := reader.GroupsOf(t.Context(), pt.Namespace, "a"); err != nil || len(groups) != 1 {
		t.Fatalf("%d groups: %v", len(groups), err)
	}
	cache.Remove(slice)
	reader.Vanished(slice)
	for _, id := range []string{"a", "b"} {
		if _, err := reader.GroupsOf(t.Context(), pt.Namespace, id); !errors.Is(err, membership.ErrIncomplete) {
			t.Errorf("%s: %v", id, err)
		}
	}
}
