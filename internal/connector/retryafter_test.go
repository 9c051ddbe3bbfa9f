// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"cmp"
	"net/http"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func TestRetryAfterReadsEveryFormFoundInTheField(t *testing.T) {
	tests := map[string]struct {
		status int // 429 where it is 0
		header map[string]string
		body   string
		want   time.Duration
	}{
		"nothing":                        {},
		"integer seconds":                {header: map[string]string{"Retry-After": "17"}, want: 17 * time.Second},
		"integer seconds with space":     {header: map[string]string{"Retry-After": " 17 "}, want: 17 * time.Second},
		"zero":                           {header: map[string]string{"Retry-After": "0"}},
		"fraction":                       {header: map[string]string{"Retry-After": "1.5"}, want: 1500 * time.Millisecond},
		"negative is not a number":       {header: map[string]string{"Retry-After": "-5"}},
		"HTTP date":                      {header: map[string]string{"Retry-After": "Mon, 04 May 2026 12:01:00 GMT"}, want: time.Minute},
		"HTTP date in the past":          {header: map[string]string{"Retry-After": "Mon, 04 May 2026 11:00:00 GMT"}},
		"RFC 3339":                       {header: map[string]string{"Retry-After": "2026-05-04T12:00:30Z"}, want: 30 * time.Second},
		"RFC 3339 with fraction":         {header: map[string]string{"Retry-After": "2026-05-04T12:00:30.250Z"}, want: 30250 * time.Millisecond},
		"RFC 3339 with offset":           {header: map[string]string{"Retry-After": "2026-05-04T14:00:30+02:00"}, want: 30 * time.Second},
		"ISO 8601 with short offset":     {header: map[string]string{"Retry-After": "2026-05-04T14:00:30+0200"}, want: 30 * time.Second},
		"ISO 8601 without offset is UTC": {header: map[string]string{"Retry-After": "2026-05-04T12:00:30"}, want: 30 * time.Second},
		"waitMs in rateLimit":            {body: `{"reason":"x","rateLimit":{"waitMs":4200}}`, want: 4200 * time.Millisecond},
		"waitMs at the top":              {body: `{"waitMs":700}`, want: 700 * time.Millisecond},
		"waitMs wins over the header": {
			header: map[string]string{"Retry-After": "60"}, body: `{"rateLimit":{"waitMs":1000}}`, want: time.Second,
		},
		"a body that is no JSON is ignored": {header: map[string]string{"Retry-After": "3"}, body: "<html>", want: 3 * time.Second},
		"reset as epoch seconds":            {header: map[string]string{"X-RateLimit-Reset": "1777896090"}, want: 90 * time.Second},
		"reset as epoch milliseconds":       {header: map[string]string{"X-RateLimit-Reset": "1777896002500"}, want: 2500 * time.Millisecond},
		"reset as seconds to go":            {header: map[string]string{"X-RateLimit-Reset": "45"}, want: 45 * time.Second},
		"reset of the IETF draft":           {header: map[string]string{"RateLimit-Reset": "45"}, want: 45 * time.Second},
		"Retry-After wins over reset": {
			header: map[string]string{"Retry-After": "5", "X-RateLimit-Reset": "1777896090"}, want: 5 * time.Second,
		},
		"an unreadable Retry-After falls back to reset": {
			header: map[string]string{"Retry-After": "soon", "X-RateLimit-Reset": "1777896090"}, want: 90 * time.Second,
		},
		"a date of next year is capped": {header: map[string]string{"Retry-After": "2027-05-04T12:00:30Z"}, want: maxRetryAfter},
		"a huge number is capped":       {header: map[string]string{"Retry-After": "99999999999999999999999999"}, want: maxRetryAfter},
		"a huge waitMs is capped":       {body: `{"waitMs":1e300}`, want: maxRetryAfter},
		"a 409 with the reset that comes with every answer": {
			status: 409, header: map[string]string{"X-RateLimit-Reset": "45", "X-RateLimit-Remaining": "12"},
		},
		"a 403 when nothing remains": {
			status: 403, header: map[string]string{"X-RateLimit-Reset": "45", "X-RateLimit-Remaining": "0"}, want: 45 * time.Second,
		},
		"a 403 with Retry-After": {status: 403, header: map[string]string{"Retry-After": "45"}, want: 45 * time.Second},
		"only X-Retry-After":     {header: map[string]string{"X-Retry-After": "600"}, want: 10 * time.Minute},
		"Retry-After wins over X-Retry-After": {
			header: map[string]string{"Retry-After": "5", "X-Retry-After": "600"}, want: 5 * time.Second,
		},
		"milliseconds":                     {header: map[string]string{"Retry-After-Ms": "1200", "Retry-After": "2"}, want: 1200 * time.Millisecond},
		"reset after":                      {header: map[string]string{"X-RateLimit-Reset-After": "1.25"}, want: 1250 * time.Millisecond},
		"seconds with a unit":              {header: map[string]string{"Retry-After": "30s"}, want: 30 * time.Second},
		"seconds with a word":              {header: map[string]string{"Retry-After": "30 seconds"}, want: 30 * time.Second},
		"minutes and seconds":              {header: map[string]string{"Retry-After": "6m0s"}, want: 6 * time.Minute},
		"retry_after in the body":          {body: `{"retry_after":64.57}`, want: 64570 * time.Millisecond},
		"retryAfter in the body":           {body: `{"retryAfter":5}`, want: 5 * time.Second},
		"a body of other types is ignored": {header: map[string]string{"Retry-After": "3"}, body: `{"waitMs":"x","rateLimit":[],"retry_after":{}}`, want: 3 * time.Second},
		"reset of Okta":                    {header: map[string]string{"X-Rate-Limit-Reset": "1777896090"}, want: 90 * time.Second},
		"the IETF draft":                   {header: map[string]string{"RateLimit": "limit=100, remaining=0, reset=30"}, want: 30 * time.Second},
		"the later IETF draft":             {status: 403, header: map[string]string{"RateLimit": `"default";r=0;t=30`}, want: 30 * time.Second},
		"the IETF draft, some remain":      {status: 403, header: map[string]string{"RateLimit": `"default";r=5;t=30`}},
		"a 500 with Retry-After":           {status: 500, header: map[string]string{"Retry-After": "45"}, want: 45 * time.Second},
		"infinity is not a number":         {header: map[string]string{"Retry-After": "Inf"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			for key, value := range test.header {
				header.Set(key, value)
			}
			if got := retryAfter(cmp.Or(test.status, http.StatusTooManyRequests), header, []byte(test.body), noon); got != test.want {
				t.Errorf("retryAfter = %v, want %v", got, test.want)
			}
		})
	}
}

// FuzzRetryAfter: whatever an app sends, the wait is neither negative nor longer than the cap.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"", "5", "1.5", "-1", "Mon, 04 May 2026 12:01:00 GMT", "2026-05-04T12:00:30Z", "1777896090", "Inf", "1e9", "..", "9999999999999"} {
		f.Add(value, value, `{"waitMs":1}`)
		f.Add(value, value, value)
	}
	f.Fuzz(func(t *testing.T, wait, reset, body string) {
		header := http.Header{"Retry-After": {wait}, "X-Ratelimit-Reset": {reset}}
		if got := retryAfter(http.StatusTooManyRequests, header, []byte(body), noon); got < 0 || got > maxRetryAfter {
			t.Errorf("retryAfter = %v, want between 0 and %v", got, maxRetryAfter)
		}
	})
}
