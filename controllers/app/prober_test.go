// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/internal/connector"
)

// tested is a connector of which only the credential test is called.
type tested struct {
	connector.Connector
	// takes is how long the app needs to answer; 0 is for ever.
	takes time.Duration
	err   error

	mu     sync.Mutex
	began  bool
	closed bool
	// tests counts them.
	tests int
}

func (c *tested) Test(ctx context.Context) error {
	c.mu.Lock()
	c.began = true
	c.tests++
	c.mu.Unlock()
	answer := make(<-chan time.Time)
	if c.takes > 0 {
		answer = time.After(c.takes)
	}
	select {
	case <-answer:
		return c.err
	case <-ctx.Done():
		return &connector.Error{Op: connector.OpTest, Kind: connector.Timeout, Err: ctx.Err()}
	}
}

func (c *tested) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

func (c *tested) state() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("began %t, closed %t", c.began, c.closed)
}

// desk is a prober with the order in which it woke the reconciler.
type desk struct {
	*Prober
	mu    sync.Mutex
	woken []string
	began time.Time
}

func newDesk() *desk {
	d := &desk{began: time.Now()}
	d.Prober = NewProber(func(key types.NamespacedName) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.woken = append(d.woken, fmt.Sprintf("%s after %s", key, time.Since(d.began)))
	})
	return d
}

// run starts the prober for as long as the test runs.
func (d *desk) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error)
	go func() { ended <- d.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
}

func (d *desk) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	woken := d.woken
	d.woken = nil
	return woken
}

// hangs submits tests of 32 apps of one namespace that do not answer.
func (d *desk) hangs() []*tested {
	var apps []*tested
	for i := range 32 {
		app := &tested{}
		apps = append(apps, app)
		d.Submit(Test{Key: key("slow", fmt.Sprintf("hangs-%02d", i)), Fingerprint: "1", Connector: app})
	}
	return apps
}

// pass lets simulated time pass, and what is due then happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func key(namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}

func countIn(apps []*tested, state string) int {
	n := 0
	for _, app := range apps {
		if app.state() == state {
			n++
		}
	}
	return n
}

func TestHangingAppsOfOneNamespaceDelayNoTestOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.run(t)
		apps := d.hangs()
		synctest.Wait()
		if n := countIn(apps, "began true, closed false"); n != testsPerNamespace {
			t.Errorf("%d tests of one namespace run at once", n)
		}
		if testTimeout >= connector.DefaultLimits.Timeout {
			t.Errorf("a test may take %s, as long as any other call", testTimeout)
		}
		healthy, renewed := key("fast", "healthy"), key("fast", "renewed")
		d.Submit(Test{Key: healthy, Fingerprint: "1", Connector: &tested{takes: 100 * time.Millisecond}})
		d.Submit(Test{Key: renewed, Fingerprint: "1", Connector: &tested{}})
		d.Submit(Test{Key: renewed, Fingerprint: "2", Connector: &tested{takes: 200 * time.Millisecond}})
		pass(time.Second)
		if diff := cmp.Diff([]string{"fast/healthy after 100ms", "fast/renewed after 200ms"}, d.take()); diff != "" {
			t.Error(diff)
		}
		for _, key := range []types.NamespacedName{healthy, renewed} {
			fingerprint := map[string]string{"healthy": "1", "renewed": "2"}[key.Name]
			if result, _ := d.Result(key, fingerprint); result == nil || result.Err != nil {
				t.Errorf("the result of %s is %+v", key, result)
			}
		}
		pass(8 * testTimeout)
		if woken := d.take(); len(woken) != len(apps) {
			t.Errorf("%d of the hanging apps were tested in eight turns", len(woken))
		}
		result, exists := d.Result(key("slow", "hangs-31"), "1")
		if !exists || !connector.Is(result.Err, connector.Timeout) {
			t.Errorf("the result of an app that hangs is %+v", result)
		}
	})
}

func TestCancelEndsATestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.run(t)
		apps := d.hangs()
		synctest.Wait()
		d.Cancel(key("slow", "hangs-00"))
		d.Cancel(key("slow", "hangs-31"))
		synctest.Wait()
		if diff := cmp.Diff([]string{"began true, closed true", "began false, closed true"}, []string{apps[0].state(), apps[31].state()}); diff != "" {
			t.Error(diff)
		}
		if apps[4].state() != "began true, closed false" {
			t.Error("the slot of the canceled test stays empty")
		}
		if woken := d.take(); len(woken) > 0 {
			t.Errorf("a canceled test woke %v", woken)
		}
		if _, exists := d.Result(key("slow", "hangs-00"), "1"); exists {
			t.Error("a canceled test has a result to come")
		}
	})
}

func TestChangedCredentialsReplaceTheTestOfTheOldOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.run(t)
		app := key("team", "crm")
		for state, old := range map[string]*tested{"running": {}, "finished": {takes: time.Second}} {
			d.Submit(Test{Key: app, Fingerprint: "old", Connector: old})
			pass(2 * time.Second)
			if result, exists := d.Result(app, "new"); result != nil || exists {
				t.Errorf("the %s test of the old credentials counts for the new ones", state)
			}
			synctest.Wait()
			if old.state() != "began true, closed true" {
				t.Errorf("the %s test of the old credentials: %s", state, old.state())
			}
		}
	})
}

func TestResultIsHandedOverOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.run(t)
		app, conn := key("team", "crm"), &tested{takes: time.Second}
		d.Submit(Test{Key: app, Fingerprint: "1", Connector: conn})
		d.Release(app)
		if _, exists := d.Result(app, "1"); !exists {
			t.Error("a test that runs was released")
		}
		pass(2 * time.Second)
		for range 2 {
			if result, _ := d.Result(app, "1"); result == nil || result.Connector != connector.Connector(conn) {
				t.Errorf("the result is %+v", result)
			}
		}
		d.Release(app)
		if _, exists := d.Result(app, "1"); exists || conn.state() != "began true, closed false" {
			t.Errorf("after the release: exists %t, %s", exists, conn.state())
		}
	})
}

func TestNewCredentialsGoBeforeRetries(t *testing.T) {
	d := newDesk()
	for _, test := range []Test{
		{Key: key("team", "retry"), Retry: true},
		{Key: key("team", "new")},
		{Key: key("other", "retry"), Retry: true},
		{Key: key("team", "changed")},
	} {
		test.Connector = &tested{takes: time.Nanosecond}
		d.Submit(test)
	}
	if n := d.Pending(); n != 4 {
		t.Errorf("%d tests may begin", n)
	}
	var order []string
	for d.RunNext(t.Context()) {
		for _, woken := range d.take() {
			var name, after string
			_, _ = fmt.Sscanf(woken, "%s after %s", &name, &after)
			order = append(order, name)
		}
	}
	if diff := cmp.Diff([]string{"team/new", "team/changed", "team/retry", "other/retry"}, order); diff != "" {
		t.Error(diff)
	}
	if d.Pending() != 0 {
		t.Error("a finished test is pending")
	}
}

func TestTestsWaitForTheProberToStartAndEndWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		apps := d.hangs()
		synctest.Wait()
		if n := countIn(apps, "began false, closed false"); n != len(apps) || d.Pending() != testsPerNamespace {
			t.Errorf("%d tests wait for the start, %d may begin", n, d.Pending())
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.Start(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if slices.ContainsFunc(apps, func(c *tested) bool { return !c.closed }) {
			t.Error("a connector is left open")
		}
		if woken := d.take(); len(woken) > 0 {
			t.Errorf("tests that were cut off by the loss of leadership woke %v", woken)
		}
		late := &tested{}
		d.Submit(Test{Key: key("slow", "late"), Connector: late})
		if late.state() != "began false, closed true" {
			t.Error(late.state())
		}
	})
}
