// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	cryptorand "crypto/rand"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// memberID is an id as users have them.
func memberID(i int) string { return fmt.Sprintf("u-abcdefghijklmnopqrstuvwxyz.%013d", i) }

func memberIDs(from, to int) []string {
	ids := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		ids = append(ids, memberID(i))
	}
	return ids
}

// withoutMembers is excludedAttributes=members.
func withoutMembers(t *testing.T) func(*Scope) {
	t.Helper()
	shown, err := scim.ParseProjection(nil, []string{"members"}, scim.GroupType)
	if err != nil {
		t.Fatal(err)
	}
	return func(s *Scope) { s.Projection = shown }
}

func addMembers(t *testing.T, ids ...string) *scim.Patch {
	t.Helper()
	values := make([]map[string]string, len(ids))
	for i, id := range ids {
		values[i] = map[string]string{"value": id}
	}
	raw, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return patch(t, scim.GroupType, fmt.Sprintf(`[{"op":"add","path":"members","value":%s}]`, raw))
}

// removeMembers has the form of Okta (C1).
func removeMembers(t *testing.T, ids ...string) *scim.Patch {
	t.Helper()
	var ops []string
	for _, id := range ids {
		ops = append(ops, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, id))
	}
	return patch(t, scim.GroupType, "["+strings.Join(ops, ",")+"]")
}

func membersOf(r *scim.Resource) []string {
	var ids []string
	for _, m := range r.Members() {
		ids = append(ids, m.Value)
	}
	return ids
}

// later is a clock that is ahead.
type later struct {
	clock.RealClock
	by time.Duration
}

func (l later) Now() time.Time { return time.Now().Add(l.by) }

// sweepAll sweeps until nothing is old any more, and gives the slices that are left, by name.
func (r *replica) sweepAll(group string) map[string]bool {
	r.t.Helper()
	r.opts.Clock = later{by: 2 * orphanGrace}
	defer func() { r.opts.Clock = clock.RealClock{} }()
	left := map[string]bool{}
	eventually(r.t, "the sweep", func() bool {
		if _, err := r.SweepSlices(r.t.Context(), r.namespace, group, func(string) bool { return false }); err != nil && !lost(err) {
			r.t.Fatal(err)
		}
		var list v1alpha1.ScimGroupSliceList
		if err := r.client.List(r.t.Context(), &list, client.InNamespace(r.namespace)); err != nil {
			r.t.Fatal(err)
		}
		var g v1alpha1.ScimGroup
		_ = r.client.Get(r.t.Context(), client.ObjectKey{Namespace: r.namespace, Name: group}, &g)
		clear(left)
		for _, s := range list.Items {
			left[s.Name] = true
		}
		return len(left) == len(g.Spec.Slices)
	})
	return left
}

