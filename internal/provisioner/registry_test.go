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

	"github.com/scim-operator/scim-operator/internal/connector/connectortest"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

func TestRegistryRunsAppsOnlyWhileItLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry, _ := newTestRegistry()
		first, second := connectortest.NewScript(), connectortest.NewScript()
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
		if !first.Closed || registry.Get(pt.Key("crm")) != nil {
			t.Error("an app runs on after leadership is lost")
		}
		if registry.Run(Config{Key: pt.Key("crm"), Connector: second}) {
			t.Error("it runs an app after leadership is lost")
		}
		registry.Stop(pt.Key("crm"))
	})
}

// stubborn is a connector whose credential test returns only when it is released, as a call that does not notice its cancellation.
type stubborn struct {
	*connectortest.Script
	release chan struct{}
}

func (s *stubborn) Test(context.Context) error {
	<-s.release
	return nil
}

func TestStoppedAppEndsOutsideOfTheReconcile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry, told := newTestRegistry()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = registry.Start(ctx) }()
		synctest.Wait()
		former, successor := &stubborn{Script: connectortest.NewScript(), release: make(chan struct{})}, connectortest.NewScript()
		if !registry.Run(Config{Key: pt.Key("crm"), Connector: former}) {
			t.Fatal("it does not run the app")
		}
		app := registry.Get(pt.Key("crm"))
		app.enter()
		go func() {
			defer app.leave()
			_ = app.test(ctx)
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
		if former.Closed || told.Load() != 0 {
			t.Errorf("closed %t, told %d times, although a call is under way", former.Closed, told.Load())
		}
		close(former.release)
		synctest.Wait()
		if !former.Closed || told.Load() != 1 {
			t.Errorf("closed %t, told %d times, although no call is under way", former.Closed, told.Load())
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
	registry := NewRegistry(pt.NewView(pt.NewCache()), clock.RealClock{}, logr.Discard(), NewMetrics(prometheus.NewRegistry()))
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
