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
	prepare func(n int) (func(ctx context.Context, i int) error, error)
	// processes whose CPU time its operations take.
	processes processes
}

// comparison is a figure that compares the rates of two sides.
type comparison struct {
	figure         string
	baseline, ours side
	// ops of a round, by so many workers at once.
	ops, workers int
	// least is the part of the baseline's rate that ours must reach. Where it is 0, most is how many times the baseline's latency ours may take.
	least, most float64
}

// measured is what a round has shown.
type measured struct {
	rate float64 // operations per second
	cpu  usage   // per operation
}

// compare runs the rounds of both sides in turn, the other one first each time, so that what drifts meets both.
func (w *world) compare(ctx context.Context, c comparison) (result, error) {
	var baseline, ours []measured
	sides := []struct {
		side
		all *[]measured
	}{{c.baseline, &baseline}, {c.ours, &ours}}
	for _, s := range sides {
		if err := w.warmUp(ctx, s.side, c.ops, c.workers); err != nil {
			return result{}, fmt.Errorf("%s, %s: %w", c.figure, s.name, err)
		}
	}
	for i := range rounds {
		for _, s := range sides {
			m, err := w.round(ctx, s.side, c.ops, c.workers)
			if err != nil {
				return result{}, fmt.Errorf("%s, %s: %w", c.figure, s.name, err)
			}
			*s.all = append(*s.all, m)
			w.say("%s, round %d of %d: %-10s %8.1f/s; CPU %s", c.figure, i+1, rounds, s.name, m.rate, m.cpu)
		}
		slices.Reverse(sides)
	}
	return c.result(baseline, ours), nil
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

func (w *world) warmUp(ctx context.Context, s side, ops, workers int) error {
	_, err := w.round(ctx, s, max(1, ops/5), workers)
	return err
}

func (w *world) round(ctx context.Context, s side, n, workers int) (measured, error) {
	op, err := s.prepare(n)
	if err != nil {
		return measured{}, err
	}
	before, began := s.processes.usage(), time.Now()
	if err := concurrently(ctx, n, workers, op); err != nil {
		return measured{}, err
	}
	took := time.Since(began)
	return measured{rate: float64(n) / took.Seconds(), cpu: s.processes.usage().since(before).each(n)}, nil
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
