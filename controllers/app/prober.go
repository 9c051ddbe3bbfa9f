// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/scim-operator/scim-operator/internal/connector"
)

const (
	// testTimeout bounds one credential test. It is shorter than the calls' own timeout: other apps of the namespace wait for the slot.
	testTimeout = 10 * time.Second
	// testsPerNamespace is how many credential tests of one namespace run at once.
	testsPerNamespace = 4
)

// Test is one credential test. The prober owns the connector from Submit on, and closes it unless Release hands it back.
type Test struct {
	Key types.NamespacedName
	// Fingerprint of everything that the connection is made of.
	Fingerprint string
	Connector   connector.Connector
	// Retry marks the repetition of a failed test: within a namespace, new and changed credentials go first.
	Retry bool
}

// TestResult is the outcome of a test. Err is nil if the app accepted the credentials.
type TestResult struct {
	Connector connector.Connector
	Err       error
}

// Prober runs credential tests outside of the reconcile workers, so that an app that hangs delays no reconcile. It holds at most one test for
// each app. A finished test wakes the reconciler of its app, which reads the result.
//
// In production Start runs the tests. A single-threaded owner, which never calls Start, runs them one by one with RunNext.
type Prober struct {
	wake func(types.NamespacedName)

	mu sync.Mutex
	// tests has the newest test of each app; waiting are those that have not begun, in the order of submission.
	tests   map[types.NamespacedName]*test
	waiting []*test
	// running counts the tests under way by namespace, canceled ones included until they return.
	running map[string]int
	// ctx of Start, nil before it. closed: Start has returned.
	ctx     context.Context //nolint:containedctx // the tests live as long as the prober runs, not as long as the reconcile that submits them
	closed  bool
	workers sync.WaitGroup
}

// test is a Test with its progress.
type test struct {
	Test
	// ctx of the call, and what cancels it; nil while the test waits.
	ctx    context.Context //nolint:containedctx // it is made when the test is taken from the queue and used by the goroutine that runs it
	cancel context.CancelFunc
	// result is nil until the test is finished.
	result *TestResult
}

// NewProber returns a prober that calls wake, which must not block, when a test of the app has finished.
func NewProber(wake func(types.NamespacedName)) *Prober {
	return &Prober{wake: wake, tests: map[types.NamespacedName]*test{}, running: map[string]int{}}
}

// addProber makes the manager run the credential tests while it leads.
func (r *Reconciler) addProber(mgr ctrl.Manager) error {
	if r.Prober != nil {
		return nil
	}
	r.Prober = NewProber(r.Wake.App)
	if err := mgr.Add(r.Prober); err != nil {
		return fmt.Errorf("adding the credential tests: %w", err)
	}
	return nil
}

// Start runs the tests until ctx is done, which is when leadership is lost; it then cancels them and waits for them.
func (p *Prober) Start(ctx context.Context) error {
	p.mu.Lock()
	p.ctx = ctx
	p.dispatch()
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.closed = true
	for _, t := range p.tests {
		p.drop(t)
	}
	p.mu.Unlock()
	p.workers.Wait()
	return nil
}

// Submit enqueues a test in place of an earlier one of the same app, which is canceled.
func (p *Prober) Submit(submitted Test) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before := p.tests[submitted.Key]; before != nil {
		p.drop(before)
	}
	if p.closed {
		submitted.Connector.Close()
		return
	}
	t := &test{Test: submitted}
	p.tests[t.Key] = t
	p.waiting = append(p.waiting, t)
	p.dispatch()
}

// Result returns the outcome of the app's test, nil while there is none, and whether a test with the fingerprint exists, finished or not. A
// test of another fingerprint is canceled: its result says nothing about the app as it is now.
func (p *Prober) Result(key types.NamespacedName, fingerprint string) (result *TestResult, exists bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tests[key]
	if t == nil {
		return nil, false
	}
	if t.Fingerprint != fingerprint {
		p.drop(t)
		return nil, false
	}
	return t.result, true
}

// Release forgets a finished test without closing its connector: the caller owns it from now on.
func (p *Prober) Release(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tests[key]; t != nil && t.result != nil {
		delete(p.tests, key)
	}
}

// Cancel ends the app's test, whether it waits, runs or has finished.
func (p *Prober) Cancel(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tests[key]; t != nil {
		p.drop(t)
	}
}

// Pending is how many of the waiting tests may begin now.
func (p *Prober) Pending() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	free := map[string]int{}
	pending := 0
	for _, t := range p.waiting {
		if free[t.Key.Namespace] < testsPerNamespace-p.running[t.Key.Namespace] {
			free[t.Key.Namespace]++
			pending++
		}
	}
	return pending
}

// RunNext runs the next test and returns when it has finished. It returns false if none may begin. Calls may overlap.
func (p *Prober) RunNext(ctx context.Context) bool {
	p.mu.Lock()
	t := p.next()
	if t == nil {
		p.mu.Unlock()
		return false
	}
	p.begin(ctx, t)
	p.mu.Unlock()
	p.run(ctx, t)
	return true
}

// dispatch starts every test that may begin, once Start has been called. The caller holds mu.
func (p *Prober) dispatch() {
	if p.ctx == nil || p.closed {
		return
	}
	for t := p.next(); t != nil; t = p.next() {
		p.begin(p.ctx, t)
		p.workers.Go(func() {
			p.run(p.ctx, t)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.dispatch()
		})
	}
}

// next is the waiting test that begins next: the first one whose namespace has a free slot, retries last. The caller holds mu.
func (p *Prober) next() *test {
	for _, retry := range []bool{false, true} {
		for _, t := range p.waiting {
			if t.Retry == retry && p.running[t.Key.Namespace] < testsPerNamespace {
				return t
			}
		}
	}
	return nil
}

// begin moves a test from waiting to running. The caller holds mu.
func (p *Prober) begin(ctx context.Context, t *test) {
	t.ctx, t.cancel = context.WithTimeout(ctx, testTimeout)
	p.removeWaiting(t)
	p.running[t.Key.Namespace]++
}

// run makes the call. The result is dropped if the test was dropped meanwhile, or if the prober is being stopped: that failure is not the app's.
func (p *Prober) run(ctx context.Context, t *test) {
	err := t.Connector.Test(t.ctx)
	p.mu.Lock()
	t.cancel()
	if p.running[t.Key.Namespace]--; p.running[t.Key.Namespace] == 0 {
		delete(p.running, t.Key.Namespace)
	}
	current := p.tests[t.Key] == t
	if current && ctx.Err() != nil {
		delete(p.tests, t.Key)
		current = false
	}
	if current {
		t.result = &TestResult{Connector: t.Connector, Err: err}
	}
	p.mu.Unlock()
	if !current {
		t.Connector.Close()
		return
	}
	p.wake(t.Key)
}

// drop forgets a test and cancels its call. A running one closes its connector when it returns. The caller holds mu.
func (p *Prober) drop(t *test) {
	delete(p.tests, t.Key)
	if t.cancel != nil {
		t.cancel()
	}
	if t.cancel == nil || t.result != nil {
		p.removeWaiting(t)
		t.Connector.Close()
	}
}

func (p *Prober) removeWaiting(t *test) {
	if i := slices.Index(p.waiting, t); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
}
