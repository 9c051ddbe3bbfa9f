// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"slices"
	"testing/synctest"
	"time"
)

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
		if w.plan.resync {
			at = earlier(at, p.resync)
		}
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
