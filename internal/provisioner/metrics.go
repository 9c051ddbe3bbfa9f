// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/scim-operator/scim-operator/internal/connector"
)

// Metrics of the calls to apps. No label names a user.
type Metrics struct {
	calls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	depth    *prometheus.GaugeVec
	held     *prometheus.CounterVec
	loops    *prometheus.CounterVec
	pending  *pendingRevocations
}

// NewMetrics registers the metrics. The clock tells how long revocations have been pending.
func NewMetrics(registerer prometheus.Registerer, clk clock.PassiveClock) *Metrics {
	m := &Metrics{
		pending: newPendingRevocations(clk),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scim_app_calls_total", Help: "Calls to apps by operation and result: an HTTP status, or the kind of the failure.",
		}, []string{"namespace", "app", "operation", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "scim_app_call_duration_seconds", Help: "How long calls to apps take.", Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30},
		}, []string{"namespace", "app", "operation"}),
		depth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "scim_app_queue_depth", Help: "Keys that are queued for an app, by class.",
		}, []string{"namespace", "app", "class"}),
		held: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scim_app_held_changes_total", Help: "Changes that the mass-change guard has held.",
		}, []string{"namespace", "app"}),
		loops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scim_app_idle_loops_total", Help: "Keys that were reconciled repeatedly without a call, a write or a wait. Any is a bug.",
		}, []string{"namespace", "app"}),
	}
	registerer.MustRegister(m.calls, m.duration, m.depth, m.held, m.loops, m.pending)
	return m
}

// Observer counts the calls of an app.
func (m *Metrics) Observer(app types.NamespacedName) func(op string, status int, took time.Duration, err error) {
	return func(op string, status int, took time.Duration, err error) {
		result := strconv.Itoa(status)
		if status == 0 {
			result = string(connector.KindOf(err))
		}
		m.calls.WithLabelValues(app.Namespace, app.Name, op, result).Inc()
		m.duration.WithLabelValues(app.Namespace, app.Name, op).Observe(took.Seconds())
	}
}

var classNames = [classes]string{"revocation", "change", "joiner"}

func (m *Metrics) queueDepth(app types.NamespacedName, depth [classes]int) {
	for class, n := range depth {
		m.depth.WithLabelValues(app.Namespace, app.Name, classNames[class]).Set(float64(n))
	}
}

func (m *Metrics) heldChanges(app types.NamespacedName, n int) {
	m.held.WithLabelValues(app.Namespace, app.Name).Add(float64(n))
}

func (m *Metrics) idleLoop(app types.NamespacedName) {
	m.loops.WithLabelValues(app.Namespace, app.Name).Inc()
}

// PendingRevocations says how many revocations of an app are pending, wherever they wait, and since when the oldest is. The time is zero if there is none.
func (m *Metrics) PendingRevocations(app types.NamespacedName, count int, oldest time.Time) {
	m.pending.set(app, count, oldest)
}

// forget drops the metrics of a deleted app.
func (m *Metrics) forget(app types.NamespacedName) {
	labels := prometheus.Labels{"namespace": app.Namespace, "app": app.Name}
	m.calls.DeletePartialMatch(labels)
	m.duration.DeletePartialMatch(labels)
	m.depth.DeletePartialMatch(labels)
	m.held.DeletePartialMatch(labels)
	m.loops.DeletePartialMatch(labels)
	m.pending.forget(app)
}
