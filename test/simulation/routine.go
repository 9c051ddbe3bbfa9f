// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"testing/synctest"
	"time"
)

// routine is a goroutine of the engine: a reconcile, a worker's look at a key, a count of the guard. At any moment the scheduler or one routine runs. A routine
// gives the turn back when it waits at the border of the engine (park), when it ends, or when it waits for something inside of the engine.
type routine struct {
	w       *world
	process *process
	name    string
	// key is what it looks at, for the loop detector.
	key string
	// number counts the routines.
	number int
	turn   chan struct{}
	// at is where it waits for the scheduler, nil while it runs, waits inside of the engine, or has ended.
	at    *wait
	ended bool
	// then is called by the scheduler after the end.
	then func()
	// jobs is how its goroutine gets the next routine: a used one has a stack of the size that the engine needs.
	jobs chan func()
}

// wait is a request of the engine on its way: the scheduler lets it take effect, gives the answer back, or loses either.
type wait struct {
	name string
	ctx  context.Context //nolint:containedctx // the request's, to see whether its sender has given up
	// deadline is when the sender gives up, beside the one of ctx; zero for none.
	deadline time.Time
	// effect makes the request take effect, once. It is nil where there is none.
	effect func()
	done   bool
	// call is the request to an app, nil for one to the API server.
	call *call
	// err is how the request fails for its sender, nil if it does not.
	err error
}

type routineKey struct{}

// routineOf is the routine that runs with a context, nil for none.
func routineOf(ctx context.Context) *routine {
	r, _ := ctx.Value(routineKey{}).(*routine)
	return r
}

// begin makes a routine that waits for its first turn.
func (w *world) begin(p *process, name, key string, run func(context.Context), then func()) *routine {
	w.begun++
	r := &routine{w: w, process: p, name: name, key: key, number: w.begun, turn: make(chan struct{}), then: then}
	r.at = &wait{name: "begin"}
	w.routines = append(w.routines, r)
	ctx := context.WithValue(p.ctx, routineKey{}, r)
	r.jobs = w.worker()
	r.jobs <- func() {
		<-r.turn
		run(ctx)
		r.ended = true
	}
	return r
}

// worker is a goroutine that waits for a routine.
func (w *world) worker() chan func() {
	if last := len(w.idle) - 1; last >= 0 {
		jobs := w.idle[last]
		w.idle = w.idle[:last]
		return jobs
	}
	jobs := make(chan func(), 1)
	go func() {
		for job := range jobs {
			job()
		}
	}()
	return jobs
}

// park gives the turn back until the scheduler has dealt with a request.
func (r *routine) park(at *wait) {
	r.at = at
	<-r.turn
}

// resume gives a parked routine the turn, until it parks again, ends, or waits inside of the engine.
func (w *world) resume(r *routine) {
	r.at = nil
	before := w.current
	w.current = r
	r.turn <- struct{}{}
	synctest.Wait()
	w.current = before
	w.reap()
}

// reap forgets the routines that have ended.
func (w *world) reap() {
	for {
		var done []*routine
		rest := w.routines[:0]
		for _, r := range w.routines {
			if r.ended {
				done = append(done, r)
			} else {
				rest = append(rest, r)
			}
		}
		w.routines = rest
		if len(done) == 0 {
			return
		}
		for _, r := range done {
			w.idle = append(w.idle, r.jobs)
			r.then()
		}
	}
}

// enter makes sure that whoever is about to look at the model has the turn: a routine that waited inside of the engine may go on by itself when its wait is over.
func (w *world) enter(ctx context.Context) *routine {
	r := routineOf(ctx)
	if r != nil && w.current != r && !r.process.dead {
		r.park(&wait{name: "goes on", ctx: ctx})
	}
	return r
}
