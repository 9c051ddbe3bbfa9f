// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package app reconciles ScimApps: it checks their configuration, tests their credentials before anything is written, starts and stops the
// running apps, and tells a person how an app is doing.
package app

import (
	"context"
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	scimconn "github.com/scim-operator/scim-operator/internal/connector/scim"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/egress"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// countEvery is how often the counters in the status move at most.
const countEvery = 10 * time.Second

// countBatchesEvery is the same while what the guard holds is not what the status shows.
const countBatchesEvery = time.Second

// countBatchesSoon is how long they are counted that often; countBatchesLate is the wait from then on.
const countBatchesSoon, countBatchesLate = time.Minute, time.Minute

// Reconciler reconciles ScimApps.
type Reconciler struct {
	// Client writes, and reads from the cache.
	Client client.Client
	// Live reads without a cache.
	Live    client.Reader
	View    *desired.View
	Apps    *provisioner.Registry
	Metrics *provisioner.Metrics
	// Recorder records events.
	Recorder events.EventRecorder
	Clock    clock.PassiveClock
	// Wake asks for a look at users and groups: an app that has just started may have work for them.
	Wake provisioner.Notify
	// WakeLater asks for a look at a user at the lowest priority: new changes do not wait for all users of an app that has just started.
	WakeLater func(types.NamespacedName)
	// UserAgent of the calls to apps.
	UserAgent string
	// Prober tests credentials. SetupWithManager makes one that runs with the manager unless there is one.
	Prober *Prober
	// TestInterval is after how long without an answer the credentials of a running app are tested again; never if 0.
	TestInterval time.Duration
	// Reporter tells of failures; nil for none.
	Reporter *kube.Reporter
	// NewConnector makes the connector of an app; nil is scimconn.New.
	NewConnector func(scimconn.Options) (connector.Connector, error)
	// Egress says which addresses apps may have; nil is all of them.
	Egress  *egress.Policy
	sweeper *kube.Sweeper

	mu    sync.Mutex
	known map[types.NamespacedName]*connection
	// written has the resourceVersion of each app's newest status that this process wrote.
	written map[types.NamespacedName]string

	tenants tenants
}

// scope is what one reconcile knows.
type scope struct {
	key        types.NamespacedName
	app        *v1alpha1.ScimApp
	compiled   *desired.App
	connection *connection
	census     *desired.AppCensus
	// recorded are the users whose revocation is first recorded by this status.
	recorded []string
	// unresolved are the pushed groups that do not exist (yet).
	unresolved []string
	// moved: the base URL is another one than that under which accounts are recorded.
	moved bool
	// smallerRequests: the app was found to refuse requests for groups that its profile allows.
	smallerRequests bool
	// invalid says what a person has to mend in the configuration, with its reason.
	invalid, invalidReason string
	requeue                time.Duration
}

// +kubebuilder:rbac:groups=scim-operator.io,resources=scimapps,verbs=list;watch;patch
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimapps/status,verbs=patch
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimusers;scimgroups,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile brings one app's connection and status up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	before := &v1alpha1.ScimApp{}
	if err := r.Client.Get(ctx, req.NamespacedName, before); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.stale(before) {
		return ctrl.Result{RequeueAfter: kube.Jitter(staleWait)}, nil
	}
	s := &scope{key: req.NamespacedName, app: before.DeepCopy()}
	for _, phase := range []func(context.Context, *scope) error{r.finalizer, r.configuration, r.attributes, r.address, r.groups, r.tenant, r.connect, r.guard, r.count, r.remove} {
		if err := phase(ctx, s); err != nil {
			if errors.Is(err, errWritten) {
				return ctrl.Result{}, nil
			}
			if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
				return ctrl.Result{RequeueAfter: kube.Jitter(100 * time.Millisecond)}, nil
			}
			return ctrl.Result{}, err
		}
	}
	_, suspended := s.app.Suspended()
	r.Metrics.Suspended(s.key, suspended)
	setStatus(s, r.stateOf(s))
	setPause(s, r.Clock.Now())
	r.noteMembersPerRequest(s)
	if err := r.tellRevocations(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	wrote, err := kube.PatchStatus(ctx, r.Client, before, s.app)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return ctrl.Result{RequeueAfter: kube.Jitter(100 * time.Millisecond)}, nil
	}
	if err == nil && wrote {
		r.wrote(s.app)
		r.record(s)
		r.Reporter.Tell(ctx, s.app, reports(&before.Status, &s.app.Status)...)
	}
	if err == nil {
		r.Apps.Recorded(s.key, s.recorded)
	}
	return ctrl.Result{RequeueAfter: s.requeue}, err
}

// soon makes the reconcile come back after d, unless it comes back sooner anyway.
func (s *scope) soon(d time.Duration) {
	if d > 0 && (s.requeue == 0 || d < s.requeue) {
		s.requeue = d
	}
}

func (r *Reconciler) forget(key types.NamespacedName) {
	r.Prober.Cancel(key)
	r.release(key)
	r.Apps.Forget(key)
	r.View.ForgetApp(key)
	r.mu.Lock()
	delete(r.known, key)
	delete(r.written, key)
	r.mu.Unlock()
}

// staleWait is how long a reconcile waits for the cache to show what the one before wrote.
const staleWait = 50 * time.Millisecond

// stale reports whether the cached object is older than the last status that was written. A status that changed and changed back would not be
// written otherwise: it equals that of the cached object.
func (r *Reconciler) stale(app *v1alpha1.ScimApp) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	version := r.written[client.ObjectKeyFromObject(app)]
	return version != "" && kube.OlderThan(app, version)
}

func (r *Reconciler) wrote(app *v1alpha1.ScimApp) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.written == nil {
		r.written = map[types.NamespacedName]string{}
	}
	r.written[client.ObjectKeyFromObject(app)] = app.ResourceVersion
}
