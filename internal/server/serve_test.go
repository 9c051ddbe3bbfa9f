// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"

	"github.com/scim-operator/scim-operator/internal/server/servertest"
)

// serve starts a Server on loopback and gives its address. stop ends it and gives Start's error.
func serve(t *testing.T, handler http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) (address string, stop func() error) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := &Server{Listener: listener, Handler: handler, GetCertificate: certificate, Log: logr.Discard()}
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

func TestSlowHeaderIsCutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the real time limit")
	}
	t.Parallel()
	certificate, pool := servertest.Certificate(t)
	address, _ := serve(t, http.NotFoundHandler(), fixed(certificate))
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(start.Add(3 * headerTimeout))
	if _, err := bufio.NewReader(conn).ReadByte(); err == nil {
		t.Error("half a header is answered")
	}
	if took := time.Since(start); took > 2*headerTimeout {
		t.Errorf("the connection was held for %s", took)
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
