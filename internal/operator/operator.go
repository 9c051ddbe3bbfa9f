// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package operator puts the whole together: the manager with its cache, the controllers, and the SCIM endpoint on every replica. cmd reads the
// flags for it; tests run it in process.
package operator

// The leader election, in the operator's own namespace. Its events are of the core group; client-go knows no other for them.
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=scim-operator-system,resources=leases,verbs=create
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=scim-operator-system,resources=leases,resourceNames=scim-operator.io,verbs=get;update
// +kubebuilder:rbac:groups="",namespace=scim-operator-system,resources=events,verbs=create

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/controllers"
	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/server"
)

// Options of an operator.
type Options struct {
	// Version of the program.
	Version string
	// Namespaces to watch; all when empty.
	Namespaces []string
	// ScimAddress is where the endpoint listens, such as ":8443"; Listener, if set, is used instead.
	ScimAddress string
	Listener    net.Listener
	// CertFile and KeyFile are the endpoint's certificate, read again whenever they change.
	CertFile, KeyFile string
	// SelfMadeSecret, if not empty, is the Secret in the operator's own namespace with a certificate that the operator makes, for SelfMadeHosts, instead.
	SelfMadeSecret string
	SelfMadeHosts  []string
	// ExternalURL is the URL under which clients reach the endpoint.
	ExternalURL string
	// AllowedAddresses are those that apps and token issuers may have although they are loopback, link-local, or the cluster's own API.
	AllowedAddresses []netip.Prefix
	// MetricsAddress and HealthAddress are where metrics and probes are served; "0" switches them off.
	MetricsAddress, HealthAddress string
	// MetricsAuthorization serves metrics over HTTPS, to those alone whom the API server knows and allows to "get" the path /metrics.
	MetricsAuthorization bool
	// DrainDelay is how long the operator goes on when it is told to end, while it has connections closed: the time in which a Service notices.
	DrainDelay time.Duration
	// ResyncPeriod is the time within which every object is reconciled although nothing is known to have changed; DefaultResyncPeriod when 0.
	ResyncPeriod time.Duration
	// LeaderElection makes one of several replicas run the controllers. Its Lease stands in LeaderElectionNamespace.
	LeaderElection          bool
	LeaderElectionNamespace string
	// CredentialTestInterval is after how long without an answer the credentials of an app are tested again; never if 0.
	CredentialTestInterval time.Duration
	// SuspendApps stops every call to every app.
	SuspendApps bool
	// Log of everything.
	Log logr.Logger
	// Metrics is where metrics are registered; controller-runtime's registry, which MetricsAddress serves, when nil.
	Metrics prometheus.Registerer
}

// DefaultResyncPeriod is the resync period unless the options have another one.
const DefaultResyncPeriod = 30 * time.Minute

// DefaultCredentialTestInterval is for Options.CredentialTestInterval.
const DefaultCredentialTestInterval = 10 * time.Minute

// Scheme has every kind that the operator reads or writes.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		// The types are compiled in: this cannot depend on anything at run time.
		panic(err)
	}
	return scheme
}

// Times of the leader election. The leader stops calling apps at the latest renewDeadline after it last renewed, and a new one starts
// leaseDuration after that: in between nobody calls.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// Run runs an operator until ctx is done.
func Run(ctx context.Context, cfg *rest.Config, o Options) error {
	defer raiseHeapFloor()()
	if o.Metrics == nil {
		o.Metrics = metrics.Registry
	}
	cfg = clientConfig(cfg)
	stopping := drainAfter(ctx, o.DrainDelay)
	ctx = stopping
	mgr, err := newManager(cfg, o)
	if err != nil {
		return err
	}
	if err := controllers.RegisterIndexes(ctx, mgr); err != nil {
		return fmt.Errorf("registering the indexes: %w", err)
	}
	live, err := newClient(ctx, mgr)
	if err != nil {
		return fmt.Errorf("making the client: %w", err)
	}
	store, err := newStore(ctx, mgr, live, o)
	if err != nil {
		return fmt.Errorf("making the directory: %w", err)
	}
	policy := egressPolicy(ctx, cfg, o.AllowedAddresses, o.Log)
	issuers := clients.NewIssuers(time.Now, policy)
	if err := addEndpoint(ctx, mgr, live, store, issuers, stopping, o); err != nil {
		return err
	}
	setup := controllers.Options{
		Live: live, Issuers: issuers, Directory: store, Clock: clock.RealClock{}, Metrics: o.Metrics, UserAgent: "scim-operator/" + o.Version,
		Egress: policy, TestInterval: o.CredentialTestInterval, ResyncPeriod: cmp.Or(o.ResyncPeriod, DefaultResyncPeriod),
	}
	if o.LeaderElection {
		err = mgr.Add(&candidate{base: mgr, options: o, setup: setup})
	} else {
		err = controllers.Setup(mgr, setup)
	}
	if err != nil {
		return fmt.Errorf("setting up the controllers: %w", err)
	}
	return start(ctx, mgr)
}

// clientConfig is what all clients of the operator are made with.
func clientConfig(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	// The API server's priority and fairness paces us better than a limit of our own.
	cfg.QPS = -1
	cfg.Wrap(kube.WritesOnce)
	cfg.Wrap(kube.TrimWatches)
	return cfg
}

