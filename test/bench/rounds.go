// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// rounds of each side of a comparison: the median of five counts.
const rounds = 5

// side is one of the two that are compared. prepare makes all that the operations of a round need, outside of the time that is measured, and gives the
// operation, which is called with 0 to n-1.
type side struct {
	name    string
	prepare func(n int) (operation, error)
	// processes whose CPU time its operations take.
	processes processes
}

// comparison is a figure that compares the rates of two sides.
type comparison struct {
	figure         string
	baseline, ours side
	// ops of a round, by so many workers at once.
	ops, workers int
	// turns that each side has in a round, at least 1. Operations that leave work behind have one: it would meet the other side.
	turns int
	// clear, if set, removes what the round before has made.
	clear func(ctx context.Context) error
	// least is the part of the baseline's rate that ours must reach. Where it is 0, most is how many times the baseline's latency ours may take.
	least, most float64
}

// measured is what a round has shown.
type measured struct {
	rate float64 // operations per second
	cpu  usage   // per operation
}

// lane is a side in a round.
type lane struct {
	side
	op    operation
	took  time.Duration
	spent usage
	all   []measured
}

// compare runs the rounds of both sides in turn, the other one first each time, so that what drifts meets both.
func (w *world) compare(ctx context.Context, c comparison) (result, error) {
	baseline, ours := &lane{side: c.baseline}, &lane{side: c.ours}
	lanes := []*lane{baseline, ours}
	warmUp := c
	warmUp.ops, warmUp.turns = max(1, c.ops/5), 1
	if err := warmUp.round(ctx, lanes); err != nil {
		return result{}, err
	}
	baseline.all, ours.all = nil, nil
	for i := range rounds {
		if err := c.round(ctx, lanes); err != nil {
			return result{}, err
		}
		for _, l := range []*lane{baseline, ours} {
			m := l.all[i]
			w.say("%s, round %d of %d: %-10s %8.1f/s; CPU %s", c.figure, i+1, rounds, l.name, m.rate, m.cpu)
		}
	}
	return c.result(baseline.all, ours.all), nil
}

// round has each lane do its operations, in turn with the other.
func (c comparison) round(ctx context.Context, lanes []*lane) (err error) {
	if c.clear != nil {
		if err := c.clear(ctx); err != nil {
			return err
		}
	}
	for _, l := range lanes {
		if l.op, err = l.prepare(c.ops); err != nil {
			return fmt.Errorf("%s, %s: %w", c.figure, l.name, err)
		}
		l.took, l.spent = 0, nil
	}
	for turn := range c.turns {
		for _, l := range lanes {
			if err := l.run(ctx, turn*c.ops/c.turns, (turn+1)*c.ops/c.turns, c.workers); err != nil {
				return fmt.Errorf("%s, %s: %w", c.figure, l.name, err)
			}
		}
		slices.Reverse(lanes)
	}
	for _, l := range lanes {
		l.all = append(l.all, measured{rate: float64(c.ops) / l.took.Seconds(), cpu: l.spent.each(c.ops)})
	}
	return nil
}

// run does the operations from one to another.
func (l *lane) run(ctx context.Context, from, to, workers int) error {
	before, began := l.processes.usage(), time.Now()
	err := concurrently(ctx, to-from, workers, func(ctx context.Context, i int) error { return l.op(ctx, from+i) })
	l.took += time.Since(began)
	l.spent = l.spent.plus(l.processes.usage().since(before))
	return err
}

func (c comparison) result(baseline, ours []measured) result {
	reference, rate := median(baseline, rateOf), median(ours, rateOf)
	var r result
	if c.least > 0 {
		r = atLeast(c.figure, rate/reference, c.least)
		r.absolute = fmt.Sprintf("%.0f/s of %.0f/s; rounds %s of %s", rate, reference, spread(ours), spread(baseline))
	} else {
		r = atMost(c.figure, reference/rate, c.most)
		r.absolute = fmt.Sprintf("%s; %s: %s", inMilliseconds(rate), c.baseline.name, inMilliseconds(reference))
	}
	r.baseline = baseline
	r.cpu = medianUsage(baseline).row(c.figure+", "+c.baseline.name) + "\n" + medianUsage(ours).row(c.figure+", "+c.ours.name)
	return r
}

// inMilliseconds is the time of an operation by one worker.
func inMilliseconds(rate float64) string { return fmt.Sprintf("%.2f ms", 1000/rate) }

func rateOf(m measured) float64 { return m.rate }

func spread(all []measured) string {
	rates := sorted(all, rateOf)
	return fmt.Sprintf("%.0f to %.0f", rates[0], rates[len(rates)-1])
}

func sorted[T any](all []T, value func(T) float64) []float64 {
	values := make([]float64, len(all))
	for i, x := range all {
		values[i] = value(x)
	}
	slices.Sort(values)
	return values
}

// median of an odd number of values is one of them.
func median[T any](all []T, value func(T) float64) float64 {
	values := sorted(all, value)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// concurrently calls op with 0 to n-1, by so many goroutines at once, until one call fails.
func concurrently(ctx context.Context, n, workers int, op func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := op(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
