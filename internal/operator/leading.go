// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/scim-operator/scim-operator/controllers"
)

// leaseName is the Lease in the operator's own namespace by which one replica leads.
const leaseName = "scim-operator.io"

// lostLeadership is the error with which a manager ends that could not renew its lease. controller-runtime has no other name for it.
const lostLeadership = "leader election lost"

// candidate runs the controllers whenever this replica leads.
//
// A manager that loses its lease ends for good, and is meant to end the process. The endpoint shall go on: while the API server is away it tells identity providers when
// to come back, which a process that is being started again and again cannot. So the controllers have managers of their own, one after the other, on the cache of the
// manager that runs the endpoint.
type candidate struct {
	base    ctrl.Manager
	options Options
	setup   controllers.Options
	indexed indexes
}

// NeedLeaderElection says that the candidate itself runs on every replica.
func (*candidate) NeedLeaderElection() bool { return false }

// Start stands for election until ctx is done, again whenever it was lost.
func (c *candidate) Start(ctx context.Context) error {
	for {
		err := c.term(ctx)
		if ctx.Err() != nil || err == nil || err.Error() != lostLeadership {
			return err
		}
		c.options.Log.Info("Leads no longer: the controllers have stopped, the endpoint goes on")
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryPeriod):
		}
	}
}

// term waits for leadership, and leads until it is lost or ctx is done.
func (c *candidate) term(ctx context.Context) error {
	shared := &sharedCache{Cache: c.base.GetCache(), indexed: &c.indexed}
	defer shared.leave()
	counted := &termMetrics{Registerer: c.options.Metrics}
	defer counted.leave()
	mgr, err := ctrl.NewManager(c.base.GetConfig(), ctrl.Options{
		Scheme: c.base.GetScheme(), Logger: c.options.Log,
		NewCache:       func(*rest.Config, cache.Options) (cache.Cache, error) { return shared, nil },
		MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return c.base.GetRESTMapper(), nil },
		Metrics:        metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		LeaderElection: true, LeaderElectionID: leaseName, LeaderElectionNamespace: c.options.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 ptr.To(leaseDuration), RenewDeadline: ptr.To(renewDeadline), RetryPeriod: ptr.To(retryPeriod),
		Controller: controllerConfig(),
	})
	if err != nil {
		return fmt.Errorf("making the manager of the controllers: %w", err)
	}
	setup := c.setup
	setup.Metrics = counted
	if err := controllers.Setup(mgr, setup); err != nil {
		return fmt.Errorf("setting up the controllers: %w", err)
	}
	return mgr.Start(ctx)
}

// controllerConfig: caches are warm before leadership comes, so a failover costs no sync; one process may run several operators, as tests do.
func controllerConfig() config.Controller {
	return config.Controller{EnableWarmup: ptr.To(true), SkipNameValidation: ptr.To(true)}
}

// sharedCache is a cache that others run. What a term has asked it to tell, it tells until the term is over.
type sharedCache struct {
	cache.Cache
	indexed *indexes

	mu       sync.Mutex
	handlers []func()
}

// Start does nothing: the cache runs already.
func (*sharedCache) Start(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// GetInformer implements cache.Informers.
func (c *sharedCache) GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	i, err := c.Cache.GetInformer(ctx, obj, opts...)
	return &sharedInformer{Informer: i, cache: c}, err
}

// GetInformerForKind implements cache.Informers.
func (c *sharedCache) GetInformerForKind(ctx context.Context, kind schema.GroupVersionKind, opts ...cache.InformerGetOption) (cache.Informer, error) {
	i, err := c.Cache.GetInformerForKind(ctx, kind, opts...)
	return &sharedInformer{Informer: i, cache: c}, err
}

// IndexField adds an index that an earlier term has not added.
func (c *sharedCache) IndexField(ctx context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	if !c.indexed.add(obj, field) {
		return nil
	}
	return c.Cache.IndexField(ctx, obj, field, values)
}

func (c *sharedCache) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, remove := range c.handlers {
		remove()
	}
	c.handlers = nil
}

// indexes are those that terms have added to the cache.
type indexes struct {
	mu    sync.Mutex
	known map[string]bool
}

func (i *indexes) add(obj client.Object, field string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	key := reflect.TypeOf(obj).String() + " " + field
	if i.known == nil {
		i.known = map[string]bool{}
	}
	known := i.known[key]
	i.known[key] = true
	return !known
}

// sharedInformer remembers the handlers of a term.
type sharedInformer struct {
	cache.Informer
	cache *sharedCache
}

func (i *sharedInformer) added(r toolscache.ResourceEventHandlerRegistration, err error) (toolscache.ResourceEventHandlerRegistration, error) {
	if err != nil {
		return nil, err
	}
	i.cache.mu.Lock()
	defer i.cache.mu.Unlock()
	// An informer that has stopped tells nobody anything.
	i.cache.handlers = append(i.cache.handlers, func() { _ = i.Informer.RemoveEventHandler(r) })
	return r, nil
}

// AddEventHandler implements cache.Informer.
func (i *sharedInformer) AddEventHandler(h toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.added(i.Informer.AddEventHandler(h))
}

// AddEventHandlerWithResyncPeriod implements cache.Informer.
func (i *sharedInformer) AddEventHandlerWithResyncPeriod(h toolscache.ResourceEventHandler, resync time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.added(i.Informer.AddEventHandlerWithResyncPeriod(h, resync))
}

// AddEventHandlerWithOptions implements cache.Informer.
func (i *sharedInformer) AddEventHandlerWithOptions(
	h toolscache.ResourceEventHandler, o toolscache.HandlerOptions,
) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.added(i.Informer.AddEventHandlerWithOptions(h, o))
}

// termMetrics takes the metrics of a term away when it is over, so that the next one can register its own.
type termMetrics struct {
	prometheus.Registerer

	mu   sync.Mutex
	mine []prometheus.Collector
}

// Register implements prometheus.Registerer.
func (m *termMetrics) Register(c prometheus.Collector) error {
	err := m.Registerer.Register(c)
	if err == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.mine = append(m.mine, c)
	}
	return err
}

// MustRegister implements prometheus.Registerer.
func (m *termMetrics) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := m.Register(c); err != nil {
			panic(err)
		}
	}
}

func (m *termMetrics) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.mine {
		m.Unregister(c)
	}
}
