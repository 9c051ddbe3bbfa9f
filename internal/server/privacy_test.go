// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
	"github.com/scim-operator/scim-operator/internal/server/servertest"
)

// marker stands in everything that a request carries, and in every error that something in the operator could make of it.
const marker = "marker-7f3a"

// keeper is a source of one client, "okta", and of an error for "away".
type keeper struct{}

func (keeper) Client(_ context.Context, _, name string) (clients.Config, error) {
	switch name {
	case "okta":
		dialect, _ := scim.DialectByName("okta")
		return clients.Config{Dialect: dialect, TokenHashes: [][32]byte{clients.HashToken("0123456789abcdef")}}, nil
	case "away":
		return clients.Config{}, &url.Error{Op: "Get", URL: "https://api/" + marker, Err: errors.New("connection refused")}
	}
	return clients.Config{}, clients.ErrUnknown
}

// failing is a directory whose errors and panics hold the marker.
type failing struct{ Directory }

func (failing) Get(_ context.Context, _ *scim.ResourceType, id string) (*scim.Resource, error) {
	users := schema.GroupResource{Group: "scim-operator.io", Resource: "scimusers"}
	switch strings.TrimSuffix(id, marker) {
	case "panic":
		panic("a value: " + marker)
	case "panic-error":
		panic(fmt.Errorf("a value: %s", marker))
	case "forbidden":
		return nil, apierrors.NewForbidden(users, marker, errors.New(marker))
	case "conflict":
		return nil, fmt.Errorf("writing: %w", apierrors.NewConflict(users, marker, errors.New(marker)))
	case "invalid":
		return nil, apierrors.NewBadRequest(marker)
	case "network":
		return nil, &url.Error{Op: "Put", URL: "https://api/" + marker, Err: errors.New("connection refused")}
	case "json":
		return nil, fmt.Errorf("reading: %w", json.Unmarshal([]byte(`{"a": "`+marker+`"}`), &struct{ A int }{}))
	}
	return nil, scim.NewError(http.StatusNotFound, "there is no such user")
}

