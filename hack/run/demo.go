// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/flock"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/test/session"
)

// namespace of the demo: the directory that the session fills.
const namespace = "demo"

// demo is what runs.
type demo struct {
	options
	out io.Writer

	// fail ends the demo with an error.
	fail context.CancelCauseFunc
	// cleanup ends what was started, the last first.
	cleanup []func() error

	config *rest.Config
	tables *tables
	apps   []*demoApp
	// world is what the session is played to.
	world     *session.World
	scimToken string
	endpoint  *endpoint
	metrics   string
	// log is that of the operator, a file.
	log logr.Logger
}

// run is the command behind its flags.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	lock, err := flock.Try(filepath.Join(o.dir, "lock"))
	if err != nil {
		return err
	}
	if lock == nil {
		return fmt.Errorf("another one runs in %s", o.dir)
	}
	defer lock.Release()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	d := &demo{options: o, out: out, fail: fail, world: &session.World{Namespace: namespace, FieldOwner: "make-run"}}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := d.start(ctx); err != nil {
		return interruption(ctx, o, err)
	}
	return interruption(ctx, o, d.show(ctx))
}

// interruption is the error to report of err: Ctrl-C is how the demo is meant to end, but no end of a check.
func interruption(ctx context.Context, o options, err error) error {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return err
	case !errors.Is(cause, context.Canceled):
		return cause
	case o.once:
		return errors.New("interrupted")
	default:
		return nil
	}
}

// start brings everything up, in the order in which it needs each other.
func (d *demo) start(ctx context.Context) error {
	began := time.Now()
	for _, name := range []string{"controlplane", "tls", "env", "operator.log"} {
		if err := os.RemoveAll(filepath.Join(d.dir, name)); err != nil {
			return err
		}
	}
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"demo apps", d.startApps},
		{"control plane", d.startControlPlane},
		{"operator", d.startOperator},
		{"config/samples", func(ctx context.Context) error {
			return d.world.ApplySamples(ctx, filepath.Join(d.root, "config", "samples"))
		}},
	}
	if err := d.startLog(); err != nil {
		return err
	}
	for _, step := range steps {
		from := time.Now()
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		d.say("%5.1f s  %s", time.Since(from).Seconds(), step.what)
	}
	if err := d.writeEnv(); err != nil {
		return err
	}
	d.say("%5.1f s  ready; the operator's log is %s", time.Since(began).Seconds(), d.shown("operator.log"))
	return nil
}

func (d *demo) startControlPlane(ctx context.Context) error {
	env, err := controlplane.Start(ctx, controlplane.Options{
		CRDs: []string{filepath.Join(d.root, "config", "crd", "bases")}, DataDir: filepath.Join(d.dir, "controlplane"),
		ControllerManager: true, UnsafeNoFsync: true, Progress: &indented{to: d.out},
	})
	if err != nil {
		return err
	}
	d.onStop(env.Stop)
	d.config = env.Config
	if d.world.Admin, err = client.New(env.Config, client.Options{Scheme: operator.Scheme()}); err != nil {
		return err
	}
	if d.tables, err = newTables(env.Config); err != nil {
		return err
	}
	if err := d.writeKubeconfig(env); err != nil {
		return err
	}
	return d.prepareCluster(ctx, env)
}

// show plays the session and shows what changes.
func (d *demo) show(ctx context.Context) error {
	watch := newWatch(d.out, d.tables)
	if d.empty {
		if d.once {
			return watch.all(ctx)
		}
		d.hint()
		return watch.until(ctx)
	}
	steps, err := session.Read(filepath.Join(d.root, "config", "samples", "okta-session.jsonl"))
	if err != nil {
		return err
	}
	if err := d.play(ctx, steps, watch); err != nil {
		return err
	}
	d.say("\nThe session is over. Everything, as it is now:")
	if err := watch.all(ctx); err != nil {
		return err
	}
	if d.once {
		d.appsNow()
		d.say("\nOK: the API server and the apps have what the session has to end in.")
		return nil
	}
	d.hint()
	return watch.until(ctx)
}

// play plays a session and shows what changes meanwhile.
func (d *demo) play(ctx context.Context, steps []session.Step, watch *watch) error {
	defer watch.start(ctx)()
	d.world.Say, d.world.Show = watch.say, watch.changes
	return d.world.Play(ctx, steps)
}

// onStop adds something to do at the end.
func (d *demo) onStop(do func() error) { d.cleanup = append(d.cleanup, do) }

// stop ends everything, the last first.
func (d *demo) stop() error {
	if len(d.cleanup) > 0 {
		d.say("\nstopping ...")
	}
	var errs []error
	for _, do := range slices.Backward(d.cleanup) {
		errs = append(errs, do())
	}
	d.cleanup = nil
	return errors.Join(errs...)
}

func (d *demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.out, format+"\n", args...)
}

// shown is the path of a file of the demo as a reader in the checkout would write it.
func (d *demo) shown(name string) string {
	path := filepath.Join(d.dir, name)
	if short, err := filepath.Rel(d.root, path); err == nil && filepath.IsLocal(short) {
		return short
	}
	return path
}
