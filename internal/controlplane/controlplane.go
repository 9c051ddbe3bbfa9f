// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controlplane runs a real Kubernetes API server on the loopback
// interface, for development and for tests: etcd, kube-apiserver with TLS and
// RBAC, and kube-controller-manager where namespaces shall be deleted and garbage
// collected. It wraps controller-runtime's envtest.
//
// No process stays behind. Stop ends them all; and where the process that called
// Start ends without Stop, by SIGKILL even, the kernel ends them (on Linux; see
// keeper). Elsewhere than on Linux they then stay until somebody ends them.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
	"github.com/scim-operator/scim-operator/internal/controlplane/flock"
)

// The names of the programs.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
)

const (
	// startTimeout is how long one program may take until it answers. On two cores
	// that are busy with other work the API server has taken half a minute.
	startTimeout = 2 * time.Minute
	// stopTimeout is how long one program has for an orderly end before it is
	// killed. An API server with open watches would take a minute, for which there
	// is no reason: all that matters is in etcd, which ends at once.
	stopTimeout = 3 * time.Second
)

// Options say how to run the control plane. The zero value is valid.
type Options struct {
	// CRDs are directories, or files, of CustomResourceDefinitions to install.
	// One that does not exist is an error.
	CRDs []string
	// DataDir keeps everything: etcd's data, certificates, logs. It is made if need
	// be, and locked: a second control plane on it is refused. Empty means a
	// temporary directory, which Stop removes.
	DataDir string
	// Port is the API server's port. Zero means any free one.
	Port int
	// ControllerManager starts kube-controller-manager with the controllers that
	// delete namespaces and collect garbage.
	ControllerManager bool
	// UnsafeNoFsync lets etcd not wait for the disk: faster, and safe but for a
	// crash of the machine.
	UnsafeNoFsync bool
	// Audit has the API server write down what ServiceAccounts ask for, and what it
	// answers, for ReadAudit.
	Audit bool
	// Progress receives a line for each step that takes time. Nil discards them.
	Progress io.Writer
}

// Env is a running control plane. Its methods may be called concurrently.
type Env struct {
	// Config is that of an administrator: of the group system:masters.
	Config *rest.Config
	// Dir is the data directory. The logs of the programs are in its subdirectory logs.
	Dir string

	opts   Options
	assets assets.Assets
	keeper *keeper
	lock   *flock.Lock
	env    *envtest.Environment
	// manager is kube-controller-manager, or nil.
	manager *process
	logs    []*os.File

	// mu guards the certificate authority in env, which counts without a lock, and restarts, which are when the API server was stopped and when it answered again.
	mu       sync.Mutex
	restarts [][2]time.Time
	stop     sync.Once
	err      error
}

// Start gets the programs (see the package assets), starts them and returns when
// they answer and the CRDs are served. ctx is for Start alone: the control plane
// runs until Stop.
func Start(ctx context.Context, opts Options) (*Env, error) {
	if opts.Progress == nil {
		opts.Progress = io.Discard
	}
	programs, err := assets.Get(ctx, assets.Options{ControllerManager: opts.ControllerManager, Progress: opts.Progress})
	if err != nil {
		return nil, fmt.Errorf("getting the control plane: %w", err)
	}
	e := &Env{opts: opts, assets: programs}
	if err := e.openDir(ctx); err != nil {
		return nil, err
	}
	e.keeper = newKeeper()
	e.keeper.do(func() { err = e.start(ctx) })
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("starting the control plane: %w%s", err, e.logTails())
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

// start runs on the keeper's thread.
func (e *Env) start(ctx context.Context) error {
	if err := checkFree(ctx, e.opts.Port); err != nil {
		return err
	}
	if err := e.configure(); err != nil {
		return err
	}
	e.say("starting etcd and kube-apiserver ...")
	config, err := e.env.Start()
	if err != nil {
		return err
	}
	e.Config = config
	if !e.opts.ControllerManager || ctx.Err() != nil {
		return ctx.Err()
	}
	e.say("starting kube-controller-manager ...")
	return e.startManager(ctx)
}

// RestartAPIServer stops kube-apiserver and starts it again, on the same port and
// with the same certificates. It returns when it answers.
func (e *Env) RestartAPIServer() error {
	var err error
	began := time.Now()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.restarts = append(e.restarts, [2]time.Time{began, time.Now()})
	}()
	e.keeper.do(func() {
		server := e.env.ControlPlane.GetAPIServer()
		if err = e.tolerateKill(server.Stop(), apiServer); err == nil {
			err = server.Start()
		}
	})
	return err
}

// EtcdURL is where etcd answers, over plain HTTP.
func (e *Env) EtcdURL() string { return e.env.ControlPlane.Etcd.URL.String() }

// Restarting is whether RestartAPIServer was under way at a time. Before it is ready, the API server has not read its roles, and refuses everybody but
// administrators.
func (e *Env) Restarting(at time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.restarts, func(restart [2]time.Time) bool { return at.After(restart[0]) && at.Before(restart[1]) })
}

// Stop ends all programs and, where the data directory is temporary, removes it.
// When it returns nil, no process is left. Only the first call does anything;
// the others return what that returned.
func (e *Env) Stop() error {
	e.stop.Do(func() {
		e.keeper.do(func() { e.err = e.stopAll() })
		e.keeper.close()
		e.err = errors.Join(e.err, e.closeDir())
	})
	return e.err
}

// stopAll runs on the keeper's thread.
func (e *Env) stopAll() error {
	var errs []error
	if e.manager != nil {
		errs = append(errs, e.manager.stop())
	}
	if e.env != nil {
		errs = append(errs, e.tolerateKill(e.env.Stop(), etcd, apiServer))
	}
	return errors.Join(errs...)
}

// tolerateKill forgives envtest's complaint that programs had to be killed, if
// they are gone.
func (e *Env) tolerateKill(err error, programs ...string) error {
	if err == nil {
		return nil
	}
	if left := e.awaitGone(programs); len(left) > 0 {
		return fmt.Errorf("%w; still running: %v", err, left)
	}
	return nil
}

// closeDir gives the data directory back.
func (e *Env) closeDir() error {
	defer e.lock.Release()
	for _, log := range e.logs {
		// The programs wrote to it, not we.
		_ = log.Close()
	}
	if e.opts.DataDir != "" {
		return nil
	}
	return os.RemoveAll(e.Dir)
}

func (e *Env) say(format string, args ...any) {
	_, _ = fmt.Fprintf(e.opts.Progress, format+"\n", args...)
}

func (e *Env) pidDir() string { return filepath.Join(e.Dir, "pids") }
func (e *Env) logDir() string { return filepath.Join(e.Dir, "logs") }
