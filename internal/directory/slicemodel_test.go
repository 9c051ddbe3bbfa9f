// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// smallSizes bring every case with few members: two stand in the group itself, more of them in slices of two, until one is left.
var smallSizes = sizes{inline: 2, slice: 2, writers: 1}

// A sliceWorld is one group on the model of etcd.
type sliceWorld struct {
	world
	t  *testing.T
	id string
	// named are the slices that a version of the group has named.
	named map[string]bool
}

// sliceOp is an operation on the group.
type sliceOp struct {
	name string
	run  func(w *sliceWorld, s *Store) outcome
	// effect on the members, and what should be answered. Nil for operations that mean nothing.
	effect func(members string) (after string, result outcome)
	actor  *actor
}

// gone stands for the members of a group that was deleted.
const gone = "-"

func setOf(ids ...string) string {
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), " ")
}

func with(members string, ids ...string) string {
	return setOf(append(strings.Fields(members), ids...)...)
}

func without(members string, ids ...string) string {
	return setOf(slices.DeleteFunc(strings.Fields(members), func(m string) bool { return slices.Contains(ids, m) })...)
}

// replica is a Store with small sizes and a cache that shows all slices to the sweeper, and none to those who look for a member.
func (w *sliceWorld) replica(name string, turn func(access)) *Store {
	s := w.store(name, turn)
	s.sizes = smallSizes
	s.opts.Cache = sweepersCache{etcd: w.etcd, turn: turn}
	return s
}

type sweepersCache struct {
	Cache
	etcd *etcd
	turn func(access)
}

func (sweepersCache) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(groupResource("slice/"), key.Name)
}

func (c sweepersCache) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	o := client.ListOptions{}
	o.ApplyOptions(opts)
	if o.FieldSelector.Requirements()[0].Field != membership.IndexSliceGroup {
		return nil
	}
	c.turn(access{key: "slice/*"})
	for _, key := range slices.Sorted(maps.Keys(c.etcd.objects)) {
		if slice, ok := c.etcd.objects[key].(*v1alpha1.ScimGroupSlice); ok {
			items := &list.(*v1alpha1.ScimGroupSliceList).Items
			*items = append(*items, *slice.DeepCopy())
		}
	}
	return nil
}

func patching(name, operations string, effect func(string) string) *sliceOp {
	return changing(name, effect, func(w *sliceWorld, d *Directory, t resourceType) (client.Object, error) {
		p := patch(w.t, scim.GroupType, operations)
		return d.change(context.Background(), t, w.id, func(obj client.Object) (draft, error) { return t.patched(context.Background(), obj, p) })
	})
}

func changing(name string, effect func(string) string, do func(*sliceWorld, *Directory, resourceType) (client.Object, error)) *sliceOp {
	return &sliceOp{
		name: name,
		run: func(w *sliceWorld, s *Store) outcome {
			d, t := w.directory(s)
			_, err := do(w, d, t)
			return outcomeOf(err)
		},
		effect: func(members string) (string, outcome) {
			if members == gone {
				return gone, outcome{result: "missing"}
			}
			return effect(members), outcome{result: "ok"}
		},
	}
}

func adding(ids ...string) *sliceOp {
	var values []string
	for _, id := range ids {
		values = append(values, fmt.Sprintf(`{"value":%q}`, id))
	}
	return patching("add "+strings.Join(ids, " "), fmt.Sprintf(`[{"op":"add","path":"members","value":[%s]}]`, strings.Join(values, ",")),
		func(members string) string { return with(members, ids...) })
}

func removing(ids ...string) *sliceOp {
	var ops []string
	for _, id := range ids {
		ops = append(ops, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, id))
	}
	return patching("remove "+strings.Join(ids, " "), "["+strings.Join(ops, ",")+"]",
		func(members string) string { return without(members, ids...) })
}

func putting(ids ...string) *sliceOp {
	return changing("put "+strings.Join(ids, " "), func(string) string { return setOf(ids...) },
		func(w *sliceWorld, d *Directory, t resourceType) (client.Object, error) {
			r := group(w.t, "all", ids...)
			return d.change(context.Background(), t, w.id, func(obj client.Object) (draft, error) { return t.replaced(context.Background(), obj, r) })
		})
}

