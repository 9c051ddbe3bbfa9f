// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// resyncPeriod is short, so that a measurement has many of them.
const resyncPeriod = time.Minute

// resyncs is how many periods are measured.
const resyncs = 2

// measureResync counts what the resyncs of users in sync cost.
func measureResync(ctx context.Context, w *world, o engineOptions) (results []result, err error) {
	s, err := w.newStage(ctx, "engine-resync")
	if err != nil {
		return nil, err
	}
	l := &largeStage{stage: s, o: o, leaver: newPerson()}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := errors.Join(l.fill(ctx), l.operator.stop()); err != nil {
		return nil, err
	}
	// What the same time costs without a resync is what the leader election, the watches and the counters cost.
	idle, err := l.minutes(ctx, 24*time.Hour)
	if err != nil {
		return nil, err
	}
	resynced, err := l.minutes(ctx, resyncPeriod)
	if err != nil {
		return nil, err
	}
	// All users within three quarters of a period, all else within a quarter.
	rounds := float64(resyncs) * 4 / 3
	cost := resynced.cpu - idle.cpu
	writes := none(fmt.Sprintf("resync of %s users in sync: object writes", thousands(o.users)), resynced.writes)
	writes.absolute = fmt.Sprintf("%.2f s of CPU time for each resync of all users; %.2f s in the same %s without",
		cost.Seconds()/rounds, idle.cpu.Seconds(), resyncs*resyncPeriod)
	return []result{writes, none("the same: app calls", resynced.calls)}, nil
}

// period is what an operator does in some periods.
type period struct {
	writes, calls int
	cpu           time.Duration
}

// minutes runs an operator with a resync period, and counts what it does in some periods after it has become quiet.
func (l *largeStage) minutes(ctx context.Context, every time.Duration) (p period, err error) {
	l.w.arguments = []string{"--resync-period=" + every.String()}
	defer func() { l.w.arguments = nil }()
	if err := l.run(ctx, l.o); err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, l.operator.stop()) }()
	select {
	case <-ctx.Done():
		return p, ctx.Err()
	case <-time.After(resyncPeriod):
	}
	l.fast.ResetCalls()
	l.slow.ResetCalls()
	before, err := l.w.objectWrites(ctx)
	if err != nil {
		return p, err
	}
	ours := processes{{"endpoint", l.operator.cmd.Process.Pid}}
	spent := ours.usage()
	select {
	case <-ctx.Done():
		return p, ctx.Err()
	case <-time.After(resyncs * resyncPeriod):
	}
	after, err := l.w.objectWrites(ctx)
	if err != nil {
		return p, err
	}
	for _, s := range ours.usage().since(spent) {
		p.cpu += s.time
	}
	p.writes, p.calls = int(after-before), len(aboutUsers(l.fast))+len(aboutUsers(l.slow))
	return p, nil
}
