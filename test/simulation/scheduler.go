// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// maxSteps bounds the part of a run with events.
	maxSteps = 60_000
	// lingers is how many steps a former leader makes at most.
	lingers = 25
)

// action is one thing that may happen next.
type action struct {
	weight float64
	do     func()
}

// run plays the events of a seed and the end, and checks the properties.
func (w *world) run() {
	for w.checks.events < w.options.Events && w.failed == nil {
		if w.steps > maxSteps {
			w.fail("1 rest", "the events are not over after %d steps", w.steps)
		}
		w.step()
	}
	w.calm()
	w.rest("end", endTime)
	if w.failed == nil {
		w.checks.final(w)
	}
	for round := 0; w.plan.approve && w.failed == nil && w.approveAll(); round++ {
		if round == 20 {
			w.fail("1 rest", "there are held batches after each of 20 approvals")
		}
		w.rest("approved", endTime)
		if w.failed == nil {
			w.checks.final(w)
		}
	}
	w.withinOneResync()
	for _, p := range slices.Clone(w.processes) {
		w.kill(p, false)
	}
	for _, jobs := range w.idle {
		close(jobs)
	}
}

// step makes one step: the engine goes on, an event happens, or time passes.
func (w *world) step() {
	w.steps++
	actions := w.prepare()
	switch {
	case len(actions) == 0 && w.chance(.6), len(actions) > 0 && w.chance(w.plan.events):
		w.event()
	case len(actions) == 0:
		w.pass()
	case w.chance(w.plan.pass):
		w.advance(pickOne(w, 10*time.Millisecond, 100*time.Millisecond, time.Second, 7*time.Second))
	default:
		w.choose(actions)
	}
}

// prepare does what happens by itself, and tells what else may happen now.
func (w *world) prepare() []action {
	for _, p := range w.processes {
		p.resyncNow()
		p.pick()
	}
	return w.actions()
}

// choose does one of the actions.
func (w *world) choose(actions []action) {
	sum := 0.0
	for _, a := range actions {
		sum += a.weight
	}
	at := w.rng.Float64() * sum
	for _, a := range actions {
		if at -= a.weight; at <= 0 {
			a.do()
			return
		}
	}
	actions[len(actions)-1].do()
}

// actions are what the engine and its requests may do now.
func (w *world) actions() []action {
	var actions []action
	add := func(p *process, weight float64, do func()) {
		actions = append(actions, action{weight, func() {
			do()
			w.linger(p)
		}})
	}
	for _, p := range w.processes {
		for _, k := range kinds {
			if _, ok := p.cache.next(w.api, k); ok {
				add(p, w.plan.watches, func() { w.deliver(p, k) })
			}
		}
		for _, c := range p.controllers {
			if len(c.queue.running) >= 3 {
				continue
			}
			for _, request := range c.queue.available() {
				add(p, 1, func() { w.reconcile(p, c, request) })
			}
		}
		if p.prober.Pending() > 0 {
			add(p, 1, p.testCredentials)
		}
		for _, worker := range p.registry.Workers() {
			if wait, ok := worker.GuardDue(); ok && wait <= 0 {
				add(p, 1, p.countGuard)
				break
			}
		}
	}
	for _, r := range w.routines {
		if at := r.at; at != nil {
			weight := 1.0
			if at.call != nil {
				weight = w.plan.network
			}
			add(r.process, weight, func() { w.goOn(r) })
		}
	}
	for _, l := range w.late {
		actions = append(actions, action{.1, func() { w.happen(l) }})
	}
	return actions
}

func (w *world) deliver(p *process, k kind) {
	event, _ := p.cache.next(w.api, k)
	lost := w.chance(w.plan.drops) || k == w.plan.deaf
	w.trace("%s sees %s/%s%s", p.name, k, w.short(event.object().GetName()), map[bool]string{true: ", and its handlers do not"}[lost])
	p.deliver(k, lost)
}

func (w *world) reconcile(p *process, c *controller, request reconcile.Request) {
	w.trace("%s reconciles %s/%s", p.name, c.name, w.short(request.Name))
	p.reconcile(c, request)
}

// linger counts the steps of a former leader.
func (w *world) linger(p *process) {
	if p == nil || p.dead || p.steps < 0 {
		return
	}
	if p.steps--; p.steps < 0 {
		w.kill(p, true)
	}
}

// kill ends a process. What it has in memory is lost; requests that are on their way may still arrive.
func (w *world) kill(p *process, arrive bool) {
	if p.dead {
		return
	}
	w.trace("%s is dead", p.name)
	p.dead = true
	w.processes = slices.DeleteFunc(w.processes, func(other *process) bool { return other == p })
	for _, r := range w.routines {
		if at := r.at; r.process == p && at != nil && at.effect != nil && !at.done && arrive && w.chance(.5) {
			if at.call != nil {
				at.call.app.harmed()
				w.postpone(at)
			} else {
				w.trace("%s: %s arrives", p.name, at.name)
				at.effect()
			}
		}
	}
	p.stop()
	for range 1000 {
		i := slices.IndexFunc(w.routines, func(r *routine) bool { return r.process == p && r.at != nil })
		if i < 0 {
			synctest.Wait()
			w.reap()
			if !slices.ContainsFunc(w.routines, func(r *routine) bool { return r.process == p }) {
				return
			}
			if !slices.ContainsFunc(w.routines, func(r *routine) bool { return r.process == p && r.at != nil }) {
				// It waits inside of the engine, for a while only.
				time.Sleep(time.Second)
				synctest.Wait()
				w.reap()
			}
			continue
		}
		w.routines[i].at.err = errDead
		w.resume(w.routines[i])
	}
	panic(fmt.Sprintf("%s does not end", p.name))
}
