// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
	"github.com/scim-operator/scim-operator/internal/server/servertest"
)

// broken is a directory that fails each request in the same way.
type broken struct {
	Directory
	get func(ctx context.Context) error
}

func (b broken) Get(ctx context.Context, _ *scim.ResourceType, _ string) (*scim.Resource, error) {
	return nil, b.get(ctx)
}

// sources gives one client, or an error.
type sources struct{ err error }

func (s sources) Client(context.Context, string, string) (clients.Config, error) {
	return clients.Config{TokenHashes: [][32]byte{clients.HashToken("0123456789abcdef")}}, s.err
}

// ask sends one GET of a user to an endpoint with these parts.
func ask(t *testing.T, source ClientSource, get func(context.Context) error) (status int, header http.Header, body scimError, logged string) {
	t.Helper()
	var log bytes.Buffer
	limits := DefaultLimits()
	limits.Request = 200 * time.Millisecond
	handler, err := New(Options{
		Directory: func(directory.Scope) Directory { return broken{get: get} },
		Clients:   source,
		Limits:    limits,
		Log:       funcr.New(func(prefix, args string) { log.WriteString(prefix + args + "\n") }, funcr.Options{}),
		Metrics:   prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	certificate, pool := servertest.Certificate(t)
	address, stop := serve(t, handler, fixed(certificate))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/team/okta/scim/v2/Users/u.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer 0123456789abcdef")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
	return resp.StatusCode, resp.Header, body, log.String()
}

type scimError struct{ Status, Detail string }

func TestPanicIsAnsweredAndLoggedWithoutItsValue(t *testing.T) {
	status, header, body, logged := ask(t, sources{}, func(context.Context) error { panic("kim@corp.test") })
	if status != 500 || body.Status != "500" || !strings.Contains(body.Detail, header.Get(requestIDHeader)) {
		t.Errorf("%d %+v", status, body)
	}
	if !strings.Contains(logged, header.Get(requestIDHeader)) || !strings.Contains(logged, "failure_test.go") {
		t.Errorf("the log does not tell where: %s", logged)
	}
	if strings.Contains(logged, "kim@") {
		t.Errorf("the log has the panic's value: %s", logged)
	}
}

func TestRequestThatTakesTooLongIsEnded(t *testing.T) {
	status, header, _, _ := ask(t, sources{}, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if status != 503 || header.Get("Retry-After") != "5" {
		t.Errorf("%d, Retry-After %q", status, header.Get("Retry-After"))
	}
}

func TestDirectoryThatIsAwaySaysWhenToComeBack(t *testing.T) {
	status, header, body, _ := ask(t, sources{}, func(context.Context) error {
		return &directory.UnavailableError{Err: scim.NewError(503, "the API server does not answer"), RetryAfter: 7 * time.Second}
	})
	if status != 503 || header.Get("Retry-After") != "7" || !strings.Contains(body.Detail, "the API server does not answer") {
		t.Errorf("%d, Retry-After %q, %+v", status, header.Get("Retry-After"), body)
	}
}

func TestClientsThatCannotBeReadAreNoRefusal(t *testing.T) {
	status, header, _, _ := ask(t, sources{err: errors.New("the cache has not started")}, nil)
	if status != 503 || header.Get("Retry-After") == "" {
		t.Errorf("%d, Retry-After %q", status, header.Get("Retry-After"))
	}
}
