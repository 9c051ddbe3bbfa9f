// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/scim-operator/scim-operator/internal/ledger"
)

// Kind says what a key names.
type Kind = ledger.Kind

// The kinds of keys.
const (
	KindAccount = ledger.Account
	KindGroup   = ledger.Group
)

// Key is a piece of work: an object that may need something in the app. It says nothing about what: that is decided right before the call.
type Key struct {
	Kind Kind
	// Name of the ScimUser or ScimGroup.
	Name string
}

// Class orders work. Leavers go first; nobody wants to wait for a mass of joiners with a revocation.
type Class int

// The classes, most urgent first.
const (
	ClassRevocation Class = iota
	ClassChange
	ClassJoiner
	classes
)

// share: of so many picks one looks for changes first and one for joiners, so that no class starves.
const share = 8

// queue holds keys, by class, each at most once. A key that is added while it is worked on is worked on again afterwards. Keys with the
// same exclusive word are never worked on at once. Each class is bounded, so that a mass of joiners keeps no revocation out: what does not fit
// is refused and found again by a scan.
type queue struct {
	mu        sync.Mutex
	now       func() time.Time
	limit     int
	waiting   map[Key]*item
	order     [classes][]Key
	running   map[Key]*item
	exclusive map[string]bool
	// paused: the app is not to be called before, because it asked for that or does not answer. blocked: because of its credentials.
	paused, blocked time.Time
	// throttled: the limit set for the app is reached. Before that time only revocations are let out, which wait for their turn at the limit.
	throttled time.Time
	// seats holds joiners back while the app has no seat left.
	seats   seats
	refused [classes]bool
	picks   int
	wake    chan struct{}
}

type item struct {
	class     Class
	exclusive string
	due       time.Time
}

func newQueue(limit int, now func() time.Time) *queue {
	return &queue{
		now: now, limit: limit,
		waiting: map[Key]*item{}, running: map[Key]*item{}, exclusive: map[string]bool{},
		wake: make(chan struct{}, 1),
	}
}

// add puts a key in, due after a delay. A key that waits already keeps its earlier time, gets the more urgent class, and keeps its exclusive
// word if none is given. It is false if the class is full.
func (q *queue) add(key Key, class Class, exclusive string, delay time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	due := q.now().Add(delay)
	if have := q.waiting[key]; have != nil {
		if due.Before(have.due) {
			have.due = due
		}
		if exclusive != "" {
			have.exclusive = exclusive
		}
		if class < have.class {
			q.remove(key, have.class)
			have.class = class
			q.order[class] = append(q.order[class], key)
		}
		q.signal()
		return true
	}
	if len(q.order[class]) >= q.limit {
		q.refused[class] = true
		return false
	}
	q.waiting[key] = &item{class: class, exclusive: exclusive, due: due}
	q.order[class] = append(q.order[class], key)
	q.signal()
	return true
}

// again puts a key that is worked on back in after a delay, as it was.
func (q *queue) again(key Key, delay time.Duration) {
	q.mu.Lock()
	it := q.running[key]
	q.mu.Unlock()
	if it != nil {
		q.add(key, it.class, it.exclusive, delay)
	}
}

// next waits for a key to work on. It is false when ctx is done.
func (q *queue) next(ctx context.Context) (Key, bool) {
	for ctx.Err() == nil {
		key, wait, ok := q.pick()
		if ok {
			return key, true
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-q.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return Key{}, false
}

// idle is how long a queue sleeps when it knows of nothing to come; a wake-up ends it.
const idle = time.Minute

func (q *queue) pick() (Key, time.Duration, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	if wait := max(q.paused.Sub(now), q.blocked.Sub(now)); wait > 0 {
		return Key{}, wait, false
	}
	wait := idle
	for _, class := range q.turn() {
		if until := q.throttled.Sub(now); until > 0 && class != ClassRevocation {
			wait = min(wait, until)
			continue
		}
		joins := q.seats.wait(now)
		for i, key := range q.order[class] {
			it := q.waiting[key]
			if class == ClassJoiner && key.Kind == KindAccount && joins > 0 {
				wait = min(wait, joins)
				continue
			}
			if until := it.due.Sub(now); until > 0 {
				wait = min(wait, until)
				continue
			}
			if _, running := q.running[key]; running || (it.exclusive != "" && q.exclusive[it.exclusive]) {
				continue
			}
			q.order[class] = slices.Delete(q.order[class], i, i+1)
			delete(q.waiting, key)
			q.running[key] = it
			q.seats.picked(key, class)
			if it.exclusive != "" {
				q.exclusive[it.exclusive] = true
			}
			q.picks++
			if len(q.waiting) > 0 {
				q.signal()
			}
			return key, 0, true
		}
	}
	return Key{}, wait, false
}

// turn is the order in which the classes are looked through this time.
func (q *queue) turn() []Class {
	switch q.picks % share {
	case share / 2:
		return []Class{ClassChange, ClassJoiner, ClassRevocation}
	case share - 1:
		return []Class{ClassJoiner, ClassChange, ClassRevocation}
	default:
		return []Class{ClassRevocation, ClassChange, ClassJoiner}
	}
}

// done says that a key is no longer worked on. It is true when a class had refused something and has room again.
func (q *queue) done(key Key) (rescan bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if it := q.running[key]; it != nil && it.exclusive != "" {
		delete(q.exclusive, it.exclusive)
	}
	delete(q.running, key)
	q.seats.done(key)
	q.signal()
	for class := range q.refused {
		if q.refused[class] && len(q.order[class]) <= q.limit/2 {
			q.refused[class], rescan = false, true
		}
	}
	return rescan
}

// pause lets nothing out before a time. A later time that was set before stays.
func (q *queue) pause(until time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if until.After(q.paused) {
		q.paused = until
	}
}

// throttle lets only revocations out before a time.
func (q *queue) throttle(until time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if until.After(q.throttled) {
		q.throttled = until
	}
}

// urgent reports whether a key that is worked on is a revocation.
func (q *queue) urgent(key Key) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := q.running[key]
	return it != nil && it.class == ClassRevocation
}

// block lets nothing out before a time, or until unblock.
func (q *queue) block(until time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.blocked = until
}

// unblock ends block, and no pause.
func (q *queue) unblock() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.blocked = time.Time{}
	q.signal()
}

// busy is whether a key is worked on or about to be: its outcome can be expected soon.
func (q *queue) busy(key Key) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, running := q.running[key]; running {
		return true
	}
	it := q.waiting[key]
	if it != nil && it.class == ClassJoiner && q.seats.wait(q.now()) > 0 {
		return false
	}
	return it != nil && !q.paused.After(q.now()) && !q.blocked.After(q.now()) && !it.due.After(q.now())
}

// depth is how many keys wait, by class.
func (q *queue) depth() [classes]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	var depth [classes]int
	for class := range q.order {
		depth[class] = len(q.order[class])
	}
	return depth
}

func (q *queue) remove(key Key, class Class) {
	if i := slices.Index(q.order[class], key); i >= 0 {
		q.order[class] = slices.Delete(q.order[class], i, i+1)
	}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
