// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

func TestRegistryRunsAppsOnlyWhileItLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry, _ := newTestRegistry()
		first, second := &tester{}, &tester{}
		if registry.Run(Config{Key: pt.Key("crm"), Connector: first}) {
			t.Fatal("it runs an app before it leads")
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = registry.Start(ctx) }()
		synctest.Wait()
		if !registry.Run(Config{Key: pt.Key("crm"), Connector: first}) {
			t.Fatal("it does not run an app while it leads")
		}
		cancel()
		synctest.Wait()
		if !first.closed.Load() || registry.Get(pt.Key("crm")) != nil {
			t.Error("an app runs on after leadership is lost")
		}
		if registry.Run(Config{Key: pt.Key("crm"), Connector: second}) {
			t.Error("it runs an app after leadership is lost")
		}
		registry.Stop(pt.Key("crm"))
	})
}

// tester is a connector of which only the credential test is called.
type tester struct {
	connector.Connector
	// release ends a test; nil answers at once.
	release chan struct{}
	closed  atomic.Bool
}

// Test ignores its context, as a call does that does not notice its cancellation.
func (c *tester) Test(context.Context) error {
	if c.release != nil {
		<-c.release
	}
	return nil
}

func (c *tester) Close() { c.closed.Store(true) }

func TestStoppedAppEndsOutsideOfTheReconcile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry, told := newTestRegistry()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = registry.Start(ctx) }()
		synctest.Wait()
		former, successor := &tester{release: make(chan struct{})}, &tester{}
		if !registry.Run(Config{Key: pt.Key("crm"), Connector: former}) {
			t.Fatal("it does not run the app")
		}
		app := registry.Get(pt.Key("crm"))
		go func() {
			app.enter()
			defer app.leave()
			_ = app.test(ctx) // the test never fails
		}()
		synctest.Wait()
		registry.Stop(pt.Key("crm"))
		if registry.Get(pt.Key("crm")) != nil {
			t.Error("a stopped app counts as running")
		}
		synctest.Wait()
		if registry.Run(Config{Key: pt.Key("crm"), Connector: successor}) {
			t.Error("the successor runs while a call of the former app is under way")
		}
		if former.closed.Load() || told.Load() != 0 {
			t.Errorf("closed %t, told %d times, although a call is under way", former.closed.Load(), told.Load())
		}
		close(former.release)
		synctest.Wait()
		if !former.closed.Load() || told.Load() != 1 {
			t.Errorf("closed %t, told %d times, although no call is under way", former.closed.Load(), told.Load())
		}
		if !registry.Run(Config{Key: pt.Key("crm"), Connector: successor}) {
			t.Error("the successor does not run")
		}
		cancel()
	})
}

// newTestRegistry makes a registry that counts how often the reconciler of apps is told.
func newTestRegistry() (*Registry, *atomic.Int32) {
	var told atomic.Int32
	registry := NewRegistry(desired.NewView(pt.NewCache(), ledger.NewBook(clock.RealClock{})), clock.RealClock{}, logr.Discard(), NewMetrics(prometheus.NewRegistry(), clock.RealClock{}))
	nobody := func(types.NamespacedName) {}
	registry.SetNotify(Notify{User: nobody, Group: nobody, App: func(types.NamespacedName) { told.Add(1) }})
	return registry, &told
}

func TestRegistryTellsOfChangesOnceUntilTheyAreCounted(t *testing.T) {
	registry, told := newTestRegistry()
	for range 100 {
		registry.Changed(pt.Key("crm"))
	}
	registry.Counted(pt.Key("crm"))
	registry.Changed(pt.Key("crm"))
	if told.Load() != 2 {
		t.Errorf("told %d times", told.Load())
	}
}
