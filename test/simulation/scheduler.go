// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

const (
	// maxSteps of the part with events, and of the end, after which a run has failed.
	maxSteps, maxEndSteps = 60_000, 60_000
	// endTime is how long the end lasts: what waits for an hour is tried again several times.
	endTime = 4 * time.Hour
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
	w.rest("end")
	if w.failed == nil {
		w.checks.final(w)
	}
	for round := 0; w.plan.approve && w.failed == nil && w.approveAll(); round++ {
		if round == 20 {
			w.fail("1 rest", "there are held batches after each of 20 approvals")
		}
		w.rest("approved")
		if w.failed == nil {
			w.checks.final(w)
		}
	}
	for _, p := range slices.Clone(w.processes) {
		w.kill(p, false)
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
	lost := w.chance(w.plan.drops)
	w.trace("%s sees %s/%s%s", p.name, k, w.short(event.object().GetName()), map[bool]string{true: ", and its handlers do not"}[lost])
	p.deliver(k, lost)
}

func (w *world) reconcile(p *process, c *controller, request reconcile.Request) {
	w.trace("%s reconciles %s/%s", p.name, c.name, w.short(request.Name))
	p.reconcile(c, request)
}

// goOn lets a routine, or the request that it waits for, go on by one step.
func (w *world) goOn(r *routine) {
	at := r.at
	switch {
	case at.effect == nil:
		if at.name == "begin" {
			w.trace("%s looks at %s", r.process.name, r.name)
		}
		w.resume(r)
	case at.call != nil:
		w.goOnCall(r, at)
	default:
		w.goOnWrite(r, at)
	}
}

// goOnWrite moves a slow write to the API server on.
func (w *world) goOnWrite(r *routine, at *wait) {
	switch {
	case !at.done && w.chance(.15):
		w.trace("%s: %s is lost", r.process.name, at.name)
		at.err = apiTimeout(at.name)
		w.resume(r)
	case !at.done:
		w.trace("%s: %s arrives", r.process.name, at.name)
		at.effect()
		at.done = true
	case w.chance(.15):
		w.trace("%s: the answer to %s is lost", r.process.name, at.name)
		at.err = apiTimeout(at.name)
		w.resume(r)
	default:
		w.trace("%s: %s is answered", r.process.name, at.name)
		w.resume(r)
	}
}

// goOnCall moves a call to an app on.
func (w *world) goOnCall(r *routine, at *wait) {
	c := at.call
	broken := w.chance(c.app.faults.losses)
	switch {
	case at.givenUp():
		w.giveUp(r)
	case at.done && broken:
		w.trace("%s: the answer to %s is lost", r.process.name, at.name)
		c.app.harmed()
		at.err = errReset
		w.resume(r)
	case at.done:
		w.trace("%s: %s is answered with %d", r.process.name, at.name, c.answer.status)
		w.resume(r)
	case broken:
		w.breakCall(r, at)
	default:
		w.trace("%s: %s arrives", r.process.name, at.name)
		w.takeEffect(at)
		if at.done && w.chance(.5) {
			w.trace("%s: %s is answered with %d", r.process.name, at.name, c.answer.status)
			w.resume(r)
		}
	}
}

func (w *world) takeEffect(at *wait) {
	at.effect()
	at.done = true
}

// breakCall lets a call meet a fault on its way to the app, or there.
func (w *world) breakCall(r *routine, at *wait) {
	c := at.call
	c.app.harmed()
	w.checks.allow(3, 3)
	switch w.between(0, 6) {
	case 0:
		w.trace("%s: %s is refused", r.process.name, at.name)
		at.err = errRefused
		w.resume(r)
	case 1:
		w.trace("%s: %s is lost", r.process.name, at.name)
		c.sent, at.err = true, errReset
		w.resume(r)
	case 2:
		w.trace("%s: %s is cut off, and arrives later", r.process.name, at.name)
		c.sent, at.err = true, errReset
		w.postpone(at)
		w.resume(r)
	case 3:
		c.fault = faultIgnored
		w.takeEffect(at)
	case 4:
		c.fault = faultNotFound
		w.takeEffect(at)
	case 5:
		c.fault = faultAfter
		w.takeEffect(at)
	default:
		c.fault = faultShort
		w.takeEffect(at)
	}
}

// givenUp is whether the sender of a request does not wait for it any more.
func (at *wait) givenUp() bool {
	return (at.ctx != nil && at.ctx.Err() != nil) || (!at.deadline.IsZero() && !time.Now().Before(at.deadline))
}

// giveUp ends a request whose sender does not wait any more. It may arrive all the same, later.
func (w *world) giveUp(r *routine) {
	at := r.at
	w.trace("%s gives up %s", r.process.name, at.name)
	if at.err = errTimeout; at.ctx.Err() != nil {
		at.err = context.Cause(at.ctx)
	}
	if c := at.call; c != nil {
		c.sent = true
		c.app.harmed()
		w.checks.allow(3, 3)
		if !at.done && w.chance(.5) {
			w.postpone(at)
		}
	}
	w.resume(r)
}

// postpone lets a call reach the app when nobody waits for it any more, before the settle time is over.
func (w *world) postpone(at *wait) {
	if at.effect == nil || at.done {
		return
	}
	c := at.call
	after := time.Duration(w.rng.Int64N(int64(c.app.settle) * 8 / 10))
	w.late = append(w.late, &lateEffect{name: at.name, app: c.app, effect: at.effect, until: time.Now().Add(after)})
}

// happen makes a late effect happen.
func (w *world) happen(l *lateEffect) {
	w.late = slices.DeleteFunc(w.late, func(other *lateEffect) bool { return other == l })
	w.trace("late: %s arrives", l.name)
	l.effect()
	l.app.harmed()
}

// harmed notes that something was wrong with the app just now.
func (a *app) harmed() { a.faults.ended = time.Now() }

// advance lets time pass. What has to happen on the way happens at its time.
func (w *world) advance(d time.Duration) {
	w.sleepUntil(time.Now().Add(d))
}

func (w *world) sleepUntil(end time.Time) {
	for w.failed == nil {
		at := end
		for _, l := range w.late {
			at = earlier(at, l.until)
		}
		for _, r := range w.routines {
			if r.at != nil && !r.at.deadline.IsZero() {
				at = earlier(at, r.at.deadline)
			}
			if r.at != nil && r.at.ctx != nil {
				if deadline, ok := r.at.ctx.Deadline(); ok {
					at = earlier(at, deadline)
				}
			}
		}
		for _, name := range w.appNames {
			if f := &w.apps[name].faults; f.active() && !f.until.IsZero() {
				at = earlier(at, f.until)
			}
		}
		if d := time.Until(at); d > 0 {
			time.Sleep(d)
			synctest.Wait()
			w.reap()
		}
		w.overdue()
		if !time.Now().Before(end) {
			break
		}
	}
	w.checks.truthful(w)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// overdue does what has to happen before time goes on.
func (w *world) overdue() {
	now := time.Now()
	for _, l := range slices.Clone(w.late) {
		if !l.until.After(now) {
			w.happen(l)
		}
	}
	for _, r := range slices.Clone(w.routines) {
		if r.at != nil && r.at.effect != nil && r.at.givenUp() {
			w.giveUp(r)
		}
	}
	for _, name := range w.appNames {
		if a := w.apps[name]; a.faults.active() && !a.faults.until.IsZero() && !a.faults.until.After(now) {
			w.endFaults(a)
		}
	}
	for _, p := range slices.Clone(w.processes) {
		if p.steps >= 0 && now.After(p.leaves) {
			w.kill(p, true)
		}
	}
}

// next is when the engine wants to go on by itself.
func (w *world) next() time.Time {
	at := time.Now().Add(24 * time.Hour)
	for _, p := range w.processes {
		for _, c := range p.controllers {
			if due, ok := c.queue.due(); ok {
				at = earlier(at, due)
			}
		}
		for _, worker := range p.registry.Workers() {
			if wait, ok := worker.GuardDue(); ok {
				at = earlier(at, time.Now().Add(wait))
			}
			if p.busy[worker] < w.plan.workers {
				// There is nothing to pick, or it would have been picked.
				_, wait, _ := worker.Pick()
				at = earlier(at, time.Now().Add(wait))
			}
		}
	}
	for _, r := range w.routines {
		if r.at == nil {
			at = earlier(at, time.Now().Add(100*time.Millisecond))
		}
	}
	return at
}

// pass lets time go by when the engine has nothing to do.
func (w *world) pass() {
	if next := w.next(); w.chance(.7) {
		w.sleepUntil(earlier(next, time.Now().Add(time.Minute)))
		return
	}
	w.workUntil(time.Now().Add(pickOne(w, time.Second, 5*time.Second, 20*time.Second, 5*time.Minute)))
}

// workUntil lets the engine work without disturbance until a time has come.
func (w *world) workUntil(end time.Time) {
	for steps := 0; w.failed == nil && time.Now().Before(end) && steps < maxSteps/10; steps++ {
		if actions := w.prepare(); len(actions) > 0 {
			w.steps++
			w.choose(actions)
			continue
		}
		w.sleepUntil(earlier(w.next(), end))
	}
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

// calm ends everything that is wrong.
func (w *world) calm() {
	w.trace("the end: nothing is wrong any more")
	w.plan.slowWrites, w.plan.drops = 0, 0
	for _, name := range w.appNames {
		w.endFaults(w.apps[name])
		w.apps[name].faults.losses = 0
		w.repair(name)
		if w.scimApp(name).Spec.Suspend && w.chance(.8) {
			w.editApp(name, "suspend false", func(a *v1alpha1.ScimApp) { a.Spec.Suspend = false })
		}
	}
	for _, p := range slices.Clone(w.processes) {
		if p.steps >= 0 {
			w.kill(p, true)
		}
	}
	for _, p := range w.processes {
		if p.lost {
			p.resync()
		}
	}
}

// resync enqueues everything, as a process does from time to time.
func (p *process) resync() {
	own := map[string]kind{"user": "ScimUser", "group": "ScimGroup", "app": "ScimApp", "mapping": "ScimRoleMapping"}
	for _, c := range p.controllers {
		for _, object := range sorted(p.cache.kinds[own[c.name]].objects) {
			c.add(key(object.GetName()))
		}
	}
	p.lost = false
}

// rest lets the engine work until it has been at rest for long.
func (w *world) rest(why string) {
	end, steps := time.Now().Add(endTime), 0
	for w.failed == nil {
		actions := w.prepare()
		if len(actions) > 0 {
			w.steps++
			if steps++; steps > maxEndSteps {
				w.fail("1 rest", "the engine does not come to rest (%s)", why)
			}
			w.choose(actions)
			continue
		}
		at := w.next()
		if at.After(end) {
			break
		}
		w.sleepUntil(at)
	}
	w.sleepUntil(end)
	w.trace("at rest (%s)", why)
}

// approveAll approves one batch of each app that has any.
func (w *world) approveAll() bool {
	any := false
	for _, name := range slices.Sorted(maps.Keys(w.apps)) {
		object := w.scimApp(name)
		if len(object.Status.Batches) > 0 && !object.Spec.Suspend {
			w.approve(object, object.Status.Batches[0].Digest)
			any = true
		}
	}
	return any
}

func (w *world) scimApp(name string) *v1alpha1.ScimApp {
	return w.api.get("ScimApp", key(name)).(*v1alpha1.ScimApp)
}
