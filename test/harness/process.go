// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
	"github.com/scim-operator/scim-operator/internal/server/servertest"
)

// raceExit is how a process ends that the race detector has stopped.
const raceExit = 66

// binary is the operator's program, built once for all tests of a package.
var binary struct {
	sync.Once
	path string
	err  error
}

// Binary builds the operator with the race detector, as the tests themselves are: most of what it is built from is then there already.
func Binary(t testing.TB) string {
	t.Helper()
	binary.Do(func() { binary.path, binary.err = build(context.WithoutCancel(t.Context())) })
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

func build(ctx context.Context) (string, error) {
	root, err := assets.ModuleRoot()
	if err != nil {
		return "", err
	}
	// Not a test's directory: the program outlives the first test that wants it.
	dir, err := os.MkdirTemp("", "scim-operator-manager-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "manager")
	cmd := exec.CommandContext(ctx, "go", "build", "-race", "-o", path, "./cmd")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the operator: %w\n%s", err, out)
	}
	return path, nil
}

// removeBinary removes what Binary has built, if anything.
func removeBinary() {
	if binary.path != "" {
		_ = os.RemoveAll(filepath.Dir(binary.path)) // it is in the directory for temporary files
	}
}

// Site is a place where an operator runs as a process of its own, and where it is started again after it was killed: address, certificate,
// access to the API server.
type Site struct {
	*SCIM
	// LeaderElection says that others run beside it.
	LeaderElection bool

	namespace, leases, address, kubeconfig, certFile, keyFile, program string
}

// NewSite prepares a place for a process that serves the directory. apiServer is where it finds the API server, over plain HTTP.
func (d *Directory) NewSite(t testing.TB, apiServer string) *Site {
	t.Helper()
	certificate, pool := servertest.Certificate(t)
	certPEM, keyPEM := servertest.PEM(t, certificate)
	dir := t.TempDir()
	s := &Site{
		namespace: d.Namespace, leases: d.Installation(t).Namespace, address: freeAddress(t), program: Binary(t),
		kubeconfig: filepath.Join(dir, "kubeconfig"), certFile: filepath.Join(dir, "tls.crt"), keyFile: filepath.Join(dir, "tls.key"),
	}
	for file, data := range map[string][]byte{s.certFile: certPEM, s.keyFile: keyPEM} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kubeconfig := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"test": {Server: apiServer}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test"}},
		CurrentContext: "test",
	}
	if err := clientcmd.WriteToFile(kubeconfig, s.kubeconfig); err != nil {
		t.Fatal(err)
	}
	s.SCIM = s.client(pool)
	return s
}

func (s *Site) client(pool *x509.CertPool) *SCIM {
	return NewSCIM("https://"+s.address+"/"+s.namespace+"/okta/scim/v2", Token, pool)
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// Process is an operator that runs as a process of its own.
type Process struct {
	cmd    *exec.Cmd
	log    lockedBuffer
	exited chan struct{}
	// err is how it ended, to be read after exited.
	err error
}

// starter starts processes on one thread that lives as long as this process: they ask the kernel to end with it, and to the kernel the
// parent is a thread.
var starter = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for call := range calls {
			call()
		}
	}()
	return calls
})

// Start starts a process. It does not wait until the endpoint answers.
func (s *Site) Start(ctx context.Context) (*Process, error) {
	p := &Process{exited: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), s.program,
		"--namespaces="+s.namespace, "--scim-bind-address="+s.address, "--tls-cert-file="+s.certFile, "--tls-key-file="+s.keyFile,
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--allowed-addresses=127.0.0.0/8",
		fmt.Sprintf("--leader-elect=%t", s.LeaderElection), "--leader-election-namespace="+s.leases)
	p.cmd.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig, fmt.Sprintf("GORACE=halt_on_error=1 exitcode=%d", raceExit))
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = dieWithParent()
	started := make(chan error)
	starter() <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting the operator: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// AwaitServing waits until the endpoint answers.
func (s *Site) AwaitServing(ctx context.Context) error {
	var err error
	for deadline := time.Now().Add(Timeout); time.Now().Before(deadline) && ctx.Err() == nil; {
		var answer Answer
		if answer, err = s.Send(ctx, "GET", "/ServiceProviderConfig", ""); err == nil && answer.Status == 200 {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("the endpoint does not answer: %w", err)
}

// Kill sends SIGKILL and returns when the process is gone. It is false if the process had ended before.
func (p *Process) Kill() bool {
	select {
	case <-p.exited:
		return false
	default:
	}
	err := p.cmd.Process.Kill()
	<-p.exited
	return err == nil && p.Killed()
}

// Killed is whether SIGKILL has ended the process.
func (p *Process) Killed() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop sends SIGTERM and gives how the process ended: nil after an orderly end.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.exited:
		return p.err
	case <-time.After(Timeout):
		p.Kill()
		return fmt.Errorf("it did not end within %s of SIGTERM", Timeout)
	}
}

// Log is the end of what the process has written.
func (p *Process) Log(lines int) string { return p.log.tail(lines) }

// Raced is whether the race detector has found something.
func (p *Process) Raced() bool { return strings.Contains(p.log.tail(1<<20), "DATA RACE") }
