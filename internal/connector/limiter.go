// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxLimiterWait is how long a request waits for our own limiter; a longer wait is handed back to the caller as RateLimited.
	maxLimiterWait = 2 * time.Second
	// MaxUrgentWait is the same for the requests of an Urgent context. Those that wait already are before it, so it is some requests more than maxLimiterWait.
	MaxUrgentWait = 10 * time.Second
)

type urgentKey struct{}

// Urgent returns a context whose requests wait their turn where the limit set for an app is reached, instead of being refused and competing with others again.
func Urgent(ctx context.Context) context.Context { return context.WithValue(ctx, urgentKey{}, true) }

// longestWait is how long a request may wait for our own limiter.
func longestWait(ctx context.Context) time.Duration {
	if ctx.Value(urgentKey{}) != nil {
		return MaxUrgentWait
	}
	return maxLimiterWait
}

// limiter spaces the requests to one app: a rate per second and, where the app has one, a budget per hour.
type limiter struct{ buckets []*rate.Limiter }

func newLimiter(limits Limits) *limiter {
	l := &limiter{buckets: []*rate.Limiter{rate.NewLimiter(rate.Limit(limits.PerSecond), limits.Burst)}}
	if limits.PerHour > 0 {
		// Half of the budget may come at once and half is refilled within the hour, so that no hour sees more than the budget.
		half := float64(limits.PerHour) / 2
		l.buckets = append(l.buckets, rate.NewLimiter(rate.Limit(half/time.Hour.Seconds()), max(1, limits.PerHour/2)))
	}
	return l
}

// admit takes one request out of every bucket, waiting where the wait is short.
func (l *limiter) admit(ctx context.Context, op string, now time.Time) *Error {
	var wait time.Duration
	reservations := make([]*rate.Reservation, 0, len(l.buckets))
	for _, bucket := range l.buckets {
		reservation := bucket.ReserveN(now, 1)
		reservations = append(reservations, reservation)
		wait = max(wait, reservation.DelayFrom(now))
	}
	giveBack := func() {
		for _, reservation := range reservations {
			reservation.CancelAt(now)
		}
	}
	if wait == 0 {
		return nil
	}
	if wait > longestWait(ctx) {
		giveBack()
		return &Error{Op: op, Kind: RateLimited, RetryAfter: wait, OwnLimit: true, Detail: "the limit set for this app is reached"}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		giveBack()
		return transportError(op, ctx.Err(), false)
	}
}
