// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package providers

import (
	"maps"
	"net/http"
	"strings"
	"sync"
)

// requests are those that the operator makes to the API server: for each namespace how often each verb was used on each kind of resource, such as
// "LIST scimusers". Watches are left out.
var requests = counter{made: map[string]map[string]int{}}

type counter struct {
	mu   sync.Mutex
	made map[string]map[string]int
}

// in gives the requests so far in a namespace.
func (c *counter) in(namespace string) map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.made[namespace])
}

// wrap counts what goes through a transport.
func (c *counter) wrap(next http.RoundTripper) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		c.count(r)
		return next.RoundTrip(r)
	})
}

type transport func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (c *counter) count(r *http.Request) {
	_, path, namespaced := strings.Cut(r.URL.Path, "/namespaces/")
	parts := strings.Split(path, "/")
	if !namespaced || len(parts) < 2 || r.URL.Query().Get("watch") != "" {
		return
	}
	verb := r.Method
	if verb == http.MethodGet && len(parts) == 2 {
		verb = "LIST"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made[parts[0]] == nil {
		c.made[parts[0]] = map[string]int{}
	}
	c.made[parts[0]][verb+" "+parts[1]]++
}