// TestAGroupOf100000Members goes through the life of a large group, as an identity provider sends it: each step costs what it changes (C12).
func TestAGroupOf100000Members(t *testing.T) {
	const size, posted, batch = 100_000, 80_000, 1000
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta", withoutMembers(t))
	ctx := t.Context()
	var id string
	step := func(what string, most int32, f func()) {
		t.Helper()
		begin := time.Now()
		reads, writes := r.requests(f)
		t.Logf("%s: %s, %d reads, %d writes of %d bytes", what, time.Since(begin).Round(time.Millisecond), reads, writes, r.written.Load())
		if writes > most {
			t.Errorf("%s: %d writes, want at most %d", what, writes, most)
		}
	}
	apply := func(p *scim.Patch) {
		t.Helper()
		must[*scim.Resource](t)(d.Patch(ctx, scim.GroupType, id, p))
	}

	step("creating with 80,000", 3+posted/v1alpha1.MaxSliceMembers, func() {
		id = must[*scim.Resource](t)(d.Create(ctx, group(t, "all", memberIDs(0, posted)...))).ID()
	})
	name, _, _ := v1alpha1.SplitSCIMID(id)
	step("20 batches of 1,000", 3*(size-posted)/batch, func() {
		for from := posted; from < size; from += batch {
			apply(addMembers(t, memberIDs(from, from+batch)...))
		}
	})
	want := memberIDs(0, size)
	read := func() []string {
		t.Helper()
		return membersOf(must[*scim.Resource](t)(r.as("okta").Get(ctx, scim.GroupType, id)))
	}
	step("reading all", 0, func() {
		if got := read(); !slices.Equal(got, want) {
			t.Fatalf("%d members, not those that were added in their order", len(got))
		}
	})
	step("reading without members", 0, func() {
		if got := must[*scim.Resource](t)(d.Get(ctx, scim.GroupType, id)); len(got.Members()) > 0 {
			t.Error("members were loaded")
		}
	})
	if reads := r.reads.Load(); reads != 1 {
		t.Errorf("%d reads for a group without its members", reads)
	}
	step("filters by member", 0, func() {
		for _, f := range []string{`members[value eq "%s"]`, `members.value eq "%s"`, `id eq "` + id + `" and members eq "%s"`} {
			if got := ids(t, d, scim.GroupType, filter(t, scim.GroupType, f, memberID(size/2))); !slices.Equal(got, []string{id}) {
				t.Errorf("%s: %q", f, got)
			}
			if got := ids(t, d, scim.GroupType, filter(t, scim.GroupType, f, "nobody")); len(got) > 0 {
				t.Errorf("%s with nobody: %q", f, got)
			}
		}
	})
	step("renaming", 3, func() { apply(patch(t, scim.GroupType, `[{"op":"replace","value":{"displayName":"everybody"}}]`)) })
	step("the rename that Okta sends again", 0, func() { apply(patch(t, scim.GroupType, `[{"op":"replace","value":{"displayName":"everybody"}}]`)) })
	step("adding one", 2, func() { apply(addMembers(t, memberID(size))) })
	if bytes := r.written.Load(); bytes >= 64<<10 {
		t.Errorf("adding one member wrote %d bytes", bytes)
	}
	step("adding it again", 0, func() { apply(addMembers(t, memberID(size))) })
	step("removing one", 2, func() { apply(removeMembers(t, memberID(size/2))) })
	if bytes := r.written.Load(); bytes >= 64<<10 {
		t.Errorf("removing one member wrote %d bytes", bytes)
	}
	step("removing it again", 0, func() { apply(removeMembers(t, memberID(size/2))) })

	current := read()
	if len(current) != size || slices.Contains(current, memberID(size/2)) || current[size-1] != memberID(size) {
		t.Errorf("%d members", len(current))
	}
	replaced := slices.Clone(current)
	for i := range 10 {
		replaced[i*size/10] = memberID(2*size + i)
	}
	// Ten slices lose a member, one gets ten; and the group.
	step("replacing all with 10 others", 12, func() {
		must[*scim.Resource](t)(d.Replace(ctx, id, group(t, "everybody", replaced...)))
	})
	etag := must[*scim.Resource](t)(d.Get(ctx, scim.GroupType, id)).String("meta.version")
	got := read()
	if setOf(got...) != setOf(slices.Clone(replaced)...) {
		t.Error("the members are not those of the PUT")
	}
	if whole := scim.ETag(parsed(t, scim.GroupType, fmt.Sprintf(`{"schemas":[%q],"displayName":"everybody"}`, scim.GroupSchemaID))); whole == etag {
		t.Error("the ETag does not cover the members")
	}
	step("replacing all with the same", 0, func() {
		must[*scim.Resource](t)(d.Replace(ctx, id, group(t, "everybody", got...)))
	})
	if left := r.sweepAll(name); len(left) > 2*size/v1alpha1.MaxSliceMembers+1 {
		t.Errorf("%d slices", len(left))
	}
	step("emptying", 1, func() { apply(patch(t, scim.GroupType, `[{"op":"replace","path":"members","value":[]}]`)) })
	if got := read(); len(got) > 0 {
		t.Errorf("%d members are left", len(got))
	}
	step("deleting", 1, func() {
		if err := d.Delete(ctx, scim.GroupType, id); err != nil {
			t.Fatal(err)
		}
	})
	step("sweeping", 1000, func() { r.vanish(name) })
	if left := r.sweepAll(name); len(left) > 0 {
		t.Errorf("%d slices are left over", len(left))
	}
}

// vanish does what the controller does with a group that is being deleted.
func (r *replica) vanish(name string) {
	r.t.Helper()
	g := &v1alpha1.ScimGroup{}
	if err := r.client.Get(r.t.Context(), client.ObjectKey{Namespace: r.namespace, Name: name}, g); err != nil {
		r.t.Fatal(err)
	}
	if err := r.RemoveSlices(r.t.Context(), g); err != nil {
		r.t.Fatal(err)
	}
	g.Finalizers = nil
	if err := r.client.Update(r.t.Context(), g); err != nil {
		r.t.Fatal(err)
	}
}

