// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"cmp"
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

// Headers that say how long to wait, and those that say it in milliseconds (Azure).
var (
	waitHeaders   = []string{"Retry-After", "X-Retry-After", "X-RateLimit-Retry-After", "X-Rate-Limit-Retry-After", "RateLimit-Retry-After"}
	millisHeaders = []string{"Retry-After-Ms", "X-Ms-Retry-After-Ms"}
)

// asked returns how long an answer of any status asks to wait, 0 where it does not say or where the time has passed. The forms, in order of trust: waitMs in the
// body (Common Room), Retry-After and the headers like it as seconds, HTTP date (RFC 9110 10.2.3), ISO 8601 date-time (Common Room) or duration, retry_after in the
// body.
func asked(header http.Header, body []byte, now time.Time) time.Duration {
	inBody := readWaits(body)
	if inBody.millis != nil {
		return bounded(scaled(*inBody.millis, time.Millisecond))
	}
	for _, name := range millisHeaders {
		if millis, ok := parseNumber(strings.TrimSpace(header.Get(name))); ok {
			return bounded(scaled(millis, time.Millisecond))
		}
	}
	for _, name := range waitHeaders {
		if wait, ok := parseWait(header.Get(name), now); ok {
			return bounded(wait)
		}
	}
	if inBody.seconds != nil {
		return bounded(scaled(*inBody.seconds, time.Second))
	}
	return 0
}

// exhausted returns how long the app takes no request because its limit is reached, 0 where it is not or where the app does not say: X-RateLimit-Reset as epoch
// seconds or seconds to go (Xurrent), and its relatives (Okta; the drafts of the IETF). Apps send these with every answer, so they count only with 429, or when
// nothing remains.
func exhausted(status int, header http.Header, now time.Time) time.Duration {
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-", "X-Rate-Limit-"} {
		reached := status == http.StatusTooManyRequests || strings.TrimSpace(header.Get(prefix+"Remaining")) == "0"
		if wait, ok := parseWait(header.Get(prefix+"Reset-After"), now); ok && reached {
			return bounded(wait)
		}
		if wait, ok := parseReset(header.Get(prefix+"Reset"), now); ok && reached {
			return bounded(wait)
		}
	}
	fields := draftFields(header.Get("RateLimit"))
	if wait, ok := parseNumber(fields["reset"]); ok && (status == http.StatusTooManyRequests || fields["remaining"] == "0") {
		return bounded(scaled(wait, time.Second))
	}
	return 0
}

// draftFields reads the RateLimit header of the IETF drafts: limit=100, remaining=0, reset=30, or "default";r=0;t=30.
func draftFields(value string) map[string]string {
	fields := map[string]string{}
	for _, part := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ';' }) {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name = strings.ToLower(name); name {
		case "r":
			name = "remaining"
		case "t":
			name = "reset"
		}
		fields[name] = strings.TrimSpace(value)
	}
	return fields
}

// retryAfter returns how long an answer asks to wait in whatever way.
func retryAfter(status int, header http.Header, body []byte, now time.Time) time.Duration {
	return cmp.Or(asked(header, body, now), exhausted(status, header, now))
}

func bounded(wait time.Duration) time.Duration { return min(max(wait, 0), maxRetryAfter) }

// waits are the fields of a body that say how long to wait.
type waits struct{ millis, seconds *float64 }

// readWaits reads {"waitMs": n} or {"rateLimit": {"waitMs": n}}, and retry_after or retryAfter in seconds.
func readWaits(body []byte) waits {
	var answer struct {
		WaitMs    any `json:"waitMs"`
		RateLimit any `json:"rateLimit"`
		Snake     any `json:"retry_after"`
		Camel     any `json:"retryAfter"`
	}
	if len(body) == 0 || json.Unmarshal(body, &answer) != nil {
		return waits{}
	}
	var found waits
	if nested, ok := answer.RateLimit.(map[string]any); ok {
		found.millis = numberOf(nested["waitMs"])
	}
	return waits{millis: cmp.Or(found.millis, numberOf(answer.WaitMs)), seconds: cmp.Or(numberOf(answer.Snake), numberOf(answer.Camel))}
}

func numberOf(value any) *float64 {
	if number, ok := value.(float64); ok {
		return &number
	}
	return nil
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
	// "6m0s", "30 sec" and "30 seconds" as well.
	if wait, err := time.ParseDuration(strings.TrimSuffix(strings.TrimSuffix(strings.ReplaceAll(value, " ", ""), "econds"), "ec")); err == nil && wait >= 0 {
		return wait, true
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
