// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// metrics of the endpoint. The label client is "<namespace>/<name>" of the ScimClient, and empty for requests that did not log in. No label holds anything that a
// request could fill with values of its own.
type metrics struct {
	requests     *prometheus.CounterVec
	operations   *prometheus.CounterVec
	durations    *prometheus.HistogramVec
	tolerances   *prometheus.CounterVec
	authFailures *prometheus.CounterVec
	// note, if set, hears of each tolerance that a client needed.
	note func(id Identity, t scim.Tolerance)
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scim_requests_total",
			Help: "Requests to the SCIM endpoint by client, HTTP method, resource and status code.",
		}, []string{"client", "method", "resource", "code"}),
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scim_bulk_operations_total",
			Help: "Operations of bulk requests by client, HTTP method, resource and status code.",
		}, []string{"client", "method", "resource", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "scim_request_duration_seconds",
			Help:    "Time from the header of a request to the end of its answer, in seconds.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method", "resource"}),
		tolerances: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scim_tolerances_used_total",
			Help: "Deviations from RFC 7643 and 7644 that were tolerated, by client and tolerance.",
		}, []string{"client", "tolerance"}),
		authFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scim_authentication_failures_total",
			Help: "Requests that were refused for want of a valid token or because the client is suspended, by reason.",
		}, []string{"reason"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.operations, m.durations, m.tolerances, m.authFailures} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) observe(e *exchange, status int, took time.Duration) {
	method, resource := knownMethod(e.request.Method), e.target.label()
	m.requests.WithLabelValues(e.identity.label(), method, resource, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(method, resource).Observe(took.Seconds())
}

// operation counts an operation of a bulk request.
func (m *metrics) operation(e *exchange, status int) {
	m.operations.WithLabelValues(e.identity.label(), knownMethod(e.request.Method), e.target.label(), strconv.Itoa(status)).Inc()
}

// tolerated gives the function that counts the tolerances that a request of the client needs.
func (m *metrics) tolerated(id Identity) func(scim.Tolerance) {
	client := id.label()
	return func(t scim.Tolerance) {
		m.tolerances.WithLabelValues(client, string(t)).Inc()
		if m.note != nil {
			m.note(id, t)
		}
	}
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
