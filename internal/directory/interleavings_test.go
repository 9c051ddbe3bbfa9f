// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// A scenario: a script that runs alone, then operations that run at once.
type scenario struct {
	groups bool
	script []*operation
	// crash is the number of calls after which the last operation of the script crashes; 0 is never.
	crash int
	ops   []*operation
	// spoil changes the world into one with a broken protocol.
	spoil func(*world)
}

func (s scenario) String() string {
	names := func(ops []*operation) string {
		var all []string
		for _, op := range ops {
			all = append(all, op.name)
		}
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("after [%s] (crash %d): %s", names(s.script), s.crash, names(s.ops))
}

// world is what the script leads to.
func (s scenario) world() *world {
	w := &world{etcd: newEtcd(), groups: s.groups}
	for i, op := range s.script {
		a := &actor{name: fmt.Sprintf("script %d", i)}
		a.run = func(turn func(access)) outcome { return op.run(w, w.store(a.name, turn)) }
		a.start()
		for calls := 0; a.state == waiting; calls++ {
			a.step(s.crash > 0 && i == len(s.script)-1 && calls == s.crash)
		}
		if a.state == crashed {
			w.before = append(w.before, &operation{name: op.name, effect: op.effect, actor: a})
		} else if a.outcome.id != "" {
			w.ids = append(w.ids, a.outcome.id)
		}
	}
	return w
}

// begin runs the script and sets the operations up.
func (s scenario) begin() *run {
	w := s.world()
	initial, err := w.holders()
	if err != nil {
		panic(err)
	}
	if s.spoil != nil {
		s.spoil(w)
	}
	r := &run{}
	var ops []*operation
	for i, op := range s.ops {
		op := &operation{name: op.name, run: op.run, effect: op.effect}
		op.actor = &actor{name: fmt.Sprintf("%s (%d)", op.name, i)}
		op.actor.run = func(turn func(access)) outcome { return op.run(w, w.store(op.actor.name, turn)) }
		ops, r.actors = append(ops, op), append(r.actors, op.actor)
	}
	r.check = func() error { _, err := w.holders(); return err }
	r.finish = func(*run) error { return w.finish(initial, append(w.before, ops...)) }
	return r
}

// finish lets the controllers tidy up after the crashes, and then looks whether everything that was answered is true, and every free name can be taken.
func (w *world) finish(initial ideal, ops []*operation) error {
	s := w.store("recovery", func(access) {})
	for range 4 {
		if o := control().run(w, s); o.result != "ok" {
			return fmt.Errorf("controller: %s", o)
		}
	}
	held, err := w.holders()
	if err != nil {
		return err
	}
	if err := w.tidy(held); err != nil {
		return err
	}
	if !w.explained(initial, ops, held) {
		return fmt.Errorf("no order of the operations explains their answers and the end: before %v, after %v", initial, held)
	}
	d, _ := w.directory(s)
	for _, name := range []string{"a", "b", "c"} {
		_, err := w.create(d, name)
		var conflict *ConflictError
		if taken := errors.As(err, &conflict); taken != (held[name] != "") || !taken && err != nil {
			return fmt.Errorf("afterwards, a create of %s (held: %q) gives %w", name, held[name], err)
		}
		if _, err := w.holders(); err != nil {
			return err
		}
	}
	return nil
}

// tidy fails if something is left that serves for nothing.
func (w *world) tidy(held ideal) error {
	for key, obj := range w.etcd.objects {
		switch obj := obj.(type) {
		case *v1alpha1.ScimUser:
			lends := false
			if r := obj.Spec.Reservation; r != nil {
				_, lends = held.nameOf(r.User + "." + r.ID)
			}
			if !lends && (isReservation(obj) || obj.DeletionTimestamp != nil) {
				return fmt.Errorf("%s is left over", key)
			}
			if !isReservation(obj) && !obj.Admitted() {
				return fmt.Errorf("%s was not admitted", key)
			}
		case *v1alpha1.ScimGroup:
			if obj.DeletionTimestamp != nil || !obj.Admitted() {
				return fmt.Errorf("%s is left over", key)
			}
		}
	}
	return nil
}

// explained searches for an order in which the operations, one after the other, give the answers that they gave and end in what is held. An operation
// that crashed or was told to try again may have happened or not.
func (w *world) explained(state ideal, ops []*operation, held ideal) bool {
	if len(ops) == 0 {
		return same(state, held)
	}
	for i, op := range ops {
		rest := slices.Concat(ops[:i], ops[i+1:])
		if slices.ContainsFunc(rest, func(other *operation) bool { return other.before(op) }) {
			continue
		}
		unknown := op.actor.state == crashed || op.actor.outcome.result == "busy"
		if op.effect == nil || unknown {
			if w.explained(state, rest, held) {
				return true
			}
		}
		if op.effect == nil {
			continue
		}
		next := maps.Clone(state)
		if o := op.effect(w, &next, op.actor.outcome); unknown || o == op.actor.outcome {
			if w.explained(next, rest, held) {
				return true
			}
		}
	}
	return false
}

// before is whether the operation had ended before the other began. One that was told to try again may take effect even later.
func (op *operation) before(other *operation) bool {
	return op.actor.state == ended && op.actor.outcome.result != "busy" && op.actor.last > 0 && other.actor.first > op.actor.last
}

func same(state, held ideal) bool {
	if len(state) != len(held) {
		return false
	}
	for name, id := range state {
		if held[name] != id && (held[name] == "" || !strings.HasPrefix(id, "?")) {
			return false
		}
	}
	return true
}

// scripts lead to every kind of slot: absent, native holder, pure reservation, an object that moved on, one that is being deleted, each with and without
// a holder or an operation that crashed half-way. The number is how many resources there are then.
var scripts = []struct {
	ops     []*operation
	crash   int
	objects int
	groups  bool // worth while for groups, too
	only    bool // for groups only
}{
	{ops: nil, objects: 0, groups: true},
	{ops: []*operation{post("a")}, objects: 1, groups: true},
	{ops: []*operation{post("a"), post("b")}, objects: 2, groups: true},
	{ops: []*operation{post("a"), rename(0, "b")}, objects: 1, groups: true},
	{ops: []*operation{post("a"), rename(0, "b"), post("a")}, objects: 2},
	{ops: []*operation{post("a"), remove(0)}, objects: 1},
	{ops: []*operation{post("a"), remove(0), post("a")}, objects: 2},
	{ops: []*operation{post("a"), rename(0, "b"), remove(0)}, objects: 1},
	{ops: []*operation{post("a"), rename(0, "b"), post("a"), remove(0)}, objects: 2},
	{ops: []*operation{post("a"), rename(0, "b"), post("a"), remove(1)}, objects: 2},
	{ops: []*operation{post("a"), post("b"), rename(0, "c"), rename(1, "a")}, objects: 2},
	{ops: []*operation{post("a"), rename(0, "b")}, crash: 3, objects: 1, groups: true},
	{ops: []*operation{post("a"), remove(0), post("a")}, crash: 3, objects: 1},
	{ops: []*operation{post("a"), remove(0), post("a")}, crash: 5, objects: 1},
	{ops: []*operation{post("a"), loseLeases()}, objects: 1, groups: true, only: true},
	{ops: []*operation{post("a"), loseLeases(), post("a")}, crash: 2, objects: 1, groups: true, only: true},
}

// operations on a world with that many resources.
func operations(objects int) []*operation {
	ops := []*operation{post("a"), post("b"), lookup("a"), control()}
	for i := range objects {
		ops = append(ops, rename(i, "a"), rename(i, "b"), remove(i))
	}
	return ops
}

// triples are three operations that get in each other's way most.
var triples = []scenario{
	{script: []*operation{post("a")}, ops: []*operation{rename(0, "b"), post("b"), post("a")}},
	{script: []*operation{post("a"), post("b")}, ops: []*operation{rename(0, "b"), rename(1, "a"), remove(1)}},
	{script: []*operation{post("a"), post("b")}, ops: []*operation{rename(0, "c"), rename(1, "a"), post("b")}},
	{script: []*operation{post("a"), rename(0, "b")}, ops: []*operation{rename(0, "a"), post("a"), post("b")}},
	{script: []*operation{post("a"), rename(0, "b"), post("a"), remove(0)}, ops: []*operation{control(), remove(1), post("a")}},
	{script: []*operation{post("a"), remove(0)}, ops: []*operation{post("a"), control(), lookup("a")}},
	{script: []*operation{post("a"), remove(0), post("a")}, crash: 3, ops: []*operation{post("a"), control(), lookup("a")}},
}

// twice has one object renamed by two requests, which takes more interruptions to go wrong.
var twice = scenario{script: []*operation{post("a")}, ops: []*operation{rename(0, "b"), rename(0, "b"), post("b")}}

// tooLate has a name that a create finds taken become free, before the create has removed what it began.
var tooLate = scenario{script: []*operation{post("a"), rename(0, "b")}, ops: []*operation{post("a"), rename(0, "a"), rename(0, "c"), control()}}

// overtaken have a controller finish what a create has begun, and somebody find it before the create goes on.
var overtaken = []scenario{
	{script: []*operation{post("a"), rename(0, "b")}, ops: []*operation{post("a"), lateControl(), found("a", 1, remove(1))}},
	{script: []*operation{post("a"), rename(0, "b")}, ops: []*operation{post("a"), lateControl(), found("a", 1, rename(1, "c"))}},
}

// TestInterleavings runs the protocol that keeps names unique through the orders of the API calls of two operations, one of which may crash at any of them, and
// of three in the scenarios that are the most entangled. All orders are run where there are not too many, else some with few interruptions: more of them with
// go test ./internal/directory -run TestInterleavings -timeout 1h -args -deep
func TestInterleavings(t *testing.T) {
	for _, groups := range []bool{false, true} {
		t.Run(map[bool]string{false: "users", true: "groups"}[groups], func(t *testing.T) {
			t.Parallel()
			var c coverage
			for _, script := range scripts {
				if groups && !script.groups || !groups && script.only {
					continue // The slot of a group is a Lease, whatever became of the groups that had the name before.
				}
				ops := operations(script.objects)
				for i := range ops {
					for j := i; j < len(ops); j++ {
						c.explore(t, scenario{groups: groups, script: script.ops, crash: script.crash, ops: []*operation{ops[i], ops[j]}})
					}
				}
			}
			for _, s := range triples {
				s.groups = groups
				c.explore(t, s)
			}
			c.run(t, scenario{groups: groups, script: twice.script, ops: twice.ops}, explorer{preemptions: 5, most: bound(1500)})
			c.run(t, scenario{groups: groups, script: tooLate.script, ops: tooLate.ops}, explorer{preemptions: 3, most: bound(1500)})
			for _, s := range overtaken {
				c.run(t, scenario{groups: groups, script: s.script, ops: s.ops}, explorer{preemptions: 4, most: bound(3000)})
			}
			t.Log(c)
		})
	}
}

// coverage counts what was run.
type coverage struct {
	scenarios, complete, schedules, calls int
}

func (c coverage) String() string {
	return fmt.Sprintf("%d schedules, %d API calls; %d of %d scenarios in every order with every crash, the others in part",
		c.schedules, c.calls, c.complete, c.scenarios)
}

var deep = flag.Bool("deep", false, "explore 20 times as many interleavings")

// bound is a number of schedules.
func bound(n int) int {
	if *deep {
		return 20 * n
	}
	return n
}

func (c *coverage) explore(t *testing.T, s scenario) {
	t.Helper()
	c.scenarios++
	if c.run(t, s, explorer{crashes: 1, reduce: true, preemptions: -1, most: bound(100)}) {
		c.complete++
		return
	}
	c.run(t, s, explorer{preemptions: 3, most: bound(500)})
	c.run(t, s, explorer{preemptions: 2, crashes: 1, most: bound(500)})
}

func (c *coverage) run(t *testing.T, s scenario, e explorer) (complete bool) {
	t.Helper()
	complete, err := e.all(s.begin)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	c.schedules += e.schedules
	c.calls += e.steps
	return complete
}

// TestABrokenProtocolIsFound takes single steps out of the protocol: each is there because without it two would have one name.
func TestABrokenProtocolIsFound(t *testing.T) {
	for name, s := range map[string]scenario{
		"a write under way is not fenced": {
			script: []*operation{post("a")}, ops: []*operation{rename(0, "b"), post("b")},
			spoil: func(w *world) { w.etcd.broken = isFence },
		},
		"a slot that names the object already is not written again": {
			script: []*operation{post("a"), rename(0, "b")}, crash: 3, ops: []*operation{rename(0, "b"), post("b")},
			spoil: func(w *world) { w.etcd.broken = renewsReservation },
		},
		"updates do not compare": {
			script: []*operation{post("a")}, ops: []*operation{rename(0, "b"), post("b")},
			spoil: func(w *world) { w.etcd.blind = true },
		},
		"a slot vanishes while it is needed": {
			script: []*operation{post("a"), remove(0), post("a")}, ops: []*operation{control(), post("a")},
			spoil: func(w *world) { w.careless = true },
		},
		"an older version of an object takes its name again": {
			script: twice.script, ops: twice.ops,
			spoil: func(w *world) { w.forgetful = true },
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := explorer{preemptions: 5}
			if _, err := e.all(s.begin); err == nil {
				t.Fatalf("not found in %d schedules", e.schedules)
			} else {
				t.Logf("found after %d schedules: %v", e.schedules, err)
			}
		})
	}
}

func fenceTag(obj client.Object) string { return obj.GetAnnotations()[v1alpha1.AnnotationFence] }

func isFence(old, obj client.Object) bool { return fenceTag(old) != fenceTag(obj) }

func renewsReservation(old, obj client.Object) bool {
	was, is := old.(*v1alpha1.ScimUser).Spec.Reservation, obj.(*v1alpha1.ScimUser).Spec.Reservation
	return was != nil && is != nil && was.User == is.User && was.ResourceVersion != is.ResourceVersion
}