// leaving is what becomes of the memberships of a deleted user.
func leaving(id string) *sliceOp {
	return &sliceOp{
		name: "leave " + id,
		run: func(w *sliceWorld, s *Store) outcome {
			name, _, _ := v1alpha1.SplitSCIMID(w.id)
			return outcomeOf(s.RemoveMember(context.Background(), modelNamespace, name, id))
		},
		effect: func(members string) (string, outcome) {
			if members == gone {
				return gone, outcome{result: "ok"}
			}
			return without(members, id), outcome{result: "ok"}
		},
	}
}

func deleting() *sliceOp {
	return changing("delete", func(string) string { return gone }, func(w *sliceWorld, d *Directory, t resourceType) (client.Object, error) {
		return nil, d.remove(context.Background(), t, w.id)
	})
}

func reading() *sliceOp {
	return &sliceOp{
		name: "read",
		run: func(w *sliceWorld, s *Store) outcome {
			d, t := w.directory(s)
			obj, err := d.find(context.Background(), t, w.id)
			if err != nil {
				return outcomeOf(err)
			}
			r, err := t.resource(context.Background(), obj, func(string) bool { return true })
			if err != nil {
				return outcomeOf(err)
			}
			var ids []string
			for _, m := range r.Members() {
				ids = append(ids, m.Value)
			}
			return outcome{result: "read", id: setOf(ids...)}
		},
		effect: func(members string) (string, outcome) {
			if members == gone {
				return gone, outcome{result: "missing"}
			}
			return members, outcome{result: "read", id: members}
		},
	}
}

// sweeping is the sweeper at a time at which every slice is old.
func sweeping() *sliceOp {
	return &sliceOp{name: "sweep", run: func(w *sliceWorld, s *Store) outcome {
		if err := w.sweep(s); err != nil && !lost(err) {
			return outcomeOf(err)
		}
		return outcome{result: "ok"}
	}}
}

func (w *sliceWorld) sweep(s *Store) error {
	name, _, _ := v1alpha1.SplitSCIMID(w.id)
	_, err := s.SweepSlices(context.Background(), modelNamespace, name, func(slice string) bool { return w.named[slice] })
	return err
}

// members reads from etcd who is in the group. It fails where the group is not in one piece.
func (w *sliceWorld) members() (string, error) {
	name, _, _ := v1alpha1.SplitSCIMID(w.id)
	g, _ := w.etcd.objects["group/"+name].(*v1alpha1.ScimGroup)
	if g == nil || g.DeletionTimestamp != nil {
		return gone, nil
	}
	var ids []string
	for _, m := range g.Spec.Members {
		ids = append(ids, m.Value)
	}
	for i, ref := range g.Spec.Slices {
		w.named[ref.Name] = true
		slice, _ := w.etcd.objects["slice/"+ref.Name].(*v1alpha1.ScimGroupSlice)
		if slice == nil {
			return "", fmt.Errorf("the group names the slice %s, which does not exist", ref.Name)
		}
		n := len(slice.Spec.Members)
		if n != int(ref.Count) || n == 0 || n > smallSizes.slice {
			return "", fmt.Errorf("the slice %s has %d members, the group says %d", ref.Name, n, ref.Count)
		}
		if i > 0 && n+int(g.Spec.Slices[i-1].Count) <= smallSizes.slice {
			return "", errors.New("two slices that would fit into one")
		}
		for _, m := range slice.Spec.Members {
			ids = append(ids, m.Value)
		}
	}
	var want scim.MemberDigest
	for _, id := range ids {
		want.Add(id)
	}
	members := setOf(slices.Clone(ids)...)
	if len(strings.Fields(members)) != len(ids) {
		return "", fmt.Errorf("a member is there twice: %v", ids)
	}
	if digest(g) != want {
		return "", errors.New("the digest is not that of the members")
	}
	return members, nil
}

