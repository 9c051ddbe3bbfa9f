// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// process is a program that this package started itself.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// startManager starts kube-controller-manager and waits until it is healthy. It
// runs on the keeper's thread.
func (e *Env) startManager(ctx context.Context) error {
	path, err := e.wrap(e.assets.ControllerManager, controllerManager)
	if err != nil {
		return err
	}
	kubeconfig, err := e.KubeconfigFor("system:kube-controller-manager", "system:masters")
	if err != nil {
		return err
	}
	kubeconfigPath := filepath.Join(e.Dir, "certs", "kube-controller-manager.kubeconfig")
	if err := os.WriteFile(kubeconfigPath, kubeconfig, 0o600); err != nil {
		return err
	}
	log, err := e.openLog(controllerManager)
	if err != nil {
		return err
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}

	// Not exec.CommandContext: it lives longer than the call that starts it.
	cmd := exec.Command(path, //nolint:noctx // see above
		"--kubeconfig", kubeconfigPath,
		"--authentication-kubeconfig", kubeconfigPath,
		"--authorization-kubeconfig", kubeconfigPath,
		"--bind-address", loopback,
		"--secure-port", strconv.Itoa(port),
		"--cert-dir", filepath.Join(e.Dir, "certs"),
		"--leader-elect=false",
		"--controllers=namespace-controller,garbage-collector-controller",
		// Defaults fit a cluster with other users: 20 a second.
		"--kube-api-qps=500", "--kube-api-burst=1000",
	)
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own, as envtest does: Ctrl-C is for us, and we end it in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	e.manager = &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(e.manager.done)
		// Its state is of no interest: stop ends it, and while it starts, not being healthy is.
		_ = cmd.Wait()
	}()
	return e.awaitManager(ctx, port)
}

// awaitManager polls /healthz, with the certificate that the program has made
// for itself as the only one to trust.
func (e *Env) awaitManager(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	url := "https://" + net.JoinHostPort(loopback, strconv.Itoa(port)) + "/healthz"
	certificate := filepath.Join(e.Dir, "certs", "kube-controller-manager.crt")
	for {
		err := healthy(ctx, url, certificate)
		if err == nil {
			return nil
		}
		select {
		case <-e.manager.done:
			return errors.New("kube-controller-manager ended while starting")
		case <-ctx.Done():
			return fmt.Errorf("kube-controller-manager is not healthy: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func healthy(ctx context.Context, url, certificate string) error {
	pem, err := os.ReadFile(certificate)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

// stop ends the process: it asks, and after the grace period it kills.
func (p *process) stop() error {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		select {
		case <-p.done:
			return nil
		case <-time.After(stopTimeout):
		}
	}
	return fmt.Errorf("%s does not end", filepath.Base(p.cmd.Path))
}
