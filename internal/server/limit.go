// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/scim-operator/scim-operator/internal/clients"
)

// limiters bound the requests of each client (spec.rateLimit) on this replica.
type limiters struct {
	mu       sync.Mutex
	byClient map[string]*rate.Limiter
}

func newLimiters() *limiters { return &limiters{byClient: map[string]*rate.Limiter{}} }

// take asks for one request of the client. It gives 0, or the whole seconds after which there is room for one.
func (l *limiters) take(client string, spec clients.RateLimit, now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if spec == (clients.RateLimit{}) {
		// Only clients that exist come here, so the table is no larger than their number.
		delete(l.byClient, client)
		return 0
	}
	limit := rate.Limit(spec.PerSecond)
	bucket := l.byClient[client]
	if bucket == nil {
		bucket = rate.NewLimiter(limit, spec.Burst)
		l.byClient[client] = bucket
	}
	if bucket.Limit() != limit {
		bucket.SetLimitAt(now, limit)
	}
	if bucket.Burst() != spec.Burst {
		bucket.SetBurstAt(now, spec.Burst)
	}
	if bucket.AllowN(now, 1) {
		return 0
	}
	missing := 1 - bucket.TokensAt(now)
	return max(1, int(math.Ceil(missing/float64(limit))))
}