// TestConcurrentPatchesOfASlicedGroupLoseAndInventNobody has two replicas change one group at once, with a sweeper among them (C3). Each writer has members of its
// own, so that what should be there in the end is what it did last with each.
func TestConcurrentPatchesOfASlicedGroupLoseAndInventNobody(t *testing.T) {
	namespace := cptest.New(t).Namespace(t)
	replicas := []*replica{newReplica(t, namespace), newReplica(t, namespace)}
	for _, r := range replicas {
		r.sizes = sizes{inline: 20, slice: 10, writers: 4}
	}
	common := memberIDs(0, 100)
	id := must[*scim.Resource](t)(replicas[0].as("okta").Create(t.Context(), group(t, "all", common...))).ID()
	name, _, _ := v1alpha1.SplitSCIMID(id)
	const writers, rounds = 5, 15
	want := make([]map[string]bool, writers)
	// A sweeper for which everything is old at once.
	sweeper := newReplica(t, namespace)
	sweeper.opts.Clock = later{by: 2 * orphanGrace}
	ctx, stop := context.WithCancel(t.Context())
	swept := make(chan error, 1)
	go func() {
		ticks := time.NewTicker(300 * time.Millisecond)
		defer ticks.Stop()
		for range ticks.C {
			_, err := sweeper.SweepSlices(ctx, namespace, name, func(string) bool { return false })
			if ctx.Err() != nil || err != nil && !lost(err) {
				swept <- err
				return
			}
		}
	}()
	statuses := together(writers, func(i int) error {
		random := rand.New(rand.NewPCG(7, uint64(i)))
		want[i] = map[string]bool{}
		for range rounds {
			d := replicas[random.IntN(2)].as("okta", withoutMembers(t))
			var some []string
			for range 1 + random.IntN(12) {
				some = append(some, fmt.Sprintf("w%d.member%03d", i, random.IntN(30)))
			}
			add := random.IntN(3) > 0
			p := removeMembers(t, some...)
			if add {
				p = addMembers(t, some...)
			}
			// All that write at once may be too many; then one is told to try again, and does.
			_, err := d.Patch(t.Context(), scim.GroupType, id, p)
			for status(err) == 503 && t.Context().Err() == nil {
				_, err = d.Patch(t.Context(), scim.GroupType, id, p)
			}
			if err != nil {
				return err
			}
			for _, m := range some {
				want[i][m] = add
			}
		}
		return nil
	})
	stop()
	if err := <-swept; ctx.Err() == nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int]int{200: writers}, statuses); diff != "" {
		t.Fatal(diff)
	}
	all := slices.Clone(common)
	for _, mine := range want {
		for m, there := range mine {
			if there {
				all = append(all, m)
			}
		}
	}
	for _, r := range replicas {
		got := must[*scim.Resource](t)(r.as("okta").Get(t.Context(), scim.GroupType, id))
		if diff := cmp.Diff(setOf(slices.Clone(all)...), setOf(membersOf(got)...)); diff != "" {
			t.Error(diff)
		}
		if len(membersOf(got)) != len(all) {
			t.Error("a member is there twice")
		}
		g := object(t, r, id, &v1alpha1.ScimGroup{})
		if digest(g) != scim.DigestMembers(got.Members()) || g.Spec.MemberCount() != len(all) {
			t.Error("the digest or the counts are not those of the members")
		}
	}
	replicas[0].sweepAll(name)
	if got := membersOf(must[*scim.Resource](t)(replicas[1].as("okta").Get(t.Context(), scim.GroupType, id))); len(got) != len(all) {
		t.Errorf("%d of %d members after the sweep", len(got), len(all))
	}
}

// Few members with long ids stand in slices, too: the group has to stay small enough for etcd.
func TestMembersWithLongIDsStandInSlices(t *testing.T) {
	for name, tc := range map[string]struct {
		length int
		inline bool
	}{"ids of the usual size": {60, true}, "ids of the largest size": {320, true}, "ids that JSON escapes": {-320, false}} {
		t.Run(name, func(t *testing.T) {
			letter, length := "x", tc.length
			if length < 0 {
				letter, length = "<", -length
			}
			l := &layout{size: v1alpha1.MaxSliceMembers}
			var members []v1alpha1.GroupMember
			for i := range defaultSizes.inline {
				members = append(members, v1alpha1.GroupMember{Value: fmt.Sprintf("%03d", i) + strings.Repeat(letter, length-3)})
			}
			if err := l.add(members); err != nil {
				t.Fatal(err)
			}
			s := &Store{sizes: defaultSizes, opts: Options{Random: cryptorand.Reader}}
			g := &v1alpha1.ScimGroup{}
			written, err := s.place(g, l, scim.MemberDigest{})
			if err != nil || g.Spec.MemberCount() != len(members) {
				t.Fatalf("%d members, %v", g.Spec.MemberCount(), err)
			}
			if inline := len(written) == 0 && len(g.Spec.Members) > 0; inline != tc.inline {
				t.Errorf("%d members in the group, %d slices", len(g.Spec.Members), len(written))
			}
		})
	}
}
