// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"slices"
	"time"
)

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
		w.answer(r, at)
	case broken:
		w.breakCall(r, at)
	default:
		w.trace("%s: %s arrives", r.process.name, at.name)
		w.takeEffect(at)
		if at.done && w.chance(.5) {
			w.answer(r, at)
		}
	}
}

// answer gives the answer to a call back to its sender.
func (w *world) answer(r *routine, at *wait) {
	w.trace("%s: %s is answered with %d", r.process.name, at.name, at.call.answer.status)
	if r.ofWorker() {
		// The answer to a credential test says nothing if there are other credentials since.
		r.process.beginPause(at.call.app, at.call.answer)
	}
	w.resume(r)
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
	switch w.between(0, 2+len(callFaults)) {
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
	default:
		c.fault = pickOne(w, callFaults...)
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
