// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// benchmarkLine is one of `go test -bench`, for example "BenchmarkPatchUser/entra-2  50000  21034 ns/op  9384 B/op  120 allocs/op".
var benchmarkLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op\s+(\d+) B/op\s+(\d+) allocs/op`)

// limitedTo50 are the benchmarks of what may take 50 microseconds.
var limitedTo50 = regexp.MustCompile(`^(ParseUser|MarshalUser|PatchUser/.*)$`)

// measureProtocol runs the benchmarks of internal/scim on one core.
func measureProtocol(ctx context.Context, w *world, o options) (results []result, err error) {
	args := []string{"test", "-run", "^$", "-bench", "^Benchmark(ParseUser|MarshalUser|PatchUser|Filter)$", "-benchmem", "-cpu", "1", "./internal/scim"}
	if o.quick {
		args = append(args, "-benchtime", "1x")
	}
	run := exec.CommandContext(ctx, "go", args...)
	run.Dir = w.root
	output, err := run.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test -bench: %w\n%s", err, output)
	}
	for lines := bufio.NewScanner(bytes.NewReader(output)); lines.Scan(); {
		m := benchmarkLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		ns, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, err
		}
		r := result{figure: m[1], value: fmt.Sprintf("%.1f µs", ns/1000), absolute: m[4] + " allocations, " + m[3] + " bytes"}
		if limitedTo50.MatchString(m[1]) {
			met := ns < 50_000
			r.wanted, r.met = "under 50 µs", &met
		}
		results = append(results, r)
	}
	return results, nil
}
