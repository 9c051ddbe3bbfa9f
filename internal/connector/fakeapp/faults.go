// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fakeapp

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// EveryWrite as Fault.Op stands for every operation that is no read.
const EveryWrite = "write"

// Fault is a way to fail.
type Fault struct {
	// Op that it concerns; empty is every operation, EveryWrite every write.
	Op string
	// Times is the number of calls that it concerns; 0 is all until ClearFaults.
	Times int

	// Latency delays the call before anything else.
	Latency time.Duration
	// Hang keeps the call waiting, undone, until ClearFaults or until the client gives up.
	Hang bool
	// Answer is given instead of doing the call.
	Answer *Answer
	// LoseAnswer does the call and closes the connection without a byte of the answer.
	LoseAnswer bool
}

// Answer is an HTTP answer.
type Answer struct {
	Status int
	Header map[string]string
	Body   string
}

type faults struct {
	mu      sync.Mutex
	list    []*Fault
	release chan struct{}
	waiting atomic.Int64

	readLag time.Duration

	limit       int
	window      time.Duration
	windowStart time.Time
	used        int
}

func (f *faults) init() { f.release = make(chan struct{}) }

// Inject adds a fault. Of several that concern a call, the oldest is taken.
func (a *App) Inject(fault Fault) {
	a.faults.mu.Lock()
	defer a.faults.mu.Unlock()
	a.faults.list = append(a.faults.list, &fault)
}

// ClearFaults ends all injected faults and lets hanging calls go on.
func (a *App) ClearFaults() {
	a.faults.mu.Lock()
	defer a.faults.mu.Unlock()
	a.faults.list = nil
	close(a.faults.release)
	a.faults.release = make(chan struct{})
}

// Hanging is the number of calls that wait because of a fault.
func (a *App) Hanging() int { return int(a.faults.waiting.Load()) }

// SetReadLag makes reads blind to accounts and groups created less than lag ago, as an app with a replicated store is. Uniqueness holds at once.
func (a *App) SetReadLag(lag time.Duration) {
	a.faults.mu.Lock()
	defer a.faults.mu.Unlock()
	a.faults.readLag = lag
}

// SetRateLimit allows so many calls per window and refuses the others in the vendor's way; a limit of 0 allows all.
func (a *App) SetRateLimit(limit int, window time.Duration) {
	a.faults.mu.Lock()
	defer a.faults.mu.Unlock()
	a.faults.limit, a.faults.window, a.faults.used, a.faults.windowStart = limit, window, 0, time.Now()
}

// take returns the fault that concerns a call, and the channel that ends a hanging.
func (f *faults) take(call Call) (Fault, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		if fault.Op != "" && fault.Op != call.Op && !(fault.Op == EveryWrite && call.Write) {
			continue
		}
		taken := *fault
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				f.list = slices.Delete(f.list, i, i+1)
			}
		}
		return taken, f.release
	}
	return Fault{}, f.release
}

// overLimit counts a call and returns how long the caller has to wait, 0 when it need not.
func (f *faults) overLimit(now time.Time) (limit int, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.limit == 0 {
		return 0, 0
	}
	if now.Sub(f.windowStart) >= f.window {
		f.windowStart, f.used = now, 0
	}
	if f.used++; f.used > f.limit {
		return f.limit, f.windowStart.Add(f.window).Sub(now)
	}
	return f.limit, 0
}

// visibleSince is the time after which nothing created is seen yet.
func (f *faults) visibleSince(now time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return now.Add(-f.readLag)
}

// answer returns the answer of a fault.
func (a Answer) answer() answer {
	given := answer{status: a.Status, header: http.Header{}, raw: a.Body}
	for name, value := range a.Header {
		given.header.Set(name, value)
	}
	return given
}
