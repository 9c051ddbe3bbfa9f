// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
)

// slowPerMinute is how often the app of the leaver may be called.
const slowPerMinute = 50

// largeStage is a directory whose users all have an account in one app; another app is slow.
type largeStage struct {
	*stage
	o          engineOptions
	fast, slow *fakeapp.App
	// leaver has an account in the slow app before the others join it.
	leaver   person
	leaverID string
}

// measureEngineLarge restarts an operator whose users are in sync, and has a user leave behind as many joiners.
func measureEngineLarge(ctx context.Context, w *world, o engineOptions) (results []result, err error) {
	s, err := w.newStage(ctx, "engine-large")
	if err != nil {
		return nil, err
	}
	l := &largeStage{stage: s, o: o, leaver: newPerson()}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := l.fill(ctx); err != nil {
		return nil, err
	}
	restart, err := l.restart(ctx)
	if err != nil {
		return nil, err
	}
	leaving, err := l.leave(ctx)
	return append(restart, leaving...), err
}

// fill makes the users, as fast as all of it goes.
func (l *largeStage) fill(ctx context.Context) (err error) {
	const unlimited = 60_000
	if l.fast, err = l.app(ctx, "fast", 0, unlimited); err != nil {
		return err
	}
	if l.slow, err = l.app(ctx, "slow", 0, slowPerMinute); err != nil {
		return err
	}
	if err := errors.Join(
		l.mapping(ctx, "fast", "fast", "true"),
		l.mapping(ctx, "slow", "slow", fmt.Sprintf("user.userName == %q", l.leaver.userName)),
		l.run(ctx, l.o),
	); err != nil {
		return err
	}
	ids, err := l.push(ctx, l.o, append([]person{l.leaver}, newPersons(l.o.users-1)...))
	if err != nil {
		return err
	}
	l.leaverID = ids[0]
	return errors.Join(l.synced(ctx, "fast", l.o.users), l.synced(ctx, "slow", 1), l.quiet(ctx))
}

// restart counts what a restart in sync costs, until all users have been reconciled.
func (l *largeStage) restart(ctx context.Context) ([]result, error) {
	if err := l.operator.stop(); err != nil {
		return nil, err
	}
	l.fast.ResetCalls()
	l.slow.ResetCalls()
	before, err := l.w.objectWrites(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := l.run(ctx, l.o); err != nil {
		return nil, err
	}
	served := time.Since(began)
	if err := l.quiet(ctx); err != nil {
		return nil, err
	}
	after, err := l.w.objectWrites(ctx)
	if err != nil {
		return nil, err
	}
	spent := l.w.processes(l.operator).usage()
	var operator time.Duration
	for _, s := range spent {
		if s.name == "endpoint" {
			operator = s.time
		}
	}
	resident, err := resident(l.operator.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	calls := len(l.fast.Calls()) + len(l.slow.Calls())
	name := fmt.Sprintf("restart with %s users in sync", thousands(l.o.users))
	writes := none(name+": object writes", int(after-before))
	appWrites := none(name+": app writes", l.fast.Writes()+l.slow.Writes())
	appWrites.absolute = fmt.Sprintf("%d calls, tests of the credentials of 2 apps", calls)
	writes.absolute = fmt.Sprintf("serves after %.1f s; %.1f s of CPU time until quiet; %d MiB resident", served.Seconds(), operator.Seconds(), resident)
	change, err := l.newChange(ctx)
	return []result{writes, appWrites, change}, err
}

// newChange is the time until a new user has an account, right after a restart.
func (l *largeStage) newChange(ctx context.Context) (result, error) {
	if err := l.operator.stop(); err != nil {
		return result{}, err
	}
	began := time.Now()
	if err := l.run(ctx, l.o); err != nil {
		return result{}, err
	}
	joiner := newPerson()
	if _, err := l.push(ctx, l.o, []person{joiner}); err != nil {
		return result{}, err
	}
	pushed := time.Now()
	if err := l.await(ctx, "account of a new user", func() (bool, error) { return active(l.fast, joiner.userName), nil }); err != nil {
		return result{}, err
	}
	return result{
		figure: "the same: a new user has its account", value: fmt.Sprintf("%.2f s after its push", time.Since(pushed).Seconds()),
		absolute: fmt.Sprintf("%.1f s after the start", time.Since(began).Seconds()),
	}, nil
}

// quiet waits until the operator has used next to no CPU time for a while: every user has been reconciled.
func (l *largeStage) quiet(ctx context.Context) error {
	const pause, still = 2 * time.Second, 100 * time.Millisecond
	ours := processes{{"endpoint", l.operator.cmd.Process.Pid}}
	for calm := 0; calm < 3; {
		before := ours.usage()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		if after := ours.usage(); len(after) == 0 || after.since(before)[0].time < still {
			calm++
		} else {
			calm = 0
		}
	}
	return nil
}

// leave has all users join the slow app, and one who is there leave.
func (l *largeStage) leave(ctx context.Context) ([]result, error) {
	if err := l.mapping(ctx, "joiners", "slow", "true"); err != nil {
		return nil, err
	}
	// The joiners are queued when their number shows and calls are made for them.
	if err := l.await(ctx, "queue of joiners", func() (bool, error) { return len(aboutUsers(l.slow)) > 3, nil }); err != nil {
		return nil, err
	}
	if err := l.quiet(ctx); err != nil {
		return nil, err
	}
	if err := l.deactivate(ctx, l.leaverID); err != nil {
		return nil, err
	}
	pushed := time.Now()
	if err := l.await(ctx, "leaver's deactivation", func() (bool, error) { return !active(l.slow, l.leaver.userName), nil }); err != nil {
		return nil, err
	}
	took := time.Since(pushed)
	calls := slices.DeleteFunc(aboutUsers(l.slow), func(c fakeapp.Call) bool { return c.At.Before(pushed) })
	before := 0
	for _, call := range calls {
		if call.Op == fakeapp.UsersPatch && call.Subject == l.leaver.userName {
			break
		}
		before++
	}
	const few = 4
	met := before <= few
	return []result{{
		figure: fmt.Sprintf("a leaver behind %s joiners, app of %d calls/min", thousands(l.o.users), slowPerMinute),
		value:  fmt.Sprintf("%d calls before", before), wanted: fmt.Sprintf("at most %d", few), met: &met,
		absolute: fmt.Sprintf("%.1f s after the push; a call every %.1f s", took.Seconds(), 60.0/slowPerMinute),
	}}, nil
}

// none is a result of which nothing is wanted.
func none(figure string, n int) result {
	met := n == 0
	return result{figure: figure, value: fmt.Sprint(n), wanted: "0", met: &met}
}
