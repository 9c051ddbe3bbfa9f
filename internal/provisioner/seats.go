// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// Waits while an app has no seat left.
const (
	seatRetryBase = 30 * time.Second
	seatRetryMax  = 10 * time.Minute
	// seatRun is how many creates in a row have to succeed, one after the other, until they are made in parallel again.
	seatRun = 4
)

// MessageNoSeats is what an account says that waits for a seat.
const MessageNoSeats = "the app has no seat left; the condition SeatsAvailable of the ScimApp says what to do, and the account is created or reactivated when a seat is free"

// seats are the seats of an app's plan, as far as its answers tell of them. While none is left, one joiner at a time is let out of the queue, as a trial.
type seats struct {
	// missing: the app has refused an account because no seat was left.
	missing bool
	// from is when the next trial may be made; trial is the key that is one.
	from  time.Time
	trial Key
	// refusals and successes in a row.
	refusals int32
	run      int
	// cause is the last refusal.
	cause string
}

// wait is how long joiners are held back, 0 for not at all. While a trial is made, its end is waited for.
func (s *seats) wait(now time.Time) time.Duration {
	switch {
	case !s.missing:
		return 0
	case s.trial != Key{}:
		return idle
	default:
		return max(0, s.from.Sub(now))
	}
}

func (s *seats) picked(key Key, class Class) {
	if s.missing && class == ClassJoiner && key.Kind == KindAccount {
		s.trial = key
	}
}

func (s *seats) done(key Key) {
	if s.trial == key {
		s.trial = Key{}
	}
}

// noSeat says that the app refused an account because no seat is left. It returns whether that is new, and the joiners that wait.
func (q *queue) noSeat(cause string) (isNew bool, waiting []Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &q.seats
	isNew = !s.missing
	s.missing, s.run, s.cause = true, 0, cause
	s.refusals = min(s.refusals+1, 1000)
	s.from = q.now().Add(kube.Jitter(kube.Backoff(s.refusals, seatRetryBase, seatRetryMax)))
	if isNew {
		for _, key := range q.order[ClassJoiner] {
			if key.Kind == KindAccount {
				waiting = append(waiting, key)
			}
		}
	}
	return isNew, waiting
}

// seatTaken says that the app took an account. It returns whether joiners are not held back any more.
func (q *queue) seatTaken() (ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &q.seats
	if !s.missing {
		return false
	}
	s.run++
	s.refusals, s.from = 0, q.now()
	if s.run >= seatRun || len(q.order[ClassJoiner]) == 0 {
		*s = seats{}
		ended = true
	}
	q.signal()
	return ended
}

// seatFreed says that an account was deactivated or deleted: a trial may be made at once.
func (q *queue) seatFreed() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.seats.missing {
		q.seats.from = q.now()
		q.signal()
	}
}

// rejoin puts a key that is worked on, and turns out to need a seat, behind the joiners. It returns false where it may be tried now.
func (q *queue) rejoin(key Key) bool {
	q.mu.Lock()
	it := q.running[key]
	held := it != nil && q.seats.missing && q.seats.trial != key
	q.mu.Unlock()
	return held && q.add(key, ClassJoiner, it.exclusive, 0)
}

// NoSeats returns why the app has no seat left, and whether that is so.
func (w *Worker) NoSeats() (cause string, missing bool) {
	w.queue.mu.Lock()
	defer w.queue.mu.Unlock()
	return w.queue.seats.cause, w.queue.seats.missing
}

// NeedsSeat reports whether an action may need a seat.
func NeedsSeat(action v1alpha1.AccountAction) bool {
	return action == v1alpha1.ActionCreate || action == v1alpha1.ActionReactivate
}

// noSeat records that the account waits for a seat, which is no failure of it.
func (c *accountCall) noSeat(failure *connector.Error) {
	c.alone = true
	entry := c.Recorded.DeepCopy()
	entry.Planned, entry.Reason, entry.Message = c.Step.Action, v1alpha1.ReasonNoSeats, MessageNoSeats
	entry.Attempts, entry.NextRetryTime = 0, nil
	c.put(*entry, false, "")
	isNew, waiting := c.worker.queue.noSeat(failure.Summary())
	if isNew {
		c.worker.notify.App(c.worker.config.Key)
	}
	for _, key := range waiting {
		c.worker.notify.User(types.NamespacedName{Namespace: c.user.Namespace, Name: key.Name})
	}
}

// seat notes what a change that was made tells of seats.
func (c *accountCall) seat() {
	switch {
	case c.Step.Action == v1alpha1.ActionDeactivate || c.Step.Action == v1alpha1.ActionDelete:
		c.worker.queue.seatFreed()
	case NeedsSeat(c.Step.Action) && c.worker.queue.seatTaken():
		c.worker.notify.App(c.worker.config.Key)
	}
}
