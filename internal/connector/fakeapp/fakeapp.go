// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fakeapp is a downstream app to test and demonstrate with: a real HTTPS server that behaves as a vendor documents its SCIM API, keeps its accounts in
// memory, records what it is asked, and fails on demand. It shares no code with the connector, so that a mistake is not made on both sides.
package fakeapp

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Flavour is the vendor whose behaviour the app has.
type Flavour string

const (
	// Generic follows RFC 7644: PUT replaces, PATCH with and without path, filters, DELETE deletes.
	Generic Flavour = "Generic"
	// CommonRoom follows Common Room's SCIM OpenAPI 1.0.0: lower-case paths, id = userName = e-mail, path-less PATCH, roles, no groups.
	CommonRoom Flavour = "CommonRoom"
	// RService follows R-Service's (4me's, Xurrent's) SCIM pages: 25 rows a page, PUT merges, group PATCH as in SCIM 1.1, meta.location on another host.
	RService Flavour = "RService"
)

// Options of an app.
type Options struct {
	Flavour Flavour
	// Token that callers have to present.
	Token string
	// Addr to listen on; empty is a free port of 127.0.0.1.
	Addr string
	// Hosts are names of the certificate besides localhost and the host of Addr.
	Hosts []string
	// StateFile keeps accounts and groups across starts, written after each change by a caller; empty keeps nothing.
	StateFile string
}

// App is a running app.
type App struct {
	flavour flavour
	caPEM   []byte
	tls     *tls.Config

	store  store
	faults faults
	calls  calls

	mu     sync.Mutex // guards what follows
	addr   string
	token  string
	server *http.Server // nil while the port is closed
	port   net.Listener
	closed chan struct{}
}

// New starts an app.
func New(options Options) (*App, error) {
	behaviour, ok := flavours[options.Flavour]
	if !ok {
		return nil, fmt.Errorf("fakeapp: unknown flavour %q", options.Flavour)
	}
	addr := options.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("fakeapp: address: %w", err)
	}
	caPEM, certificate, err := newCertificate(append([]string{host}, options.Hosts...))
	if err != nil {
		return nil, fmt.Errorf("fakeapp: certificate: %w", err)
	}
	app := &App{
		flavour: behaviour,
		caPEM:   caPEM,
		tls:     &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		addr:    addr,
		token:   options.Token,
		closed:  make(chan struct{}),
	}
	app.store.init(behaviour)
	if app.store.file = options.StateFile; app.store.file != "" {
		if err := app.store.load(app.store.file); err != nil {
			return nil, err
		}
	}
	app.faults.init()
	if err := app.listen(); err != nil {
		return nil, err
	}
	return app, nil
}

// listen opens the port and serves. The caller holds no lock or is alone.
func (a *App) listen() error {
	listener, err := net.Listen("tcp", a.addr)
	if err != nil {
		return fmt.Errorf("fakeapp: %w", err)
	}
	a.addr, a.port = listener.Addr().String(), listener
	a.server = &http.Server{
		Handler:           http.HandlerFunc(a.serve),
		TLSConfig:         a.tls.Clone(), // net/http writes to it
		ReadHeaderTimeout: 30 * time.Second,
		// Clients that do not trust the certificate, and lost connections, are part of tests.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server := a.server
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return nil
}

// URL is the base URL for a connector.
func (a *App) URL() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return "https://" + a.addr + a.flavour.basePath
}

// CA is the certificate authority that signed the app's certificate, in PEM.
func (a *App) CA() []byte { return a.caPEM }

// Token is what callers have to present.
func (a *App) Token() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.token
}

// RotateToken makes the app accept another token only.
func (a *App) RotateToken(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token = token
}

// Refuse closes the port and every connection, or opens the same port again.
func (a *App) Refuse(refuse bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case refuse && a.server != nil:
		a.stop()
		return nil
	case !refuse && a.server == nil:
		return a.listen()
	default:
		return nil
	}
}

// Close stops the app.
func (a *App) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.closed:
		return
	default:
		close(a.closed)
	}
	if a.server != nil {
		a.stop()
	}
}

// stop closes the port and every connection. The port is closed here as well, because a server that was only just started does not know it yet. Errors of
// closing what may be closed already mean nothing.
func (a *App) stop() {
	_ = a.port.Close()
	_ = a.server.Close()
	a.server = nil
}
