// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"

	"github.com/scim-operator/scim-operator/internal/server/servertest"
)

// serve starts a Server on loopback and gives its address. stop ends it and gives Start's error.
func serve(t *testing.T, handler http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) (address string, stop func() error) {
	t.Helper()
	return serveWithin(t, timeouts{}, handler, certificate)
}

// serveLogged is serve, with a log of what goes wrong with connections.
func serveLogged(
	t *testing.T, handler http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), log logr.Logger,
) (address string, stop func() error) {
	t.Helper()
	return serveServer(t, &Server{Handler: handler, GetCertificate: certificate, Log: log})
}

func serveWithin(
	t *testing.T, limit timeouts, handler http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error),
) (address string, stop func() error) {
	t.Helper()
	return serveServer(t, &Server{Handler: handler, GetCertificate: certificate, Log: logr.Discard(), timeouts: limit})
}

func serveServer(t *testing.T, s *Server) (address string, stop func() error) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s.Listener = listener
	go func() { done <- s.Start(ctx) }()
	t.Cleanup(cancel)
	return listener.Addr().String(), func() error { cancel(); return <-done }
}

func fixed(certificate tls.Certificate) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }
}

func TestStopWaitsForRequestsUnderWay(t *testing.T) {
	certificate, pool := servertest.Certificate(t)
	entered, release := make(chan struct{}), make(chan struct{})
	address, stop := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "done")
	}), fixed(certificate))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}

	body := make(chan string, 1)
	go func() {
		resp, err := client.Get("https://" + address)
		if err != nil {
			body <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		body <- string(b)
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	eventually(t, "new connections are refused", func() bool {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	close(release)
	if got := <-body; got != "done" {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Start: %v", err)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	certificate, pool := servertest.Certificate(t)
	address, _ := serve(t, http.NotFoundHandler(), fixed(certificate))
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: version})
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

func TestRenewedCertificateIsServedWithoutRestart(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	install := func() *x509.Certificate {
		certificate, _ := servertest.Certificate(t)
		cert, key := servertest.PEM(t, certificate)
		// The key first: the watcher takes up a pair only when it fits.
		for file, content := range map[string][]byte{keyFile: key, certFile: cert} {
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return certificate.Leaf
	}
	first := install()
	watcher, err := certwatcher.New(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	watcher.WithWatchInterval(100 * time.Millisecond)
	go func() { _ = watcher.Start(t.Context()) }()
	address, _ := serve(t, http.NotFoundHandler(), watcher.GetCertificate)

	served := func() *x509.Certificate {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0]
	}
	if !served().Equal(first) {
		t.Fatal("the first certificate is not served")
	}
	second := install()
	eventually(t, "the second certificate is served", func() bool { return served().Equal(second) })
}

func TestSlowClientsAreCutOff(t *testing.T) {
	certificate, pool := servertest.Certificate(t)
	reader := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := &handler{limits: DefaultLimits()}
		_, err := h.readBody(&exchange{request: r, writer: w, target: target{endpoint: endpointUsers}})
		write(w, &exchange{request: r}, errorResponse(err, ""))
	})
	limit := timeouts{header: 200 * time.Millisecond, read: 400 * time.Millisecond, write: time.Second, idle: time.Second, drain: time.Second}
	address, _ := serveWithin(t, limit, reader, fixed(certificate))
	for name, tc := range map[string]struct{ sent, answer string }{
		"half a header": {"POST / HTTP/1.1\r\nHost: x\r\n", ""},
		"half a body":   {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", "HTTP/1.1 408"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, tc.sent); err != nil {
				t.Fatal(err)
			}
			// The end of the connection ends the reading.
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			got, err := io.ReadAll(conn)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection was not closed")
			}
			if !strings.HasPrefix(string(got), tc.answer) || tc.answer == "" && len(got) > 0 {
				t.Errorf("the answer is %q, want %q", got, tc.answer)
			}
		})
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