// slicesOf runs operations at once on a group that has members.
func slicesOf(t *testing.T, initial []string, spoil func(*etcd), ops ...*sliceOp) func() *run {
	return func() *run {
		w := &sliceWorld{world: world{etcd: newEtcd(), groups: true}, t: t, named: map[string]bool{}}
		s := w.replica("script", func(access) {})
		d, rt := w.directory(s)
		obj, err := rt.create(context.Background(), group(t, "all", initial...))
		if err != nil {
			panic(err)
		}
		w.id = obj.(*v1alpha1.ScimGroup).SCIMID()
		_ = d
		before, err := w.members()
		if err != nil {
			panic(err)
		}
		if spoil != nil {
			spoil(w.etcd)
		}
		r := &run{}
		var all []*sliceOp
		for i, op := range ops {
			op := &sliceOp{name: op.name, run: op.run, effect: op.effect}
			op.actor = &actor{name: fmt.Sprintf("%s (%d)", op.name, i)}
			op.actor.run = func(turn func(access)) outcome { return op.run(w, w.replica(op.actor.name, turn)) }
			all, r.actors = append(all, op), append(r.actors, op.actor)
		}
		r.check = func() error { _, err := w.members(); return err }
		r.finish = func(*run) error { return w.finish(before, all) }
		return r
	}
}

// finish checks that the answers are true, then sweeps, and looks whether anything is left that no group names.
func (w *sliceWorld) finish(before string, ops []*sliceOp) error {
	after, err := w.members()
	if err != nil {
		return err
	}
	if !explainedBy(before, ops, after) {
		return fmt.Errorf("no order of the operations explains their answers and the end: before %q, after %q", before, after)
	}
	s := w.replica("recovery", func(access) {})
	name, _, _ := v1alpha1.SplitSCIMID(w.id)
	if g, ok := w.etcd.objects["group/"+name].(*v1alpha1.ScimGroup); ok && after == gone {
		if err := s.RemoveSlices(context.Background(), g); err != nil {
			return err
		}
		g = g.DeepCopy()
		g.Finalizers = nil
		if err := s.api.Update(context.Background(), g); err != nil {
			return err
		}
	}
	if err := w.sweep(s); err != nil {
		return err
	}
	swept, err := w.members()
	if err != nil || swept != after {
		return fmt.Errorf("after sweeping the members are %q, not %q: %w", swept, after, err)
	}
	named := map[string]bool{}
	if g, ok := w.etcd.objects["group/"+name].(*v1alpha1.ScimGroup); ok {
		for _, ref := range g.Spec.Slices {
			named["slice/"+ref.Name] = true
		}
	}
	for key := range w.etcd.objects {
		if strings.HasPrefix(key, "slice/") && !named[key] {
			return fmt.Errorf("%s is left over", key)
		}
	}
	return nil
}

// explainedBy is world.explained for members.
func explainedBy(members string, ops []*sliceOp, end string) bool {
	if len(ops) == 0 {
		return members == end
	}
	for i, op := range ops {
		rest := slices.Concat(ops[:i], ops[i+1:])
		first := !slices.ContainsFunc(rest, func(other *sliceOp) bool {
			return other.actor.state == ended && other.actor.last > 0 && op.actor.first > other.actor.last
		})
		if !first {
			continue
		}
		unknown := op.actor.state == crashed || op.actor.outcome.result == "busy"
		if (op.effect == nil || unknown) && explainedBy(members, rest, end) {
			return true
		}
		if op.effect == nil {
			continue
		}
		next, result := op.effect(members)
		if (unknown || result == op.actor.outcome) && explainedBy(next, rest, end) {
			return true
		}
	}
	return false
}

