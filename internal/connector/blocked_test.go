// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

func TestTheLatestMomentWinsWhenAnAppAsksToWait(t *testing.T) {
	type answer struct {
		status int
		wait   string
	}
	tests := map[string]struct {
		answers []answer
		want    time.Duration // 0: not blocked
	}{
		"429":                            {answers: []answer{{429, "60"}}, want: time.Minute},
		"a shorter pause after a longer": {answers: []answer{{429, "60"}, {429, "5"}}, want: time.Minute},
		"a longer pause after a shorter": {answers: []answer{{429, "5"}, {429, "60"}}, want: time.Minute},
		"503 with Retry-After":           {answers: []answer{{503, "30"}}, want: 30 * time.Second},
		"503 without":                    {answers: []answer{{503, ""}}},
		"429 without":                    {answers: []answer{{429, ""}}},
		"403 with Retry-After":           {answers: []answer{{403, "60"}}, want: time.Minute},
		"403 without":                    {answers: []answer{{403, ""}}},
		"404 with Retry-After":           {answers: []answer{{404, "7"}}, want: 7 * time.Second},
		"409 with Retry-After":           {answers: []answer{{409, "7"}}, want: 7 * time.Second},
		"302 with Retry-After":           {answers: []answer{{302, "7"}}, want: 7 * time.Second},
		"500 with Retry-After":           {answers: []answer{{500, "600"}}, want: 10 * time.Minute},
		"a day is bounded":               {answers: []answer{{503, "86400"}}, want: time.Hour},
		"401: a new token is tried":      {answers: []answer{{401, "60"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			now := noon
			var client *HTTP
			for _, answer := range test.answers {
				fresh := clientOf(t, answering(answer.status, "", "Retry-After", answer.wait), func() time.Time { return now })
				if client == nil {
					client = fresh
				}
				// Requests that were sent before the first answer came are not held back.
				client.client = fresh.client
				if _, err := client.exchange(t.Context(), HTTPRequest{Op: OpTest, Method: http.MethodGet, Path: "/Users"}); err == nil {
					t.Fatal("no error")
				}
			}
			blocked := client.BlockedUntil()
			if test.want == 0 {
				if !blocked.IsZero() {
					t.Errorf("blocked until %v, want not at all", blocked)
				}
				return
			}
			if got := blocked.Sub(now); got != test.want {
				t.Errorf("blocked for %v, want %v", got, test.want)
			}
			_, err := client.Do(t.Context(), HTTPRequest{Op: OpTest, Method: http.MethodGet, Path: "/Users"})
			if e := AsError(err); e == nil || e.Kind != RateLimited || e.Sent || e.RetryAfter != test.want {
				t.Errorf("while blocked: %v", err)
			}
			now = now.Add(test.want)
			if e := client.admit(t.Context(), OpTest); e != nil {
				t.Errorf("after the pause: %v", e)
			}
		})
	}
}

func TestConcurrentPausesKeepTheLongest(t *testing.T) {
	client := clientOf(t, answering(200, "{}"), func() time.Time { return noon })
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() { client.block(noon.Add(time.Duration(i%50) * time.Second)) })
	}
	group.Wait()
	if got := client.BlockedUntil().Sub(noon); got != 49*time.Second {
		t.Errorf("blocked for %v, want 49s", got)
	}
}

// clientOf returns a client with a simulated network and clock.
func clientOf(t *testing.T, transport transportFunc, clock func() time.Time) *HTTP {
	t.Helper()
	client, err := NewHTTP(HTTPOptions{BaseURL: "https://app.example.com/scim", Transport: transport, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
