// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// activityRound is how often what clients did is compared with their statuses.
const activityRound = 5 * time.Second

// Activity writes into the status of ScimClients when they were last active, and whether their pushes are accepted. It is a Runnable of controller-runtime's manager, on
// every replica, for every replica serves.
//
// Replicas do not fight: each status is read again before it is written, the write is bound to what was read, and it says nothing that the status says well enough.
type Activity struct {
	live  client.Client
	cache client.Reader
	clock clock.WithTicker
	log   logr.Logger

	mu      sync.Mutex
	clients map[types.NamespacedName]*record
}

// NewActivity makes one. live reads and writes without a cache; cache is read in each round.
func NewActivity(live client.Client, cache client.Reader, clk clock.WithTicker, log logr.Logger) *Activity {
	return &Activity{live: live, cache: cache, clock: clk, log: log, clients: map[types.NamespacedName]*record{}}
}

// NeedLeaderElection says that it does not wait for leadership.
func (a *Activity) NeedLeaderElection() bool { return false }

// Request says that the ScimClient has sent a request with valid credentials.
func (a *Activity) Request(scimClient types.NamespacedName) {
	a.note(scimClient, func(r *record, now time.Time) { r.last = now })
}

// Push says that a change by the ScimClient was accepted or, unless refusal is the zero Refusal, refused.
func (a *Activity) Push(scimClient types.NamespacedName, refusal Refusal) {
	a.note(scimClient, func(r *record, now time.Time) { r.add(push{at: now, refusal: refusal}) })
}

func (a *Activity) note(key types.NamespacedName, do func(*record, time.Time)) {
	now := a.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.clients[key] == nil {
		a.clients[key] = &record{}
	}
	do(a.clients[key], now)
}

// Start writes what is noted until the context ends.
func (a *Activity) Start(ctx context.Context) error {
	ticker := a.clock.NewTicker(activityRound)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			a.round(ctx)
		}
	}
}

// round writes every status that has to say something new. What fails is retried in the next round.
func (a *Activity) round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	a.mu.Lock()
	noted := make(map[types.NamespacedName]record, len(a.clients))
	for key, r := range a.clients {
		noted[key] = r.clone()
	}
	a.mu.Unlock()
	for key, r := range noted {
		if err := a.write(ctx, key, &r); err != nil && ctx.Err() == nil {
			a.log.V(1).Info("Cannot write the activity of a ScimClient; retrying", "namespace", key.Namespace, "client", key.Name, "reason", string(apierrors.ReasonForError(err)))
		}
	}
}

// write brings one status up to date. The cached one tells whether there is anything to say; it is decided anew with what the API server has.
func (a *Activity) write(ctx context.Context, key types.NamespacedName, r *record) error {
	now := a.clock.Now()
	before := &v1alpha1.ScimClient{}
	err := a.cache.Get(ctx, key, before)
	if apierrors.IsNotFound(err) {
		a.forget(key, r.last)
		return nil
	}
	if err != nil || !r.report(before.DeepCopy(), now) {
		return err
	}
	for range maxConflicts {
		if err = a.live.Get(ctx, key, before); err != nil {
			return client.IgnoreNotFound(err)
		}
		after := before.DeepCopy()
		if !r.report(after, now) {
			return nil
		}
		if _, err = kube.PatchStatus(ctx, a.live, before, after); !apierrors.IsConflict(err) {
			return client.IgnoreNotFound(err)
		}
	}
	return err
}

// forget drops what was noted of a deleted ScimClient, unless it has sent a request since.
func (a *Activity) forget(key types.NamespacedName, last time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.clients[key]; r != nil && !r.last.After(last) {
		delete(a.clients, key)
	}
}

var lastRequest = prometheus.NewDesc("scim_client_last_request_timestamp_seconds",
	"When a ScimClient last sent a request with valid credentials, as seconds since 1970; 0 for never. Replicas differ by what each has served: use the maximum.",
	[]string{"client"}, nil)

// collectTimeout is how long a scrape waits for the cache.
const collectTimeout = time.Second

// Describe implements prometheus.Collector.
func (a *Activity) Describe(all chan<- *prometheus.Desc) { all <- lastRequest }

// Collect implements prometheus.Collector: each ScimClient that there is, from what this process has noted and what the statuses say.
func (a *Activity) Collect(all chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	var list v1alpha1.ScimClientList
	if err := a.cache.List(ctx, &list); err != nil {
		// The caches are not filled yet.
		return
	}
	for i := range list.Items {
		sc := &list.Items[i]
		at := time.Unix(0, 0)
		if sc.Status.LastRequestTime != nil {
			at = sc.Status.LastRequestTime.Time
		}
		a.mu.Lock()
		if r := a.clients[client.ObjectKeyFromObject(sc)]; r != nil && r.last.After(at) {
			at = r.last
		}
		a.mu.Unlock()
		all <- prometheus.MustNewConstMetric(lastRequest, prometheus.GaugeValue, float64(at.UnixMilli())/1000, fmt.Sprintf("%s/%s", sc.Namespace, sc.Name))
	}
}
