// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const loopback = "127.0.0.1"

// configure prepares envtest without starting anything.
func (e *Env) configure() error {
	etcdPath, err := e.wrap(e.assets.Etcd, etcd)
	if err != nil {
		return err
	}
	apiServerPath, err := e.wrap(e.assets.APIServer, apiServer)
	if err != nil {
		return err
	}
	etcdLog, err := e.openLog(etcd)
	if err != nil {
		return err
	}
	apiServerLog, err := e.openLog(apiServer)
	if err != nil {
		return err
	}

	e.env = &envtest.Environment{
		// Not the cluster that USE_EXISTING_CLUSTER might point to: tests delete things.
		UseExistingCluster:       ptr.To(false),
		CRDDirectoryPaths:        e.opts.CRDs,
		ErrorIfCRDPathMissing:    true,
		CRDInstallOptions:        envtest.CRDInstallOptions{MaxTime: startTimeout},
		ControlPlaneStartTimeout: startTimeout,
		ControlPlaneStopTimeout:  stopTimeout,
	}
	e.env.ControlPlane.Etcd = &envtest.Etcd{
		Path:    etcdPath,
		DataDir: filepath.Join(e.Dir, "etcd"),
		Out:     etcdLog,
		Err:     etcdLog,
	}
	if !e.opts.UnsafeNoFsync {
		// envtest switches it on wherever etcd knows it.
		e.env.ControlPlane.Etcd.Configure().Disable("unsafe-no-fsync")
	}
	server := e.env.ControlPlane.GetAPIServer()
	server.Path = apiServerPath
	server.CertDir = filepath.Join(e.Dir, "certs")
	server.Out, server.Err = apiServerLog, apiServerLog
	if e.opts.Port != 0 {
		server.SecureServing.ListenAddr = envtest.ListenAddr{Address: loopback, Port: strconv.Itoa(e.opts.Port)}
	}
	// The Service "kubernetes" needs no endpoints here; without them the server stops sooner.
	server.Configure().Set("endpoint-reconciler-type", "none")
	if e.opts.Audit {
		return e.configureAudit(server)
	}
	return nil
}

// wrap writes a script that becomes a program that ends with this process, and
// returns its path. envtest takes the path of a program, but no arguments that
// would come before its own.
func (e *Env) wrap(program, name string) (string, error) {
	script := fmt.Sprintf("#!/bin/sh\nexec %s %d %s %s \"$@\"\n",
		quote(e.assets.Launch), os.Getpid(), quote(filepath.Join(e.pidDir(), name)), quote(program))
	path := filepath.Join(e.Dir, "bin", name)
	return path, os.WriteFile(path, []byte(script), 0o700)
}

// quote makes a word of the shell of any text.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", "'\\''") + "'"
}

// openLog makes an empty log file, which closeDir closes.
func (e *Env) openLog(name string) (*os.File, error) {
	file, err := os.Create(filepath.Join(e.logDir(), name+".log"))
	if err == nil {
		e.logs = append(e.logs, file)
	}
	return file, err
}

// checkFree says in plain words what five attempts of envtest would not.
func checkFree(ctx context.Context, port int) error {
	if port == 0 {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("port %d is taken: %w", port, err)
	}
	return listener.Close()
}

// freePort returns a port that nobody listens on at the moment.
func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
