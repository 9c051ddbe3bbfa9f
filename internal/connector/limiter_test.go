// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"context"
	"testing"
	"time"
)

// TestUrgentRequestsWaitForTheirTurn: an ordinary request is refused where the wait is long, an urgent one waits in line. Its context is over, so that it does not take the time.
func TestUrgentRequestsWaitForTheirTurn(t *testing.T) {
	now := time.Now()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	l := newLimiter(Limits{PerSecond: 0.2, Burst: 1})
	if e := l.admit(over, OpGetUser, now); e != nil {
		t.Fatalf("the first request: %v", e)
	}
	if e := l.admit(over, OpGetUser, now); e == nil || !e.OwnLimit || e.RetryAfter != 5*time.Second {
		t.Errorf("an ordinary request: %+v", e)
	}
	if e := l.admit(Urgent(over), OpGetUser, now); e == nil || e.Kind != Timeout {
		t.Errorf("an urgent request does not wait: %+v", e)
	}
	l = newLimiter(Limits{PerSecond: 0.01, Burst: 1})
	_ = l.admit(over, OpGetUser, now)
	if e := l.admit(Urgent(over), OpGetUser, now); e == nil || !e.OwnLimit {
		t.Errorf("an urgent request waits for %s: %+v", 100*time.Second, e)
	}
}
