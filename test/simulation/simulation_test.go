// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// Flags of `make simulate`.
var (
	seedsFlag  = flag.Int("sim.seeds", 0, "how many seeds to search")
	fromFlag   = flag.Uint64("sim.from", 1, "the first of them")
	eventsFlag = flag.Int("sim.events", 200, "how many events a seed has")
	dropsFlag  = flag.Float64("sim.drops", 0, "the probability that an event is lost between cache and queue")
	seedFlag   = flag.Uint64("sim.seed", 0, "the one seed to play")
	traceFlag  = flag.Bool("sim.trace", false, "print its trace")
	skipFlag   = flag.String("sim.skip", "", "properties that are not checked, with commas in between")
	shrinkFlag = flag.Bool("sim.shrink", true, "look for fewer events with which a seed fails")
	allFlag    = flag.Bool("sim.all", false, "go on after a failure, and count them by property")
)

func optionsOf(seed uint64) Options {
	return Options{Seed: seed, Events: *eventsFlag, Drops: *dropsFlag, Skip: strings.Split(*skipFlag, ",")}
}

// TestSomeSeeds is what every run of the tests plays. `make simulate` plays many more.
func TestSomeSeeds(t *testing.T) {
	if *seedsFlag > 0 || *seedFlag > 0 {
		t.Skip("a search is asked for")
	}
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed+1), func(t *testing.T) {
			t.Parallel()
			o := Options{Seed: seed + 1, Events: 80}
			if r := Run(t, o); r.Failure != nil {
				t.Error(explain(o, r))
			}
		})
	}
}

func TestASeedDecidesEverything(t *testing.T) {
	if *seedsFlag > 0 || *seedFlag > 0 {
		t.Skip("a search is asked for")
	}
	for i := range uint64(20) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			o := Options{Seed: 1000 + i, Events: 30}
			if first, second := Run(t, o), Run(t, o); first.Hash != second.Hash {
				t.Errorf("seed %d gives two traces", o.Seed)
			}
		})
	}
}

// TestOneSeed plays the seed of -sim.seed.
func TestOneSeed(t *testing.T) {
	if *seedFlag == 0 {
		t.Skip("no seed is given")
	}
	o := optionsOf(*seedFlag)
	if *traceFlag {
		o.Trace = os.Stdout
	}
	r := Run(t, o)
	t.Logf("%d steps, %d of %d looks, %d of %d calls, %d writes, hash %x", r.Steps, r.Looks, r.LooksAllowed, r.Calls, r.CallsAllowed, r.Writes, r.Hash)
	if r.Failure != nil {
		t.Error(explain(o, r))
	}
}

// search is what the seeds of a search share.
type search struct {
	mu       sync.Mutex
	begun    time.Time
	done     int
	failures map[string][]uint64
}

// TestSearch plays the seeds of -sim.seeds, as many at once as there are cores, until one fails.
func TestSearch(t *testing.T) {
	if *seedsFlag == 0 {
		t.Skip("no search is asked for")
	}
	s := &search{begun: time.Now(), failures: map[string][]uint64{}}
	t.Run("seeds", func(t *testing.T) {
		next := *fromFlag
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for {
					s.mu.Lock()
					seed := next
					next++
					over := seed >= *fromFlag+uint64(*seedsFlag) || (len(s.failures) > 0 && !*allFlag)
					s.mu.Unlock()
					if over {
						return
					}
					s.play(t, seed)
				}
			})
		}
	})
	fmt.Fprintf(os.Stderr, "\n%d seeds of %d events in %s\n", s.done, *eventsFlag, time.Since(s.begun).Round(time.Second))
	for property, seeds := range s.failures {
		fmt.Fprintf(os.Stderr, "%5d  %s: seeds %v\n", len(seeds), property, seeds[:min(len(seeds), 12)])
	}
}

func (s *search) play(t *testing.T, seed uint64) {
	o := optionsOf(seed)
	r := Run(t, o)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
	if s.done%50 == 0 {
		fmt.Fprintf(os.Stderr, "\r%d of %d seeds, %d failures, %s ", s.done, *seedsFlag, len(s.failures), time.Since(s.begun).Round(time.Second))
	}
	if r.Failure == nil {
		return
	}
	first := len(s.failures) == 0
	s.failures[r.Failure.Property] = append(s.failures[r.Failure.Property], seed)
	if first || !*allFlag {
		if *shrinkFlag {
			o, r = shrink(t, o, r)
		}
		t.Error(explain(o, r))
	}
}

// shrink looks for fewer events with which the seed fails in the same way. What happens until an event does not depend on how many are to come.
func shrink(t *testing.T, o Options, r *Result) (Options, *Result) {
	low, high := 0, r.Failure.Events
	for low < high {
		middle := (low + high) / 2
		fewer := o
		fewer.Events = middle
		if got := Run(t, fewer); got.Failure != nil && got.Failure.Property == r.Failure.Property {
			high, r, o = middle, got, fewer
		} else {
			low = middle + 1
		}
	}
	return o, r
}

// explain is a failure with what is needed to see it again.
func explain(o Options, r *Result) string {
	f := r.Failure
	return fmt.Sprintf("seed %d, after %d events: property %s\n%s\n\n%s\n\nAgain: make simulate SEED=%d EVENTS=%d TRACE=1\nproperty %s: %s",
		o.Seed, f.Events, f.Property, f.Message, strings.Join(r.Tail, "\n"), o.Seed, o.Events, f.Property, f.Message)
}
