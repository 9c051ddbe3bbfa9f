// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"fmt"
	"iter"
	"slices"
)

// An actor is one operation that runs between others: a coroutine, which gives way before each call.
type actor struct {
	name string
	run  func(turn func(access)) outcome

	next    access
	state   actorState
	first   int // the step at which it made its first call, 0 before
	last    int // the step at which it ended
	outcome outcome

	resume func() (access, bool)
	kill   func()
}

type actorState int

const (
	waiting actorState = iota
	ended
	crashed
)

// crash unwinds an actor that crashes. Nothing in between recovers.
type crash struct{}

// start runs the actor to its first call.
func (a *actor) start() {
	a.resume, a.kill = iter.Pull(func(yield func(access) bool) {
		defer func() {
			r := recover()
			if _, wanted := r.(crash); r != nil && !wanted {
				panic(r)
			}
		}()
		a.state = crashed // until it waits or ends
		a.outcome = a.run(func(next access) {
			if !yield(next) {
				panic(crash{})
			}
		})
		a.state = ended
	})
	a.step(false)
}

// step lets the actor make its call and run to the next one.
func (a *actor) step(crashes bool) {
	if crashes {
		a.state = crashed
		a.kill()
		return
	}
	if next, more := a.resume(); more {
		a.next, a.state = next, waiting
	}
}

// A transition is what the explorer can do next.
type transition struct {
	actor int
	crash bool
}

// A run is one scenario from its beginning, to be driven by an explorer.
type run struct {
	actors []*actor
	// check is called after each step.
	check func() error
	// finish is called when all actors have ended or crashed.
	finish func(*run) error
}

// An explorer runs a scenario once for every order in which the calls of its actors can happen, with up to crashes of them crashing before any of their calls
// but the first.
type explorer struct {
	crashes int
	// reduce runs orders that differ only in calls that commute once (sleep sets): every state that can be reached is still reached.
	reduce bool
	// preemptions is how often an actor may be interrupted that could go on. Negative is without bound.
	preemptions int
	// most is the number of schedules to stop at. 0 is no limit.
	most int

	schedules int
	steps     int
	path      []*choice
}

type choice struct {
	options []transition
	taken   int
	asleep  []transition
}

// all runs every schedule. The error is that of the first schedule that failed, with its trace. complete is false if it stopped at the limit.
func (e *explorer) all(begin func() *run) (complete bool, err error) {
	for {
		if err := e.one(begin()); err != nil {
			return false, err
		}
		for len(e.path) > 0 {
			last := e.path[len(e.path)-1]
			if last.taken++; last.taken < len(last.options) {
				break
			}
			e.path = e.path[:len(e.path)-1]
		}
		if len(e.path) == 0 {
			return true, nil
		}
		if e.most > 0 && e.schedules >= e.most {
			return false, nil
		}
	}
}

// one runs the schedule of e.path and goes on from its end.
func (e *explorer) one(r *run) error {
	for _, a := range r.actors {
		a.start()
	}
	var trace []string
	fail := func(err error) error {
		r.abandon()
		for _, a := range r.actors {
			trace = append(trace, fmt.Sprintf("%s: %s", a.name, a.describe()))
		}
		return fmt.Errorf("%w\nschedule:\n  %s", err, joinLines(trace))
	}
	var asleep []transition
	crashes, preemptions, last := 0, 0, -1
	for depth := 0; ; depth++ {
		enabled := e.enabled(r, crashes, preemptions, last)
		if !slices.ContainsFunc(enabled, func(t transition) bool { return !t.crash }) {
			break
		}
		if depth == len(e.path) {
			options := slices.DeleteFunc(enabled, func(t transition) bool { return slices.Contains(asleep, t) })
			if len(options) == 0 {
				r.abandon()
				return nil // All that could follow was run in another order.
			}
			e.path = append(e.path, &choice{options: options, asleep: asleep})
		}
		c := e.path[depth]
		t := c.options[c.taken]
		asleep = e.sleepers(r, c, t)
		a := r.actors[t.actor]
		if last >= 0 && t.actor != last && r.actors[last].state == waiting {
			preemptions++
		}
		last = t.actor
		if t.crash {
			crashes++
			trace = append(trace, a.name+" crashes")
		} else {
			trace = append(trace, fmt.Sprintf("%s: %s", a.name, a.next))
			if a.first == 0 {
				a.first = depth + 1
			}
		}
		a.step(t.crash)
		e.steps++
		if a.state != waiting {
			a.last = depth + 1
		}
		if err := r.check(); err != nil {
			return fail(err)
		}
	}
	e.schedules++
	if err := r.finish(r); err != nil {
		return fail(err)
	}
	return nil
}

// enabled are the possible next transitions. An actor crashes only right after a call of its own: later would be the same.
func (e *explorer) enabled(r *run, crashes, preemptions, last int) []transition {
	var all []transition
	bound := e.preemptions >= 0 && preemptions >= e.preemptions && last >= 0 && r.actors[last].state == waiting
	for i, a := range r.actors {
		if a.state == waiting && (!bound || i == last) {
			all = append(all, transition{actor: i})
		}
	}
	if last >= 0 && r.actors[last].state == waiting && crashes < e.crashes {
		all = append(all, transition{actor: last, crash: true})
	}
	return all
}

// sleepers are the transitions that need not be taken after t: they were, or will be, taken before it with the same effect.
func (e *explorer) sleepers(r *run, c *choice, t transition) []transition {
	if !e.reduce {
		return nil
	}
	var still []transition
	for _, s := range slices.Concat(c.asleep, c.options[:c.taken]) {
		if s.actor == t.actor || s.crash && t.crash {
			continue
		}
		if s.crash || t.crash || r.actors[s.actor].next.independent(r.actors[t.actor].next) {
			still = append(still, s)
		}
	}
	return still
}

// abandon ends the goroutines of a schedule that is not run to its end.
func (r *run) abandon() {
	for _, a := range r.actors {
		if a.state == waiting {
			a.step(true)
		}
	}
}

func (a *actor) describe() string {
	switch a.state {
	case ended:
		return a.outcome.String()
	case crashed:
		return "crashed"
	default:
		return "did not end"
	}
}

func (a access) String() string {
	if a.write {
		return "write " + a.key
	}
	return "read " + a.key
}

func joinLines(lines []string) string {
	s := ""
	for i, l := range lines {
		if i > 0 {
			s += "\n  "
		}
		s += l
	}
	return s
}
