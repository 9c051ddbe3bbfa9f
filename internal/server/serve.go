// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// timeouts say how long a connection may take for what, so that slow clients do not pile up.
type timeouts struct {
	// header and read begin with the request; read covers the header and the body.
	header, read time.Duration
	// write begins with the end of the header: it covers the body, the work and the answer.
	write time.Duration
	idle  time.Duration
	// drain is how long requests under way may take when the process stops.
	drain time.Duration
}

var defaultTimeouts = timeouts{header: 10 * time.Second, read: 30 * time.Second, write: 90 * time.Second, idle: 2 * time.Minute, drain: 30 * time.Second}

// maxHeaderBytes leaves room for the longest filter, percent-encoded.
const maxHeaderBytes = 64 << 10

// Server serves the endpoint over TLS. It is a Runnable of controller-runtime's manager, on every replica.
type Server struct {
	// Address to listen on, such as ":8443". Not used where Listener is set.
	Address string
	// Listener to serve on, if it is made elsewhere.
	Listener net.Listener
	// Handler is what New gives.
	Handler http.Handler
	// GetCertificate gives the certificate at each handshake, so that it can be renewed while the server runs. Required.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Log gets what goes wrong with connections.
	Log logr.Logger

	// timeouts other than the default ones are for tests.
	timeouts timeouts
	serving  atomic.Bool
}

// NeedLeaderElection says that the endpoint does not wait for leadership: every replica serves.
func (s *Server) NeedLeaderElection() bool { return false }

// Serving is an error while no request is answered.
func (s *Server) Serving() error {
	if !s.serving.Load() {
		return errors.New("the SCIM endpoint does not listen yet: the caches are being filled")
	}
	return nil
}

// Start serves until the context ends, and then until the requests under way are answered, 30 s at most.
func (s *Server) Start(ctx context.Context) error {
	listener := s.Listener
	if listener == nil {
		var err error
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address); err != nil {
			return fmt.Errorf("SCIM endpoint: %w", err)
		}
	}
	limit := s.timeouts
	if limit == (timeouts{}) {
		limit = defaultTimeouts
	}
	hs := &http.Server{
		Handler:           s.Handler,
		ReadHeaderTimeout: limit.header,
		ReadTimeout:       limit.read,
		WriteTimeout:      limit.write,
		IdleTimeout:       limit.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.GetCertificate},
		ErrorLog:          log.New(connectionLog{s.Log}, "", 0),
	}
	s.Log.Info("Serving the SCIM endpoint", "address", listener.Addr().String())
	failed := make(chan error, 1)
	go func() { failed <- hs.ServeTLS(listener, "", "") }()
	s.serving.Store(true)
	defer s.serving.Store(false)
	select {
	case err := <-failed:
		return fmt.Errorf("SCIM endpoint: %w", err)
	case <-ctx.Done():
	}
	// The context that has ended must not end the requests under way.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit.drain)
	defer cancel()
	if err := hs.Shutdown(drain); err != nil {
		_ = hs.Close()
		return fmt.Errorf("SCIM endpoint: requests under way were cut off: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("SCIM endpoint: %w", err)
	}
	return nil
}

// connectionLog writes what net/http says about connections: failed handshakes, mostly port scans.
type connectionLog struct{ log logr.Logger }

// Write implements io.Writer.
func (l connectionLog) Write(line []byte) (int, error) {
	l.log.V(1).Info("Connection trouble", "message", string(line))
	return len(line), nil
}
