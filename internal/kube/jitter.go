// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"math/rand/v2"
	"time"
)

// Jitter spreads d by up to a fifth, upwards, so that what failed together does not retry together.
func Jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return d
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
