// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command run is `make run`: a Kubernetes API server, the operator and two demo apps on this machine, and a session of an identity provider
// that is played to them. It stays up until Ctrl-C and leaves no process behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
)

const usage = `usage: make run [ARGS="FLAG ..."]

Starts a Kubernetes API server, the operator and two demo apps, applies config/samples, plays
config/samples/okta-session.jsonl and shows what changes, until Ctrl-C. Every start begins with nothing.

`

// options are the arguments of the command.
type options struct {
	// root is the checkout, dir where everything is kept.
	root, dir string
	// once: check the final state and end. empty: do not play the session.
	once, empty bool
}

func main() {
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

// command is the whole program; it gives back the exit code.
func command(args []string, out, errs io.Writer) int {
	o, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if o.root, err = assets.ModuleRoot(); err != nil {
		_, _ = fmt.Fprintln(errs, "run:", err)
		return 1
	}
	if !filepath.IsAbs(o.dir) {
		o.dir = filepath.Join(o.root, o.dir)
	}
	interrupted, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// The second Ctrl-C does not wait for an orderly end.
	context.AfterFunc(interrupted, stop)
	ctx, cancel := withParent(interrupted, os.Getppid)
	defer cancel()
	if err := run(ctx, o, out); err != nil {
		_, _ = fmt.Fprintln(errs, "run:", err)
		return 1
	}
	return 0
}

func parse(args []string, errs io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.BoolVar(&o.once, "once", false, "play the session, check the state that it has to end in, print it, and end with 0 or 1")
	flags.BoolVar(&o.empty, "empty", false, "do not play the session")
	flags.StringVar(&o.dir, "dir", ".run", "where data, logs and the file env go, relative to the checkout")
	flags.Usage = func() {
		_, _ = fmt.Fprint(errs, usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		_, _ = fmt.Fprintf(errs, "run: there is no argument %q; --help shows what there is\n", flags.Arg(0))
		return o, errors.New("usage")
	}
	return o, nil
}
