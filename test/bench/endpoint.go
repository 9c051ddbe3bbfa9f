// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// endpoint is the operator, as a process of its own.
type endpoint struct {
	address string
	cmd     *exec.Cmd
	log     *os.File
	exited  chan struct{}
	err     error
}

// startEndpoint starts the operator for some directories and returns when it serves them. Without controllers it is a replica that is not the leader.
func (w *world) startEndpoint(ctx context.Context, controllers bool, namespaces ...string) (*endpoint, error) {
	kubeconfig, err := w.env.KubeconfigFor(identity)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(w.dir, "kubeconfig")
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		return nil, err
	}
	addresses, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	e := &endpoint{address: addresses[0], exited: make(chan struct{})}
	if e.log, err = os.CreateTemp(w.dir, "endpoint-*.log"); err != nil {
		return nil, err
	}
	e.cmd = exec.CommandContext(context.WithoutCancel(ctx), w.manager,
		"--namespaces="+strings.Join(namespaces, ","), "--scim-bind-address="+e.address, "--tls-cert-file="+w.tls.cert, "--tls-key-file="+w.tls.key,
		"--metrics-bind-address=0", "--health-probe-bind-address="+addresses[1],
		fmt.Sprintf("--leader-elect=%t", !controllers), "--leader-election-namespace="+system, "--allowed-addresses=127.0.0.0/8")
	e.cmd.Args = append(e.cmd.Args, w.arguments...)
	e.cmd.Env = append(os.Environ(), "KUBECONFIG="+file)
	e.cmd.Stdout, e.cmd.Stderr = e.log, e.log
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		e.err = e.cmd.Wait()
		close(e.exited)
	}()
	if err := e.awaitReady(ctx, "http://"+addresses[1]+"/readyz"); err != nil {
		return nil, errors.Join(err, e.stop())
	}
	return e, nil
}

// awaitReady waits until the caches are warm, which takes half a minute at 100,000 users, and the endpoint listens.
func (e *endpoint) awaitReady(ctx context.Context, probe string) error {
	const patience = 5 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if e.ready(ctx, probe) {
			return nil
		}
		select {
		case <-e.exited:
			return fmt.Errorf("the operator ended: %w\n%s", e.err, e.tail())
		case <-ctx.Done():
			return fmt.Errorf("the operator is not ready within %s\n%s", patience, e.tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (e *endpoint) ready(ctx context.Context, probe string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, probe, http.NoBody)
	if err != nil {
		return false
	}
	answer, err := probes.Do(request)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", e.address)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return answer.StatusCode == http.StatusOK
}

var probes = &http.Client{Timeout: 5 * time.Second}

// stop ends the operator as a cluster does.
func (e *endpoint) stop() error {
	defer e.log.Close()
	_ = e.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-e.exited:
		return e.err
	case <-time.After(time.Minute):
		_ = e.cmd.Process.Kill()
		return errors.New("the operator did not end within a minute")
	}
}

// tail is the end of the operator's log.
func (e *endpoint) tail() string {
	const most = 4096
	data, _ := os.ReadFile(e.log.Name())
	return string(data[max(0, len(data)-most):])
}

// base is the SCIM base URL of a directory.
func (e *endpoint) base(namespace string) string {
	return "https://" + e.address + "/" + namespace + "/" + scimClient + "/scim/v2"
}

// freeAddresses gives addresses on which nobody listens.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}