func newStore(ctx context.Context, mgr ctrl.Manager, live client.Client, o Options) (*directory.Store, error) {
	namespace, err := ownNamespace(o)
	if err != nil {
		return nil, err
	}
	shared, err := cursors(ctx, live, namespace)
	if err != nil {
		return nil, err
	}
	store, err := directory.New(ctx, directory.Options{
		Client: live, Cache: mgr.GetCache(), Cursors: shared, Clock: clock.RealClock{}, Random: rand.Reader,
	})
	if err != nil {
		return nil, err
	}
	return store, mgr.AddReadyzCheck("directory", func(req *http.Request) error {
		probe, cancel := context.WithTimeout(req.Context(), time.Second)
		defer cancel()
		if store.Synced(probe) != nil {
			return errors.New("the users and groups are not all listed yet")
		}
		return nil
	})
}

// newClient makes the client that reads and writes at the API server.
func newClient(ctx context.Context, mgr ctrl.Manager) (client.Client, error) {
	live, err := client.New(mgr.GetConfig(), client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient()})
	if err != nil {
		return nil, err
	}
	users, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.ScimUser{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watching: %w", err)
	}
	return kube.FastReads(live, mgr.GetCache(), users.HasSynced, mgr.GetConfig())
}

// stopTimeout is how long an orderly end may take: longer than the manager gives what it runs.
const stopTimeout = 35 * time.Second

// start runs the manager until ctx is done. A manager that is stopped before its caches are filled, as when a right is missing, never returns:
// then the process ends without it.
func start(ctx context.Context, mgr ctrl.Manager) error {
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(stopTimeout):
		return fmt.Errorf("the operator did not stop within %s", stopTimeout)
	}
}

func newManager(cfg *rest.Config, o Options) (ctrl.Manager, error) {
	credentials, err := labels.NewRequirement(v1alpha1.LabelCredentials, "exists", nil)
	if err != nil {
		return nil, err
	}
	cached := cache.Options{
		// managedFields are half of an object, and nothing reads them.
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}:     {Label: labels.NewSelector().Add(*credentials)},
			&v1alpha1.ScimUser{}: {Transform: kube.SlimUsers()},
		},
	}
	if o.SuspendApps {
		o.Log.Info("All apps are suspended (--suspend-apps): no app is called; the endpoint keeps serving")
		cached.ByObject[&v1alpha1.ScimApp{}] = cache.ByObject{Transform: suspendApps(cache.TransformStripManagedFields())}
	}
	for _, namespace := range o.Namespaces {
		if cached.DefaultNamespaces == nil {
			cached.DefaultNamespaces = map[string]cache.Config{}
		}
		cached.DefaultNamespaces[namespace] = cache.Config{}
	}
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme: Scheme(), Logger: o.Log, Cache: cached, MapperProvider: newMapper,
		// Records are large, and read once, when a group changes.
		Client:                 client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&v1alpha1.ScimGroupRecord{}}}},
		Metrics:                metricsOptions(o),
		HealthProbeBindAddress: o.HealthAddress,
		Controller:             controllerConfig(),
	})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	return mgr, mgr.AddHealthzCheck("ping", healthz.Ping)
}

// addEndpoint makes every replica serve SCIM, and say that it is ready as long as it does.
func addEndpoint(
	ctx context.Context, mgr ctrl.Manager, live client.Client, store *directory.Store, issuers *clients.Issuers, stopping *drain, o Options,
) error {
	// What the endpoint reads is watched from the start, not from the first request on.
	for _, kind := range []client.Object{&v1alpha1.ScimClient{}, &v1alpha1.ScimUser{}, &v1alpha1.ScimGroup{}, &corev1.Secret{}} {
		if _, err := mgr.GetCache().GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return fmt.Errorf("watching: %w", err)
		}
	}
	tolerances := clients.NewTolerances(live, o.Log.WithName("tolerances"))
	activity := clients.NewActivity(live, mgr.GetClient(), clock.RealClock{}, o.Log.WithName("activity"))
	if err := o.Metrics.Register(activity); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	handler, err := server.New(server.Options{
		Directory:   func(scope directory.Scope) server.Directory { return store.For(scope) },
		Clients:     &clients.Source{Reader: mgr.GetClient(), Namespaces: o.Namespaces, Issuers: issuers},
		Tolerances:  tolerances,
		Activity:    activity,
		ExternalURL: o.ExternalURL, Log: o.Log.WithName("endpoint"), Metrics: o.Metrics,
	})
	if err != nil {
		return fmt.Errorf("making the endpoint: %w", err)
	}
	certificates, err := endpointCertificate(ctx, live, o)
	if err != nil {
		return fmt.Errorf("the endpoint's certificate: %w", err)
	}
	endpoint := &server.Server{
		Address: o.ScimAddress, Listener: o.Listener, Handler: stopping.handler(handler), Log: o.Log.WithName("endpoint"),
		GetCertificate: certificates.GetCertificate,
	}
	// The manager starts the endpoint when the caches are warm.
	return errors.Join(mgr.Add(certificates), mgr.Add(endpoint), mgr.Add(tolerances), mgr.Add(activity),
		mgr.AddReadyzCheck("endpoint", func(*http.Request) error { return endpoint.Serving() }))
}
