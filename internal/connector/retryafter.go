// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter caps what an app can make us wait: a clock that is wrong by a year must not silence an app for a year.
const maxRetryAfter = time.Hour

// isoLayouts are the forms of an ISO 8601 date-time in Retry-After (Common Room), beside the ones of RFC 9110.
var isoLayouts = []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"}

// retryAfter returns how long an answer asks to wait, 0 where it does not say or where the time has passed. The forms, in order of trust: waitMs in the body
// (Common Room), Retry-After as seconds, HTTP date (RFC 9110 10.2.3) or ISO 8601 date-time (Common Room), X-RateLimit-Reset as epoch seconds or seconds to go
// (Xurrent). Apps send the last one with every answer, so it counts only where the limit is reached: with 429, or when nothing remains.
func retryAfter(status int, header http.Header, body []byte, now time.Time) time.Duration {
	if wait, ok := waitMs(body); ok {
		return bounded(wait)
	}
	if wait, ok := parseWait(header.Get("Retry-After"), now); ok {
		return bounded(wait)
	}
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
		reached := status == http.StatusTooManyRequests || strings.TrimSpace(header.Get(prefix+"Remaining")) == "0"
		if wait, ok := parseReset(header.Get(prefix+"Reset"), now); ok && reached {
			return bounded(wait)
		}
	}
	return 0
}

func bounded(wait time.Duration) time.Duration { return min(max(wait, 0), maxRetryAfter) }

// waitMs reads {"waitMs": n} or {"rateLimit": {"waitMs": n}}.
func waitMs(body []byte) (time.Duration, bool) {
	var answer struct {
		WaitMs    *float64 `json:"waitMs"`
		RateLimit *struct {
			WaitMs *float64 `json:"waitMs"`
		} `json:"rateLimit"`
	}
	if len(body) == 0 || json.Unmarshal(body, &answer) != nil {
		return 0, false
	}
	switch {
	case answer.RateLimit != nil && answer.RateLimit.WaitMs != nil:
		return scaled(*answer.RateLimit.WaitMs, time.Millisecond), true
	case answer.WaitMs != nil:
		return scaled(*answer.WaitMs, time.Millisecond), true
	default:
		return 0, false
	}
}

// parseWait reads the value of Retry-After.
func parseWait(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if seconds, ok := parseNumber(value); ok {
		return scaled(seconds, time.Second), true
	}
	if at, err := http.ParseTime(value); err == nil {
		return at.Sub(now), true
	}
	for _, layout := range isoLayouts {
		if at, err := time.Parse(layout, value); err == nil {
			return at.Sub(now), true
		}
	}
	return 0, false
}

// parseReset reads the value of X-RateLimit-Reset: a point in time in epoch seconds or milliseconds, or, where the number is too small for that, the seconds
// to go.
func parseReset(value string, now time.Time) (time.Duration, bool) {
	number, ok := parseNumber(strings.TrimSpace(value))
	switch {
	case !ok:
		return 0, false
	case number >= 1e12:
		return scaled(number-float64(now.UnixMilli()), time.Millisecond), true
	case number >= 1e9:
		return scaled(number-float64(now.Unix()), time.Second), true
	default:
		return scaled(number, time.Second), true
	}
}

// parseNumber reads digits with an optional fraction, and nothing else that strconv would take (signs, exponents, infinities).
func parseNumber(value string) (float64, bool) {
	if value == "" || strings.Trim(value, "0123456789.") != "" {
		return 0, false
	}
	number, err := strconv.ParseFloat(value, 64)
	return number, err == nil
}

// scaled returns number units without overflow, rounded up to a millisecond.
func scaled(number float64, unit time.Duration) time.Duration {
	millis := math.Ceil(number * float64(unit/time.Millisecond))
	limit := float64(maxRetryAfter / time.Millisecond)
	return time.Duration(min(max(millis, -limit), limit)) * time.Millisecond
}
