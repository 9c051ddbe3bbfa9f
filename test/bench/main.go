// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench is `make bench-endpoint`: it measures the SCIM endpoint against a bare client of the API server, by itself as it grows, and beside another
// SCIM server. `bench engine` is `make bench-engine`: it measures the way to the apps. docs/performance.md has the method and the results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// options of a run.
type options struct {
	quick bool
	// scale is the part of the operations of a full round.
	scale float64
	// workers are the requests at once, on as many connections.
	workers int
	// users of the large directory.
	users int
	// only are the groups of figures to measure, all if empty.
	only []string
}

// Groups of figures.
const (
	groupRates    = "rates"
	groupApart    = "apart"
	groupWhole    = "whole"
	groupSizes    = "sizes"
	groupMemory   = "memory"
	groupSCIMMY   = "scimmy"
	groupProtocol = "protocol"
)

// groups in the order of the report.
var groups = []string{groupApart, groupRates, groupWhole, groupSizes, groupMemory, groupProtocol, groupSCIMMY}

func (o options) wants(group string) bool { return len(o.only) == 0 || slices.Contains(o.only, group) }

// ops is how many operations a round has.
func (o options) ops(full int) int { return max(1, int(float64(full)*o.scale)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(logr.Discard())
	err := command(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string, out io.Writer) error {
	const probed = 4
	if len(args) == probed && args[0] == "probe" {
		return probe(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == "engine" {
		return engineCommand(ctx, args[1:], out)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	// The clients of both sides shall not spend their time on collecting little garbage.
	debug.SetGCPercent(400)
	results, err := run(ctx, out, o)
	report(out, o, results)
	return err
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.BoolVar(&o.quick, "quick", false, "few operations on few users: to see that it works, not to measure")
	flags.Float64Var(&o.scale, "scale", 1, "part of the operations of a full round")
	flags.IntVar(&o.workers, "workers", 16, "requests at once, on as many connections")
	flags.IntVar(&o.users, "users", 100_000, "users of the large directory")
	only := flags.String("only", "", "what to measure, separated by commas: "+strings.Join(groups, ", ")+"; all when empty")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.quick {
		o.scale, o.users = 0.01, 300
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	return o, nil
}
