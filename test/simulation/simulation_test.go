// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var (
	seedFlag   = flag.Uint64("sim.seed", 0, "the one seed to play")
	eventsFlag = flag.Int("sim.events", 200, "how many events a seed has")
	skipFlag   = flag.String("sim.skip", "", "properties that are not checked, with commas")
	seedsFlag  = flag.Int("sim.seeds", 0, "how many")
	traceFlag  = flag.Bool("sim.trace", false, "print the trace")
)

func TestOneSeed(t *testing.T) {
	if *seedFlag == 0 {
		t.Skip("no seed is given")
	}
	o := Options{Seed: *seedFlag, Events: *eventsFlag, Skip: strings.Split(*skipFlag, ",")}
	if *traceFlag {
		o.Trace = os.Stdout
	}
	r := Run(t, o)
	fmt.Fprintf(os.Stdout, "%d steps, %d/%d looks, %d/%d calls, %d writes, hash %x\n", r.Steps, r.Looks, r.LooksAllowed, r.Calls, r.CallsAllowed, r.Writes, r.Hash)
	if r.Failure != nil {
		t.Errorf("%+v", r.Failure)
	}
}

func TestSearch(t *testing.T) {
	for i := range *seedsFlag {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			t.Parallel()
			r := Run(t, Options{Seed: uint64(i + 1), Events: *eventsFlag, Skip: strings.Split(*skipFlag, ",")})
			if r.Failure != nil {
				t.Errorf("seed %d: %s: %s", i+1, r.Failure.Property, r.Failure.Message)
			}
		})
	}
}

func TestASeedDecidesEverything(t *testing.T) {
	for i := range 20 {
		o := Options{Seed: uint64(1000 + i), Events: 100}
		if first, second := Run(t, o), Run(t, o); first.Hash != second.Hash {
			t.Errorf("seed %d gives two traces", o.Seed)
		}
	}
}
