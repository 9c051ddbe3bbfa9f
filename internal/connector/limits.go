// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import "time"

// Limits bound what one app is asked to bear. A zero field takes the default of the profile, then the built-in one.
type Limits struct {
	// PerSecond is the sustained rate of HTTP requests, Burst how many may come at once.
	PerSecond float64
	Burst     int
	// PerHour is a second, slower limit of HTTP requests; 0 is none.
	PerHour int
	// Timeout bounds each HTTP request, from connecting to the last byte of the answer; at most MaxTimeout.
	Timeout time.Duration
	// MaxAnswerBytes bounds the body of an answer that is read while it arrives, a listing or a group. Others have at most MaxResourceBytes.
	MaxAnswerBytes int64
	// MembersPerRequest is the largest number of members of a group in one request.
	MembersPerRequest int
}

// MaxTimeout is the longest that one HTTP request may take. The operator's lease outlives it, so that a leader that lost its lease has stopped calling before
// another one starts.
const MaxTimeout = 25 * time.Second

// DefaultLimits serve where neither app nor profile says anything.
var DefaultLimits = Limits{PerSecond: 10, Burst: 20, Timeout: 20 * time.Second, MaxAnswerBytes: 32 << 20}

// Or returns l with its zero fields taken from other.
func (l Limits) Or(other Limits) Limits {
	if l.PerSecond <= 0 {
		l.PerSecond = other.PerSecond
	}
	if l.Burst <= 0 {
		l.Burst = other.Burst
	}
	if l.PerHour <= 0 {
		l.PerHour = other.PerHour
	}
	if l.Timeout <= 0 {
		l.Timeout = other.Timeout
	}
	if l.MaxAnswerBytes <= 0 {
		l.MaxAnswerBytes = other.MaxAnswerBytes
	}
	if l.MembersPerRequest <= 0 {
		l.MembersPerRequest = other.MembersPerRequest
	}
	return l
}

// Bounds of answers, in bytes after decompression. With them, and those of the SCIM connector on the rows, values and depth of JSON, one call needs at most
// about 24 MiB of heap, and 64 MiB where it reads a group of the largest size, whatever the app answers.
const (
	// MaxResourceBytes bounds an answer that is one resource.
	MaxResourceBytes = 2 << 20
	// MaxErrorBytes is what is read of an answer that is no success.
	MaxErrorBytes = 64 << 10
)
