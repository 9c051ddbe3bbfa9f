// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/internal/server/servertest"
)

// TestClientsThatDribbleAreCutOff has clients that never stop sending, or reading, one byte at a time: what counts is the whole, not that something comes.
func TestClientsThatDribbleAreCutOff(t *testing.T) {
	certificate, pool := servertest.Certificate(t)
	large := bytes.Repeat([]byte("x"), 64<<20)
	ended := make(chan error, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, err := w.Write(large)
			ended <- err
			return
		}
		h := &handler{limits: DefaultLimits()}
		_, err := h.readBody(&exchange{request: r, writer: w, target: target{endpoint: endpointUsers}})
		write(w, &exchange{request: r}, errorResponse(err, ""))
	})
	const most = 600 * time.Millisecond
	limit := timeouts{header: most / 2, read: most, write: most, idle: time.Second, drain: time.Second}
	address, _ := serveWithin(t, limit, handler, fixed(certificate))
	dial := func(t *testing.T) *tls.Conn {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	for name, tc := range map[string]struct{ sent, answer string }{
		"a header": {"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ", ""},
		"a body":   {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "HTTP/1.1 408"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t)
			if _, err := io.WriteString(conn, tc.sent); err != nil {
				t.Fatal(err)
			}
			answered := make(chan string, 1)
			go func() {
				got, _ := io.ReadAll(conn)
				answered <- string(got)
			}()
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			giveUp := time.After(20 * time.Second)
			for {
				select {
				case got := <-answered:
					// An answer may be lost with a connection on which the client goes on to send.
					if got != "" && (tc.answer == "" || !strings.HasPrefix(got, tc.answer)) {
						t.Errorf("the answer is %q, want %q", got, tc.answer)
					}
					return
				case <-tick.C:
					_, _ = io.WriteString(conn, "x")
				case <-giveUp:
					t.Fatal("the connection was not closed")
				}
			}
		})
	}
	t.Run("a body over HTTP/2", func(t *testing.T) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}, Timeout: 20 * time.Second}
		t.Cleanup(client.CloseIdleConnections)
		body, dribble := io.Pipe()
		go func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := io.WriteString(dribble, "x"); err != nil {
					return
				}
			}
		}()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+address, body)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		resp, err := client.Do(req)
		if err == nil {
			defer resp.Body.Close()
			if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusRequestTimeout {
				t.Errorf("%s %s", resp.Proto, resp.Status)
			}
		}
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("the stream was open for %s", took)
		}
		_ = body.Close()
	})
	t.Run("an answer", func(t *testing.T) {
		conn := dial(t)
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		giveUp := time.After(20 * time.Second)
		for {
			select {
			case err := <-ended:
				if err == nil {
					t.Error("64 MiB were sent to a client that reads a byte at a time")
				}
				return
			case <-tick.C:
				_, _ = conn.Read(make([]byte, 1))
			case <-giveUp:
				t.Fatal("the connection was not closed")
			}
		}
	})
}
