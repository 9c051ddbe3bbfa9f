// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"maps"
	"net/http"
	"strings"
	"sync"
)

// Counter counts requests to the API server by what they do, such as "create scimusers" or "patch scimusers/status". Leases of the leader
// election and events are left out: they are not part of what is promised.
type Counter struct {
	mu     sync.Mutex
	writes map[string]int
	reads  map[string]int
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (c *Counter) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		c.count(r)
		return next.RoundTrip(r)
	})
}

func (c *Counter) count(r *http.Request) {
	what := resourceOf(r.URL.Path)
	if strings.HasPrefix(what, "events") || r.URL.Query().Get("watch") != "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes == nil {
		c.writes, c.reads = map[string]int{}, map[string]int{}
	}
	verb := map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete"}[r.Method]
	if verb == "" {
		c.reads["get "+what]++
		return
	}
	c.writes[verb+" "+what]++
}

// resourceOf is the resource of a path: /apis/GROUP/VERSION/namespaces/NS/RESOURCE/NAME/SUBRESOURCE, or the like for the core group.
func resourceOf(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		if part == "namespaces" && len(parts) > i+2 {
			resource := parts[i+2]
			if len(parts) > i+4 {
				resource += "/" + parts[i+4]
			}
			return resource
		}
	}
	return path
}

// Writes are the writes since the last Reset, by kind.
func (c *Counter) Writes() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.writes)
}

// Reset starts counting anew.
func (c *Counter) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes, c.reads = map[string]int{}, map[string]int{}
}
