// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/internal/server/servertest"
	"github.com/scim-operator/scim-operator/test/harness"
)

// meddler may do something else with a request to the API server than to send it on.
type meddler func(next http.RoundTripper, r *http.Request) (*http.Response, error)

// replica is an operator of its own: its own cache, connections, certificate and address.
type replica struct {
	name      string
	address   string
	roots     *x509.CertPool
	cert, key string
	config    *rest.Config
	options   operator.Options
	log       logBuffer
	// meddle, if set, sees the requests to the API server.
	meddle atomic.Pointer[meddler]

	mu sync.Mutex
	// life is the run under way.
	life *life
}

// life is one run of a replica.
type life struct {
	listener *cuttable
	// cut: nothing goes to or comes from the API server any more, as if the process were gone.
	cut     atomic.Bool
	cancel  context.CancelFunc
	ended   chan struct{}
	metrics *prometheus.Registry
}

var errCutOff = errors.New("the process is gone")

// newReplica prepares a replica of an installation.
func newReplica(t testing.TB, in *harness.Installation, name string) *replica {
	t.Helper()
	certificate, pool := servertest.Certificate(t)
	certPEM, keyPEM := servertest.PEM(t, certificate)
	dir := t.TempDir()
	r := &replica{
		name: name, roots: pool, config: in.Config,
		cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"),
	}
	for file, data := range map[string][]byte{r.cert: certPEM, r.key: keyPEM} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.options = operator.Options{
		Version: "test", CertFile: r.cert, KeyFile: r.key, MetricsAddress: "0", HealthAddress: "0",
		LeaderElection: true, LeaderElectionNamespace: in.Namespace, Namespaces: in.Watched,
		Log: r.log.logger(name),
	}
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("errors in the log of %s:\n%s", name, r.log.tail(20))
		}
	})
	return r
}

// start runs the replica. It does not wait until the endpoint answers.
func (r *replica) start(t testing.TB) {
	t.Helper()
	address := r.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	var listener net.Listener
	// The address of a replica that was killed may take a moment to be free.
	harness.Eventually(t, "listening on "+address, func() error {
		var err error
		listener, err = (&net.ListenConfig{}).Listen(context.WithoutCancel(t.Context()), "tcp", address)
		return err
	})
	if r.address == "" {
		r.address = listener.Addr().String()
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	l := &life{listener: &cuttable{Listener: listener}, cancel: cancel, ended: make(chan struct{}), metrics: prometheus.NewRegistry()}
	config := rest.CopyConfig(r.config)
	config.QPS = -1
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &gate{next: next, replica: r, life: l} })
	options := r.options
	options.Listener, options.Metrics = l.listener, l.metrics
	r.mu.Lock()
	r.life = l
	r.mu.Unlock()
	go func() {
		defer close(l.ended)
		if err := operator.Run(ctx, config, options); err != nil && !l.cut.Load() {
			t.Errorf("replica %s ended with %v", r.name, err)
		}
	}()
}

func (r *replica) current() *life {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.life
}

// stop ends the replica as SIGTERM does.
func (r *replica) stop() {
	if l := r.current(); l != nil {
		l.cancel()
		<-l.ended
	}
}

// kill ends the replica as SIGKILL does, as far as anybody outside can see: from one moment on it sends and receives nothing.
func (r *replica) kill() {
	l := r.current()
	l.cut.Store(true)
	l.listener.cutAll()
	l.cancel()
	<-l.ended
}

// http is a client with connections of its own to the replica.
func (r *replica) http() *http.Client {
	return &http.Client{
		Timeout: 50 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: r.roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 64,
		},
	}
}

// gate is the replica's way to the API server.
type gate struct {
	next    http.RoundTripper
	replica *replica
	life    *life
}

// RoundTrip implements http.RoundTripper.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.life.cut.Load() {
		return nil, errCutOff
	}
	next := g.next
	var resp *http.Response
	var err error
	if meddle := g.replica.meddle.Load(); meddle != nil {
		resp, err = (*meddle)(next, r)
	} else {
		resp, err = next.RoundTrip(r)
	}
	if err == nil && g.life.cut.Load() {
		_ = resp.Body.Close()
		return nil, errCutOff
	}
	return resp, err
}

// cuttable is a listener whose connections can be cut all at once.
type cuttable struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

// Accept implements net.Listener.
func (c *cuttable) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *cuttable) cutAll() {
	_ = c.Listener.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // the other side hears of it at once
		}
		_ = conn.Close()
	}
}

// debugVerbosity is that of --debug, the highest there is.
const debugVerbosity = 1

// logBuffer keeps everything that is logged.
type logBuffer struct {
	mu    sync.Mutex
	lines []string
}

func (b *logBuffer) logger(name string) logr.Logger {
	return funcr.New(func(prefix, args string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.lines = append(b.lines, prefix+" "+args)
	}, funcr.Options{Verbosity: debugVerbosity, LogTimestamp: true}).WithName(name)
}

func (b *logBuffer) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.lines...)
}

// tail is the last errors.
func (b *logBuffer) tail(n int) string {
	lines := slices.DeleteFunc(b.all(), func(line string) bool { return strings.Contains(line, `"level"=`) })
	text := ""
	for _, line := range lines[max(0, len(lines)-n):] {
		text += line + "\n"
	}
	return text
}

// pair is two replicas on one API server.
type pair struct {
	env      *cptest.Env
	replicas [2]*replica
}

// startPair starts two replicas.
func startPair(t testing.TB, change ...func(*replica)) *pair {
	t.Helper()
	env := cptest.New(t)
	in := harness.Install(t, env)
	p := &pair{env: env}
	for i := range p.replicas {
		p.replicas[i] = newReplica(t, in, fmt.Sprintf("replica-%d", i))
		for _, f := range change {
			f(p.replicas[i])
		}
		p.replicas[i].start(t)
	}
	return p
}
