// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// jitter gives the numbers for Jitter; nil is the generator of the process.
var jitter atomic.Pointer[func() float64]

// JitterFrom makes Jitter take its numbers, from 0 to less than 1, from a source; nil is the generator of the process again. It is for simulations, in which a
// seed decides everything.
func JitterFrom(source func() float64) {
	if source == nil {
		jitter.Store(nil)
		return
	}
	jitter.Store(&source)
}

// Jitter spreads d by up to a fifth, upwards, so that what failed together does not retry together.
func Jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return d
	}
	if source := jitter.Load(); source != nil {
		return d + time.Duration((*source)()*float64(d/5+1))
	}
	return d + rand.N(d/5+1)
}

// Backoff is the wait after so many failed attempts: base doubled each time, up to limit.
func Backoff(attempts int32, base, limit time.Duration) time.Duration {
	d := base
	for i := int32(1); i < attempts && d < limit; i++ {
		d *= 2
	}
	return min(d, limit)
}
