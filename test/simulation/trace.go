// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"time"
)

// tail is how many lines of the trace a failure shows.
const tail = 60

// journal is the trace of a run, as a hash and as text.
type journal struct {
	hash  uint64
	lines []string
	all   io.Writer
}

func (j *journal) begin(o Options) { j.all, j.hash = o.Trace, 14695981039346656037 }

// trace writes a line. Its time is that since the beginning.
func (w *world) trace(format string, args ...any) {
	at := time.Since(w.started)
	line := fmt.Sprintf("%4d %12s ", w.steps, at.Truncate(time.Millisecond)) + fmt.Sprintf(format, args...)
	h := fnv.New64a()
	_, _ = io.WriteString(h, line)
	w.journal.hash = w.journal.hash*1099511628211 ^ h.Sum64()
	if w.journal.all != nil {
		_, _ = io.WriteString(w.journal.all, line+"\n")
	}
	w.journal.lines = append(w.journal.lines, line)
	if len(w.journal.lines) > 4*tail {
		w.journal.lines = append(w.journal.lines[:0], w.journal.lines[len(w.journal.lines)-tail:]...)
	}
}

// last are the last lines.
func (j *journal) last() []string { return j.lines[max(0, len(j.lines)-tail):] }

// Failure is a property that does not hold.
type Failure struct {
	// Property is its number in the package comment, with a name.
	Property, Message string
	// Step and Events are how far the run had come.
	Step, Events int
}

// fail notes the first failure; the run ends then.
func (w *world) fail(property, format string, args ...any) {
	if w.failed != nil || slices.Contains(w.options.Skip, property) {
		return
	}
	w.failed = &Failure{Property: property, Message: fmt.Sprintf(format, args...), Step: w.steps, Events: w.checks.events}
	w.trace("FAILED %s: %s", property, w.failed.Message)
}
