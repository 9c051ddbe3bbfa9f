// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package outage tests what identity providers get while the API server is away, and that the operator recovers without a restart. Its API server is its own, for it
// is stopped.
package outage

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, controlplane.Options{}) }

const newUser = `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": %q, "active": true}`

// caller sends one kind of request again and again, and notes what it gets.
type caller struct {
	what string
	// next gives the n-th request.
	next func(n int) (method, path, body string)
	// fine are the statuses of success.
	fine map[int]bool

	mu          sync.Mutex
	acknowledge []string
	unavailable atomic.Int64
	succeeded   atomic.Int64
	wrong       []string
}

func (c *caller) note(a harness.Answer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.wrong = append(c.wrong, err.Error())
	case c.fine[a.Status]:
		c.succeeded.Add(1)
		if a.Status == http.StatusCreated {
			c.acknowledge = append(c.acknowledge, a.ID())
		}
	case a.Status == http.StatusServiceUnavailable:
		c.unavailable.Add(1)
		if seconds, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
			c.wrong = append(c.wrong, fmt.Sprintf("a 503 with Retry-After %q", a.Header.Get("Retry-After")))
		}
		if schemas := fmt.Sprint(a.JSON["schemas"]); schemas != "[urn:ietf:params:scim:api:messages:2.0:Error]" || a.JSON["status"] != "503" {
			c.wrong = append(c.wrong, "a 503 that is no SCIM error: "+a.Body)
		}
	default:
		c.wrong = append(c.wrong, fmt.Sprintf("status %d: %s", a.Status, a.Body))
	}
}

func TestAPIServerThatIsAwayIs503AndItsReturnNeedsNoRestart(t *testing.T) {
	d := harness.NewDirectory(t)
	o := d.Run(t)
	user := o.Do(t, "POST", "/Users", fmt.Sprintf(newUser, "kim@corp.test"))
	if user.Status != http.StatusCreated {
		t.Fatalf("status %d: %s", user.Status, user.Body)
	}
	fixed := func(method, path, body string) func(int) (string, string, string) {
		return func(int) (string, string, string) { return method, path, body }
	}
	ok := map[int]bool{http.StatusOK: true}
	callers := []*caller{
		{what: "GET by id", next: fixed("GET", "/Users/"+user.ID(), ""), fine: ok},
		{what: "look-up", next: fixed("GET", "/Users?filter=userName+eq+%22kim@corp.test%22", ""), fine: ok},
		{what: "POST", fine: map[int]bool{http.StatusCreated: true, http.StatusConflict: true}, next: func(n int) (string, string, string) {
			// Each name twice: a POST that was answered with 503 is sent again, and may have been done.
			return "POST", "/Users", fmt.Sprintf(newUser, fmt.Sprintf("user-%d@corp.test", n/2))
		}},
		{what: "PATCH", fine: ok, next: func(n int) (string, string, string) {
			return "PATCH", "/Users/" + user.ID(), fmt.Sprintf(
				`{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "value": {"title": "%d"}}]}`, n)
		}},
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, c := range callers {
		running.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				method, path, body := c.next(n)
				a, err := o.Send(context.WithoutCancel(ctx), method, path, body)
				c.note(a, err)
			}
		})
	}
	// It is gone for as long as it takes to stop and to start.
	if err := d.Env.RestartAPIServer(); err != nil {
		t.Fatal(err)
	}
	for _, c := range callers {
		before := c.succeeded.Load()
		harness.Eventually(t, c.what+" works again", func() error {
			if c.succeeded.Load() < before+3 {
				return fmt.Errorf("%d successes, %d times 503", c.succeeded.Load(), c.unavailable.Load())
			}
			return nil
		})
	}
	stop()
	running.Wait()
	for _, c := range callers {
		t.Logf("%s: %d successes, %d times 503", c.what, c.succeeded.Load(), c.unavailable.Load())
		if c.unavailable.Load() == 0 {
			t.Errorf("%s: never 503", c.what)
		}
		for _, w := range c.wrong[:min(len(c.wrong), 3)] {
			t.Errorf("%s: %s", c.what, w)
		}
		for _, id := range c.acknowledge {
			if a := o.Do(t, "GET", "/Users/"+id, ""); a.Status != http.StatusOK {
				t.Errorf("an acknowledged user is answered with %d", a.Status)
			}
		}
	}

	// The watches are back, too: a new client and its token, and the controller that looks at it.
	d.Client(t, "second", "okta", nil)
	harness.Eventually(t, "a client made after the outage is Ready and can log in", func() error {
		sc := &v1alpha1.ScimClient{}
		if err := d.Admin.Get(t.Context(), d.Key("second"), sc); err != nil {
			return err
		}
		if a := o.As("second").Do(t, "GET", "/Users", ""); a.Status != http.StatusOK || !meta.IsStatusConditionTrue(sc.Status.Conditions, v1alpha1.ConditionReady) {
			return fmt.Errorf("status %d, conditions %+v", a.Status, sc.Status.Conditions)
		}
		return nil
	})
}