// TestEveryInterleavingOfSlices runs the changes of a group that is in slices, and of one that comes to be and ceases to be so, in every order of their calls of the
// API server, and lets one of them crash at each. After every call the group has to be in one piece; in the end nobody is lost or invented, and once swept nothing is
// left over.
func TestEveryInterleavingOfSlices(t *testing.T) {
	t.Parallel()
	five := []string{"m1", "m2", "m3", "m4", "m5"}
	var c coverage
	for _, s := range []struct {
		initial []string
		ops     []*sliceOp
	}{
		{five, []*sliceOp{adding("a", "b", "c")}},
		{five, []*sliceOp{removing("m1", "m4")}},
		{five, []*sliceOp{putting("m2", "m3", "a", "b", "c", "d")}},
		{five, []*sliceOp{putting()}},
		{five, []*sliceOp{deleting()}},
		{five[:2], []*sliceOp{adding("a", "b", "c")}},
		{nil, []*sliceOp{putting(five...)}},
		{five, []*sliceOp{adding("a"), adding("b")}},
		{five, []*sliceOp{adding("a"), removing("m5")}},
		{five, []*sliceOp{removing("m1"), removing("m2")}},
		{five, []*sliceOp{removing("m1", "m2", "m3"), removing("m4")}},
		{five, []*sliceOp{removing("m1", "m2", "m3", "m4"), adding("m1", "a")}},
		{five, []*sliceOp{adding("a"), adding("a")}},
		{five, []*sliceOp{putting("m1", "a"), adding("b")}},
		{five, []*sliceOp{leaving("m3"), adding("a")}},
		{five, []*sliceOp{leaving("m3"), deleting()}},
		{five, []*sliceOp{adding("a", "b"), deleting()}},
		{five, []*sliceOp{adding("a", "b"), sweeping()}},
		{five, []*sliceOp{removing("m1", "m3"), sweeping()}},
		{five, []*sliceOp{putting("a", "b", "c"), sweeping()}},
		{five[:2], []*sliceOp{adding("a"), sweeping()}},
		{five, []*sliceOp{removing("m1"), reading()}},
		{five, []*sliceOp{adding("a"), sweeping(), reading()}},
		{five, []*sliceOp{adding("a"), removing("m5"), sweeping()}},
		{five, []*sliceOp{removing("m1"), adding("m1"), sweeping()}},
		{five, []*sliceOp{adding("a"), deleting(), sweeping()}},
	} {
		var names []string
		for _, op := range s.ops {
			names = append(names, op.name)
		}
		run := func(e explorer) bool {
			complete, err := e.all(slicesOf(t, s.initial, nil, s.ops...))
			if err != nil {
				t.Fatalf("%v, then %s: %v", s.initial, strings.Join(names, " | "), err)
			}
			c.schedules += e.schedules
			c.calls += e.steps
			return complete
		}
		c.scenarios++
		if run(explorer{crashes: 1, reduce: true, preemptions: -1, most: bound(400)}) {
			c.complete++
			continue
		}
		run(explorer{preemptions: 3, most: bound(400)})
		run(explorer{preemptions: 2, crashes: 1, most: bound(400)})
	}
	t.Log(c)
}

// TestABrokenProtocolOfSlicesIsFound takes single steps out.
func TestABrokenProtocolOfSlicesIsFound(t *testing.T) {
	t.Parallel()
	five := []string{"m1", "m2", "m3", "m4", "m5"}
	for name, s := range map[string]struct {
		spoil func(*etcd)
		ops   []*sliceOp
	}{
		"a write under way is not fenced before the sweep": {func(e *etcd) { e.broken = isFence }, []*sliceOp{adding("a"), sweeping()}},
		"updates do not compare":                           {func(e *etcd) { e.blind = true }, []*sliceOp{adding("a"), removing("m5")}},
		"slices are not written": {func(e *etcd) { e.dropped = func(key string) bool { return strings.HasPrefix(key, "slice/") } },
			[]*sliceOp{adding("a")}},
	} {
		t.Run(name, func(t *testing.T) {
			e := explorer{preemptions: 5}
			if _, err := e.all(slicesOf(t, five, s.spoil, s.ops...)); err == nil {
				t.Fatalf("not found in %d schedules", e.schedules)
			} else {
				t.Logf("found after %d schedules: %v", e.schedules, err)
			}
		})
	}
}
