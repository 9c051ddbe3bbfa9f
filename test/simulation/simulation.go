// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/errors"

	"github.com/scim-operator/scim-operator/internal/kube"
)

// Options say what to run.
type Options struct {
	Seed   uint64
	Events int
	// Drops is the probability that an event is lost between cache and queue.
	Drops float64
	// Skip are properties that are not checked, as failures name them.
	Skip []string
	// Trace, if set, takes every line of the trace.
	Trace io.Writer
}

// Result is what came of a run.
type Result struct {
	// Failure is nil if all properties held.
	Failure *Failure
	// Hash of the trace: the same for the same seed.
	Hash uint64
	// Tail is the end of the trace.
	Tail []string
	// Steps, looks at keys, calls, and writes of the engine; what was allowed of looks and calls.
	Steps, Looks, Calls, Writes, LooksAllowed, CallsAllowed int
}

// Run plays one seed.
func Run(t *testing.T, o Options) *Result {
	t.Helper()
	kube.JitterFrom(jitter)
	var result *Result
	synctest.Test(t, func(*testing.T) {
		w := newWorld(o)
		w.run()
		result = &Result{
			Failure: w.failed, Hash: w.journal.hash, Tail: w.journal.last(), Steps: w.steps, Looks: w.looks, Calls: w.calls, Writes: w.writes,
			LooksAllowed: w.checks.looksAllowed, CallsAllowed: w.checks.callsAllowed,
		}
	})
	return result
}

// jitter is a number from 0 to less than 1 that only depends on the time, which each run has for itself.
func jitter() float64 { return rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)).Float64() }

func apiTimeout(what string) error {
	return errors.NewTimeoutError(fmt.Sprintf("%s timed out", what), 1)
}
