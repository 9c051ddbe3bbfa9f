// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
)

// point is a boundary at which the operator is killed once.
type point struct {
	*step
	phase phase
	// nth occurrence is the one; seen so far.
	nth, seen int
	// hit is the number of the kill, 0 for none yet.
	hit int
}

func (p *point) String() string { return string(p.phase) + " " + p.name }

// schedule says where the operator is killed next: at whichever point that has not been hit yet comes to its drawn occurrence first.
type schedule struct {
	kill func() bool

	mu     sync.Mutex
	points []*point
	// armed while a process runs that has not been killed.
	armed bool
	kills int
	// idle are kills that found no process, which must not be.
	idle []string
	// active is the state of accounts as last seen, by app and userName.
	active map[string]bool
}

func newSchedule(seed uint64, kill func() bool) *schedule {
	random := rand.New(rand.NewPCG(seed, 0))
	s := &schedule{kill: kill, active: map[string]bool{}}
	for i := range steps {
		phases := steps[i].phases
		if phases == nil {
			phases = []phase{before, after}
		}
		for _, phase := range phases {
			s.points = append(s.points, &point{step: &steps[i], phase: phase, nth: 1 + random.IntN(steps[i].spread)})
		}
	}
	return s
}

// arm says that a process has been started.
func (s *schedule) arm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = true
}

// disarm ends all killing.
func (s *schedule) disarm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = false
}

// api sees a call to the API server. The process waits for its answer: it is at work.
func (s *schedule) api(c *apiCall, at phase) bool {
	if at == before {
		for i := range steps {
			if s.wanted(&steps[i]) && steps[i].matches(c) {
				c.steps = append(c.steps, &steps[i])
			}
		}
	}
	return s.reach(func(p *point) bool {
		if p.phase != at || at == after && !p.answered(c.status) {
			return false
		}
		for _, step := range c.steps {
			if step == p.step {
				return true
			}
		}
		return false
	})
}

// wanted is whether a point of the step is still to be hit: looking into calls costs a read.
func (s *schedule) wanted(step *step) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.points {
		if p.step == step && p.hit == 0 {
			return true
		}
	}
	return false
}

// app sees a call to an app.
func (s *schedule) app(name string, app *fakeapp.App, c fakeapp.Call, at phase) {
	if at == after && (c.Status < 200 || c.Status > 299) {
		return
	}
	became := change("")
	if at == after && c.Write {
		became = s.change(name+"/"+strings.ToLower(c.Subject), app, c.Subject)
	}
	s.reach(func(p *point) bool { return p.phase == at && p.op == c.Op && (p.changes == "" || p.changes == became) })
}

// change is what became of an account's active with a write.
func (s *schedule) change(key string, app *fakeapp.App, userName string) change {
	account, ok := app.User(userName)
	if !ok {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	was, known := s.active[key]
	s.active[key] = account.Active
	switch {
	case !known || was == account.Active:
		return unswitched
	case account.Active:
		return switchedOn
	default:
		return switchedOff
	}
}

// reach counts an occurrence of the points that it is and kills the process if it is the drawn one of any of them.
func (s *schedule) reach(is func(*point) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.armed {
		return false
	}
	var due *point
	for _, p := range s.points {
		if p.hit > 0 || !is(p) {
			continue
		}
		p.seen++
		if due == nil && p.seen >= p.nth {
			due = p
		}
	}
	if due == nil {
		return false
	}
	s.armed = false
	if !s.kill() {
		s.idle = append(s.idle, due.String())
		return true
	}
	s.kills++
	due.hit = s.kills
	return true
}

// missing are the points that were not hit.
func (s *schedule) missing() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, p := range s.points {
		if p.hit == 0 {
			names = append(names, fmt.Sprintf("%s (seen %d, wanted %d)", p, p.seen, p.nth))
		}
	}
	return names
}

// table is what was hit, when and at which occurrence.
func (s *schedule) table() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%-55s %10s %6s\n", "KILL POINT", "OCCURRENCE", "KILL")
	for _, p := range s.points {
		fmt.Fprintf(&b, "%-55s %10d %6d\n", p, p.nth, p.hit)
	}
	return b.String()
}
