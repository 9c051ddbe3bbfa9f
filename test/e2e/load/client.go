// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a request may take, as long as Okta waits; connectPatience is how long a connection may take: one to a pod that is gone, of which its node does not
// know yet, never comes. retryPause is how long a client waits before it tries again what failed, unless the answer says so.
const (
	patience        = 60 * time.Second
	connectPatience = 5 * time.Second
	retryPause      = 200 * time.Millisecond
)

// client is one identity provider.
type client struct {
	load   *Load
	number int
	http   *http.Client
	group  string
}

func newClient(l *Load, number int, roots *x509.CertPool) *client {
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext:       (&net.Dialer{Timeout: connectPatience}).DialContext,
		ForceAttemptHTTP2: number%2 == 0,
		DisableKeepAlives: number == 7,
	}
	return &client{load: l, number: number, http: &http.Client{Timeout: patience, Transport: transport}}
}

// answer is a response whose body was read.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

func (a answer) string(name string) string {
	value, _ := a.body[name].(string)
	return value
}

// request is what to send, and what has to come back.
type request struct {
	op, method, path, body string
	// want are the statuses that may come; right says what is wrong with the body, nil if nothing is.
	want  []int
	right func(answer) error
}

// try sends a request once. It fails unless the answer is the right one.
func (c *client) try(r request) (answer, error) {
	// A request that was begun is finished, whatever happens to the load.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	way := trip{client: c.number, op: r.op, began: time.Now()}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		way.connections++
		way.connected, way.reused = time.Now(), got.Reused
	}})
	got, protocol, err := c.send(ctx, r)
	way.protocol = protocol
	c.load.sent(way)
	kind := ""
	switch {
	case err != nil:
		kind = classify(err)
	case got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") != "":
		kind, err = "503 with Retry-After", errors.New(got.text)
	case !contains(r.want, got.status):
		kind, err = strconv.Itoa(got.status), errors.New(got.text)
	case r.right != nil:
		if err = r.right(got); err != nil {
			kind = "wrong answer"
		}
	}
	if err != nil {
		c.load.failed(Failure{At: way.began, Client: c.number, Op: r.op, Kind: kind, Detail: err.Error()})
	}
	return got, err
}

func contains(all []int, one int) bool {
	for _, n := range all {
		if n == one {
			return true
		}
	}
	return false
}

func (c *client) send(ctx context.Context, r request) (got answer, protocol int, err error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.load.config.BaseURL+r.path, strings.NewReader(r.body))
	if err != nil {
		return answer{}, 0, err
	}
	req.Header.Set("Authorization", "Bearer "+c.load.config.Token)
	req.Header.Set("User-Agent", "Okta SCIM Client 1.0.0")
	if r.body != "" {
		req.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	response, err := c.http.Do(req)
	if err != nil {
		return answer{}, 0, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, 0, fmt.Errorf("reading the answer: %w", err)
	}
	got = answer{status: response.StatusCode, header: response.Header, text: string(data)}
	if len(bytes.TrimSpace(data)) > 0 {
		if err := json.Unmarshal(data, &got.body); err != nil {
			return got, response.ProtoMajor, fmt.Errorf("status %d, and the body is no JSON object: %w", got.status, err)
		}
	}
	return got, response.ProtoMajor, nil
}

// classify names what kept a request from being answered.
func classify(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return "no answer"
	}
}

// retryAfter is how long to wait before the next try.
func retryAfter(got answer) time.Duration {
	if seconds, err := strconv.Atoi(got.header.Get("Retry-After")); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	return retryPause
}

// pause waits, and says whether the load goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// insist sends a request until it gets the right answer, which it gives, or the load ends.
func (c *client) insist(ctx context.Context, r request) (answer, bool) {
	for {
		got, err := c.try(r)
		if err == nil {
			return got, pause(ctx, c.load.config.Pause)
		}
		if !pause(ctx, retryAfter(got)) {
			return answer{}, false
		}
	}
}

// lookup is the search for a user by name.
func lookup(userName string, right func(answer) error) request {
	query := url.Values{"filter": {fmt.Sprintf("userName eq %q", userName)}, "startIndex": {"1"}, "count": {"100"}}
	return request{op: "look up user", method: http.MethodGet, path: "/Users?" + query.Encode(), want: []int{http.StatusOK}, right: right}
}
