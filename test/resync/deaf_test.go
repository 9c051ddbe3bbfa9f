// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package resync tests the controllers against a real API server, with the events of one kind lost between the cache and the queues.
package resync

import (
	"context"
	"crypto/rand"
	"reflect"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/scim-operator/scim-operator/controllers"
	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/egress"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/internal/scim"
	"github.com/scim-operator/scim-operator/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, controlplane.Options{}) }

// deafCache is a cache that tells nobody of the events of one kind.
type deafCache struct {
	cache.Cache
	kind reflect.Type
}

// GetInformer implements cache.Informers.
func (c *deafCache) GetInformer(ctx context.Context, object client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	informer, err := c.Cache.GetInformer(ctx, object, opts...)
	if reflect.TypeOf(object) == c.kind {
		informer = deafInformer{informer}
	}
	return informer, err
}

// deafInformer registers handlers that are never called.
type deafInformer struct{ cache.Informer }

func (i deafInformer) AddEventHandler(toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.Informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{})
}

func (i deafInformer) AddEventHandlerWithResyncPeriod(toolscache.ResourceEventHandler, time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(nil)
}

func (i deafInformer) AddEventHandlerWithOptions(toolscache.ResourceEventHandler, toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(nil)
}

// control runs the controllers for a directory, deaf to the events of a kind.
func control(t *testing.T, d *harness.Directory, deafTo client.Object, period time.Duration) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var hearing cache.Cache
	mgr, err := ctrl.NewManager(d.Env.Config, ctrl.Options{
		Scheme: operator.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"}, Controller: config.Controller{SkipNameValidation: ptr.To(true)},
		Cache: cache.Options{DefaultNamespaces: map[string]cache.Config{d.Namespace: {}}},
		NewCache: func(config *rest.Config, options cache.Options) (cache.Cache, error) {
			made, err := cache.New(config, options)
			hearing = made
			return &deafCache{Cache: made, kind: reflect.TypeOf(deafTo)}, err
		},
	})
	must(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	must(controllers.RegisterIndexes(ctx, mgr))
	live, err := client.New(d.Env.Config, client.Options{Scheme: operator.Scheme()})
	must(err)
	cursors, err := scim.NewCursors(make([]byte, 32))
	must(err)
	store, err := directory.New(ctx, directory.Options{Client: live, Cache: hearing, Cursors: cursors, Clock: clock.RealClock{}, Random: rand.Reader})
	must(err)
	policy := egress.New(egress.Loopback(), nil)
	must(controllers.Setup(mgr, controllers.Options{
		Live: live, Issuers: clients.NewIssuers(time.Now, policy), Directory: store, Clock: clock.RealClock{}, Metrics: prometheus.NewRegistry(),
		UserAgent: "test", Egress: policy, ResyncPeriod: period,
	}))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