// TestLogsAndMetricsNeverHoldWhatARequestCarried sends requests that end in every kind of failure.
func TestLogsAndMetricsNeverHoldWhatARequestCarried(t *testing.T) {
	var mu sync.Mutex
	var logged strings.Builder
	log := funcr.New(func(prefix, args string) {
		mu.Lock()
		defer mu.Unlock()
		logged.WriteString(prefix + args + "\n")
	}, funcr.Options{Verbosity: 10})
	registry := prometheus.NewRegistry()
	endpoint, err := New(Options{Directory: func(directory.Scope) Directory { return failing{} }, Clients: keeper{}, Log: log, Metrics: registry})
	if err != nil {
		t.Fatal(err)
	}
	certificate, pool := servertest.Certificate(t)
	address, stop := serveLogged(t, endpoint, fixed(certificate), log)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	const good = "Bearer 0123456789abcdef"
	type request struct {
		name, method, path, token, body string
		header                          []string
		status                          int
	}
	user := `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "` + marker + `@corp.test", "password": "` + marker + `"`
	requests := []request{
		{"no token", "GET", "/team/okta/scim/v2/Users", "", "", nil, 401},
		{"wrong token", "GET", "/team/okta/scim/v2/Users", "Bearer " + marker + "-0123456789", "", nil, 401},
		{"bare wrong token", "GET", "/team/okta/scim/v2/Users", marker + "-0123456789", "", nil, 401},
		{"JWT", "GET", "/team/okta/scim/v2/Users", "Bearer eyJ" + marker + ".a.b", "", nil, 401},
		{"Basic", "GET", "/team/okta/scim/v2/Users", "Basic " + marker, "", nil, 401},
		{"unknown client", "GET", "/" + marker + "/" + marker + "/scim/v2/Users/" + marker, good, "", nil, 401},
		{"outside", "GET", "/" + marker, good, "", nil, 404},
		{"unknown endpoint", "GET", "/team/okta/scim/v2/" + marker, good, "", nil, 404},
		{"unknown id", "GET", "/team/okta/scim/v2/Users/" + marker, good, "", nil, 404},
		{"unknown method", strings.ToUpper(strings.ReplaceAll(marker, "-", "")), "/team/okta/scim/v2/Users", good, "", nil, 405},
		{"bad filter", "GET", "/team/okta/scim/v2/Users?filter=" + marker + "+is+" + marker, good, "", nil, 400},
		{"bad JSON", "POST", "/team/okta/scim/v2/Users", good, user, nil, 400},
		{"bad value", "POST", "/team/okta/scim/v2/Users", good, user + `, "active": "` + marker + `"}`, nil, 400},
		{"bad type", "POST", "/team/okta/scim/v2/Users", good, user + "}", []string{"Content-Type", "text/" + marker}, 415},
		{"too large", "POST", "/team/okta/scim/v2/Users", good, user + strings.Repeat(marker, 1<<17) + "}", nil, 413},
		{"panic", "GET", "/team/okta/scim/v2/Users/panic" + marker, good, "", nil, 500},
		{"panic with an error", "GET", "/team/okta/scim/v2/Users/panic-error" + marker, good, "", nil, 500},
		{"forbidden", "GET", "/team/okta/scim/v2/Users/forbidden" + marker, good, "", nil, 500},
		{"invalid", "GET", "/team/okta/scim/v2/Users/invalid" + marker, good, "", nil, 500},
		{"unreadable", "GET", "/team/okta/scim/v2/Users/json" + marker, good, "", nil, 500},
		{"conflict", "GET", "/team/okta/scim/v2/Users/conflict" + marker, good, "", nil, 503},
		{"network", "GET", "/team/okta/scim/v2/Users/network" + marker, good, "", nil, 503},
		{"clients away", "GET", "/team/away/scim/v2/Users", good, "", nil, 503},
	}
	for _, in := range requests {
		t.Run(in.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), in.method, "https://"+address+in.path, strings.NewReader(in.body))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"Cookie", "User-Agent", "X-Forwarded-For", "Referer", "Origin", "If-Match", "X-Api-Key"} {
				req.Header.Set(name, marker)
			}
			req.Header.Set("X-Request-Id", marker+" is no sane id")
			req.Header.Set("Authorization", in.token)
			for i := 0; i < len(in.header); i += 2 {
				req.Header.Set(in.header[i], in.header[i+1])
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != in.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, in.status, body)
			}
			if resp.StatusCode >= 500 && strings.Contains(string(body), marker) {
				t.Errorf("the answer tells what failed: %s", body)
			}
		})
	}
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"log": logged.String(), "metrics": fmt.Sprint(families)} {
		for line := range strings.Lines(text) {
			if strings.Contains(strings.ToLower(line), marker) || strings.Contains(line, "0123456789abcdef") {
				t.Errorf("the %s: %s", what, line)
			}
		}
	}
	if n := strings.Count(logged.String(), `"Request"`); n != len(requests) {
		t.Errorf("%d lines for %d requests", n, len(requests))
	}
}

// TestPanicAfterTheAnswerIsMadeIsLoggedWithoutItsValue has an answer that panics while it is written.
func TestPanicAfterTheAnswerIsMadeIsLoggedWithoutItsValue(t *testing.T) {
	var mu sync.Mutex
	var logged strings.Builder
	log := funcr.New(func(prefix, args string) {
		mu.Lock()
		defer mu.Unlock()
		logged.WriteString(prefix + args + "\n")
	}, funcr.Options{Verbosity: 10})
	endpoint, err := New(Options{
		Directory: func(directory.Scope) Directory { return failing{} }, Clients: keeper{}, Log: log.WithSink(panicking{log.GetSink()}), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	certificate, pool := servertest.Certificate(t)
	address, stop := serveLogged(t, endpoint, fixed(certificate), log)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/team/okta/scim/v2/Users/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := client.Do(req); err == nil {
		_ = resp.Body.Close()
	}
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if got := logged.String(); strings.Contains(got, marker) || !strings.Contains(got, "panic") || !strings.Contains(got, "privacy_test.go") {
		t.Errorf("the log: %s", got)
	}
}

// panicking panics at the line of a request.
type panicking struct{ logr.LogSink }

func (p panicking) Info(level int, msg string, values ...any) {
	if msg == "Request" {
		panic("a value: " + marker)
	}
	p.LogSink.Info(level, msg, values...)
}

func (p panicking) WithName(name string) logr.LogSink { return panicking{p.LogSink.WithName(name)} }
func (p panicking) WithValues(values ...any) logr.LogSink {
	return panicking{p.LogSink.WithValues(values...)}
}
