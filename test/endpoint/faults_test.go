// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// An API server that is slow, refuses, and loses answers; and a replica that is killed and started again while everybody is at work: the answers are still
// those of one server. A request that is answered with 503, or not at all, may have happened or not.
func TestReplicasAreOneServerWhenThingsBreak(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	w := newWorkload(t, p)
	f := &faults{random: rand.New(rand.NewPCG(w.seed, 99)), kinds: map[string]int{}}
	meddle := meddler(f.meddle)
	for _, r := range p.replicas {
		r.meddle.Store(&meddle)
	}
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { w.watchNames(ctx) })
	f.on.Store(true)
	duration := pushTime(t, 10*time.Second)
	kills := 0
	watching.Go(func() {
		for wait := duration / 4; ; wait = duration / 3 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			victim := p.replicas[kills%2]
			victim.kill()
			victim.start(t)
			kills++
		}
	})
	w.run(t.Context(), duration)
	stop()
	watching.Wait()
	f.on.Store(false)
	w.d.awaitServing(t)
	w.quiet(t)
	t.Logf("%d kills, faults: %v", kills, f.kinds)
	w.report(t, w.verdict())
	if kills == 0 || len(f.kinds) < 3 {
		t.Errorf("%d kills and the faults %v are too few to show anything", kills, f.kinds)
	}
}

// A watch that is half a second behind: listings are still not behind what their replica acknowledged, and show no name twice.
func TestListingsThroughASlowWatch(t *testing.T) {
	p := startPair(t)
	w := newWorkload(t, p)
	w.focus = onUsers
	meddle := meddler(slowWatch)
	for _, r := range p.replicas {
		r.meddle.Store(&meddle)
		// The watches begin anew, and slow.
		r.kill()
		r.start(t)
	}
	w.d.awaitServing(t)
	w.run(t.Context(), pushTime(t, 5*time.Second))
	w.quiet(t)
	w.report(t, w.verdict())
}

// slowWatch delays what a watch shows.
func slowWatch(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	resp, err := next.RoundTrip(r)
	if err == nil && r.URL.Query().Get("watch") != "" && strings.Contains(r.URL.Path, "/scim") {
		resp.Body = newSlowBody(resp.Body)
	}
	return resp, err
}

// slowBody gives what it reads half a second later.
type slowBody struct {
	io.ReadCloser
	chunks chan chunk
	left   []byte
	err    error
}

type chunk struct {
	due  time.Time
	data []byte
	err  error
}

func newSlowBody(body io.ReadCloser) *slowBody {
	b := &slowBody{ReadCloser: body, chunks: make(chan chunk, 10000)}
	go func() {
		defer close(b.chunks)
		for buffer := make([]byte, 64<<10); ; {
			n, err := body.Read(buffer)
			b.chunks <- chunk{time.Now().Add(500 * time.Millisecond), bytes.Clone(buffer[:n]), err}
			if err != nil {
				return
			}
		}
	}()
	return b
}

// Read implements io.Reader.
func (b *slowBody) Read(p []byte) (int, error) {
	for len(b.left) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		c, ok := <-b.chunks
		if !ok {
			return 0, io.EOF
		}
		time.Sleep(time.Until(c.due))
		b.left, b.err = c.data, c.err
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

// faults meddles with some of the requests to the API server about users, groups and Leases of names.
type faults struct {
	on     atomic.Bool
	mu     sync.Mutex
	random *rand.Rand
	kinds  map[string]int
}

var errLost = errors.New("connection reset by peer")

func (f *faults) next() (kind int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kind = f.random.IntN(100)
	return kind
}

func (f *faults) note(kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kinds[kind]++
}

func (f *faults) meddle(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	concerned := strings.Contains(r.URL.Path, "/scimusers") || strings.Contains(r.URL.Path, "/scimgroups") || strings.Contains(r.URL.Path, "/scim-group-")
	if !f.on.Load() || !concerned || r.URL.Query().Get("watch") != "" {
		return next.RoundTrip(r)
	}
	kind := f.next()
	read := r.Method == http.MethodGet
	switch {
	case kind < 5:
		f.note("slow")
		time.Sleep(time.Duration(20+10*kind) * time.Millisecond)
		return next.RoundTrip(r)
	case kind == 5:
		f.note("429")
		return refusal(r, http.StatusTooManyRequests, "TooManyRequests", ""), drain(r)
	case kind == 6:
		f.note("500 before")
		return refusal(r, http.StatusInternalServerError, "InternalError", ""), drain(r)
	case kind == 7:
		f.note("lost before")
		return nil, errors.Join(errLost, drain(r))
	case kind == 8 && !read:
		f.note("500 after")
		return after(next, r, func() (*http.Response, error) {
			return refusal(r, http.StatusInternalServerError, "InternalError", ""), nil
		})
	case kind == 9 && !read:
		// etcd did not answer in time; client-go would send the request again.
		f.note("timeout after")
		return after(next, r, func() (*http.Response, error) {
			return refusal(r, http.StatusInternalServerError, "ServerTimeout", "1"), nil
		})
	case kind == 10 && !read:
		f.note("504 after")
		return after(next, r, func() (*http.Response, error) { return refusal(r, http.StatusGatewayTimeout, "Timeout", ""), nil })
	case kind == 11 && !read:
		f.note("lost after")
		return after(next, r, func() (*http.Response, error) { return nil, errLost })
	}
	return next.RoundTrip(r)
}

// after lets a request take effect and then answers something else.
func after(next http.RoundTripper, r *http.Request, instead func() (*http.Response, error)) (*http.Response, error) {
	resp, err := next.RoundTrip(r)
	if err != nil || resp.StatusCode >= http.StatusBadRequest {
		return resp, err
	}
	_, _ = io.Copy(io.Discard, resp.Body) // what it says is lost
	_ = resp.Body.Close()
	return instead()
}

// drain reads and closes a body that goes nowhere, as a RoundTripper has to.
func drain(r *http.Request) error {
	if r.Body == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, r.Body)
	return errors.Join(err, r.Body.Close())
}

// refusal is an answer of the API server. retryAfter, where not empty, asks to be asked again.
func refusal(r *http.Request, code int, reason, retryAfter string) *http.Response {
	body := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"trouble","reason":%q,"code":%d}`, reason, code)
	header := http.Header{"Content-Type": {"application/json"}}
	if retryAfter != "" {
		header.Set("Retry-After", retryAfter)
	}
	return &http.Response{
		StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Request: r,
		Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)),
	}
}
