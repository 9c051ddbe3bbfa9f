// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// pendingRevocations are the revocations of each app that are not made yet. Their age grows from one scrape to the next, so it is computed when it is asked for.
type pendingRevocations struct {
	clock         clock.PassiveClock
	count, oldest *prometheus.Desc

	mu   sync.Mutex
	apps map[types.NamespacedName]pendingRevocation
}

type pendingRevocation struct {
	count int
	since time.Time
}

func newPendingRevocations(clk clock.PassiveClock) *pendingRevocations {
	labels := []string{"namespace", "app"}
	return &pendingRevocations{
		clock: clk, apps: map[types.NamespacedName]pendingRevocation{},
		count: prometheus.NewDesc("scim_app_pending_revocations",
			"Revocations that are not made yet, whatever they wait for: queued, paused, held, to be retried, or an app that is not ready.", labels, nil),
		oldest: prometheus.NewDesc("scim_oldest_pending_revocation_seconds", "Age of the oldest pending revocation of an app; 0 when none is pending.", labels, nil),
	}
}

func (p *pendingRevocations) set(app types.NamespacedName, count int, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.apps[app] = pendingRevocation{count: count, since: since}
}

func (p *pendingRevocations) forget(app types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.apps, app)
}

// Describe implements prometheus.Collector.
func (p *pendingRevocations) Describe(to chan<- *prometheus.Desc) {
	to <- p.count
	to <- p.oldest
}

// Collect implements prometheus.Collector.
func (p *pendingRevocations) Collect(to chan<- prometheus.Metric) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for app, pending := range p.apps {
		age := 0.0
		if !pending.since.IsZero() {
			age = max(0, p.clock.Since(pending.since).Seconds())
		}
		to <- prometheus.MustNewConstMetric(p.count, prometheus.GaugeValue, float64(pending.count), app.Namespace, app.Name)
		to <- prometheus.MustNewConstMetric(p.oldest, prometheus.GaugeValue, age, app.Namespace, app.Name)
	}
}
