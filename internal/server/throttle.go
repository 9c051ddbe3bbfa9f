// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// failureBurst is how many failed log-ins in a row a source gets an ordinary 401 for.
	failureBurst = 10
	// failureInterval is the time after which a source may fail once more.
	failureInterval = 2 * time.Second
	// maxSources bounds the table of sources.
	maxSources = 4096
)

// throttle slows failed log-ins down, per source.
//
// It applies to failures alone: behind a load balancer or a node's address translation, everybody has one source address, and then anybody could lock the
// identity provider out with wrong tokens. What keeps a token from being guessed is its length.
type throttle struct {
	mu      sync.Mutex
	sources map[netip.Prefix]*rate.Limiter
}

func newThrottle() *throttle { return &throttle{sources: map[netip.Prefix]*rate.Limiter{}} }

// fail counts a failed log-in from the address. It gives 0, or the whole seconds after which the source may try again.
func (t *throttle) fail(remoteAddr string, now time.Time) int {
	key := sourceOf(remoteAddr)
	t.mu.Lock()
	defer t.mu.Unlock()
	limiter := t.sources[key]
	if limiter == nil {
		t.makeRoom()
		limiter = rate.NewLimiter(rate.Every(failureInterval), failureBurst)
		t.sources[key] = limiter
	}
	if limiter.AllowN(now, 1) {
		return 0
	}
	missing := 1 - limiter.TokensAt(now)
	return max(1, int(math.Ceil(missing*failureInterval.Seconds())))
}

// makeRoom forgets any one source when the table is full: who has that many addresses is not slowed by this table.
func (t *throttle) makeRoom() {
	if len(t.sources) < maxSources {
		return
	}
	for key := range t.sources {
		delete(t.sources, key)
		return
	}
}

// sourceOf is the address of an IPv4 source and the /64 of an IPv6 one, of which a single host has as many addresses as it likes.
func sourceOf(remoteAddr string) netip.Prefix {
	host, _, err := net.SplitHostPort(remoteAddr)
	if err != nil {
		host = remoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
