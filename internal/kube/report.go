// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/bounded"
)

// Report is a change of state that people should hear of. None of its texts holds a personal value.
type Report struct {
	// What happened, the same text for all objects: the message of the log line.
	What string
	// Type of the event: corev1.EventTypeWarning or EventTypeNormal, none if empty.
	Type string
	// Reason and Action of the event, and Message for people.
	Reason, Action, Message string
	// Details are further keys and values of the log line.
	Details []any
}

// Events of one namespace: so many at once, and so many a second from then on. The log and the statuses tell of all.
const (
	eventBurst     = 100
	eventRate      = rate.Limit(1)
	maxEventSource = 1000
)

// maxNote is the largest note of an event that the API server takes, less some room.
const maxNote = 1000

// Reporter writes reports to the log, and as events of the objects concerned.
type Reporter struct {
	recorder events.EventRecorder
	clock    clock.PassiveClock

	mu    sync.Mutex
	rates map[string]*rate.Limiter
}

// NewReporter makes a reporter.
func NewReporter(recorder events.EventRecorder, clk clock.PassiveClock) *Reporter {
	return &Reporter{recorder: recorder, clock: clk, rates: map[string]*rate.Limiter{}}
}

// Tell writes reports about an object to the log of the reconcile, and as events while they are not too many. A nil reporter tells nothing.
func (r *Reporter) Tell(ctx context.Context, about client.Object, reports ...Report) {
	if r == nil {
		return
	}
	for _, report := range reports {
		details := append([]any{"reason", report.Reason, "detail", report.Message}, report.Details...)
		log.FromContext(ctx).Info(report.What, details...)
		if report.Type != "" && r.allows(about.GetNamespace()) {
			r.recorder.Eventf(about, nil, report.Type, report.Reason, report.Action, "%s", bounded.Cut(report.Message, maxNote))
		}
	}
}

func (r *Reporter) allows(namespace string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	limiter := r.rates[namespace]
	if limiter == nil {
		if len(r.rates) >= maxEventSource {
			r.rates = map[string]*rate.Limiter{}
		}
		limiter = rate.NewLimiter(eventRate, eventBurst)
		r.rates[namespace] = limiter
	}
	return limiter.AllowN(r.clock.Now(), 1)
}

// untold are reasons of conditions that are no failure.
var untold = []string{v1alpha1.ReasonProgressing, v1alpha1.ReasonNotTested, v1alpha1.ReasonSuspended, v1alpha1.ReasonHeld}

// ConditionReports returns the changes of conditions of some types: those that have become bad, or are bad for another reason, and those that are good after a failure or a
// test. bad is the status that is a failure.
func ConditionReports(before, after []metav1.Condition, bad metav1.ConditionStatus, types ...string) []Report {
	failure := func(c *metav1.Condition) bool {
		return c != nil && c.Status == bad && !slices.Contains(untold, c.Reason)
	}
	// A failure may be followed by a test, and only that by success.
	recovered := func(was, is *metav1.Condition) bool {
		return was != nil && is != nil && is.Reason == v1alpha1.ReasonSucceeded && (failure(was) || was.Reason == v1alpha1.ReasonNotTested)
	}
	var reports []Report
	for _, conditionType := range types {
		was, is := meta.FindStatusCondition(before, conditionType), meta.FindStatusCondition(after, conditionType)
		switch {
		case failure(is) && (!failure(was) || was.Reason != is.Reason):
			reports = append(reports, Report{
				What: "A condition reports a failure", Type: corev1.EventTypeWarning, Reason: is.Reason, Action: conditionType, Message: is.Message,
				Details: []any{"condition", conditionType},
			})
		case failure(was) && is == nil:
			reports = append(reports, Report{What: "A condition is good", Reason: v1alpha1.ReasonSucceeded, Details: []any{"condition", conditionType, "was", was.Reason}})
		case recovered(was, is):
			reports = append(reports, Report{
				What: "A condition is good", Type: corev1.EventTypeNormal, Reason: is.Reason, Action: conditionType, Message: is.Message,
				Details: []any{"condition", conditionType, "was", was.Reason},
			})
		}
	}
	return reports
}
