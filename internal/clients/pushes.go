// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

const (
	// lastRequestEvery is how old status.lastRequestTime may be while requests come: it costs a write.
	lastRequestEvery = 5 * time.Minute
	// pushWindow is how many of the last pushes are looked at. refusedMany of them that are refused make the condition False; so many accepted ones in a row as acceptedMany
	// make it True again.
	pushWindow   = 20
	refusedMany  = 5
	acceptedMany = 5
)

// Refusal is why a push was refused: the HTTP status, the SCIM error type, and the attribute if one is known. It has no value of anybody.
type Refusal struct {
	Status      int
	Type, Field string
}

// kind is what refusals are counted by.
func (r Refusal) kind() string { return strings.TrimSpace(fmt.Sprintf("%d %s", r.Status, r.Type)) }

type push struct {
	at      time.Time
	refusal Refusal
}

func (p push) refused() bool { return p.refusal != Refusal{} }

// record is what one process knows of a ScimClient.
type record struct {
	// last is when the last request came.
	last time.Time
	// pushes are the last ones, the oldest first.
	pushes []push
}

func (r *record) add(p push) {
	if len(r.pushes) == pushWindow {
		r.pushes = slices.Delete(r.pushes, 0, 1)
	}
	r.pushes = append(r.pushes, p)
}

func (r *record) clone() record { return record{last: r.last, pushes: slices.Clone(r.pushes)} }

// report brings the status of a ScimClient up to date and returns whether it has anything to say. A time that is a little old, and the numbers in a message, are no reason to
// write: they go with the next time.
func (r *record) report(sc *v1alpha1.ScimClient, now time.Time) bool {
	stored := sc.Status.LastRequestTime
	aged := !r.last.IsZero() && (stored == nil || r.last.Sub(stored.Time) >= lastRequestEvery)
	before := meta.FindStatusCondition(sc.Status.Conditions, v1alpha1.ConditionPushesAccepted)
	status := r.accepted(before)
	turned := status != "" && (before == nil || before.Status != status)
	if !aged && !turned {
		return false
	}
	if stored == nil || r.last.After(stored.Time) {
		at := metav1.NewTime(r.last).Rfc3339Copy()
		sc.Status.LastRequestTime = &at
	}
	switch {
	case status == metav1.ConditionTrue:
		kube.SetCondition(sc, v1alpha1.ConditionPushesAccepted, status, v1alpha1.ReasonSucceeded, "the endpoint accepts the changes that the client pushes")
	case status == metav1.ConditionFalse && r.count() > 0:
		kube.SetCondition(sc, v1alpha1.ConditionPushesAccepted, status, v1alpha1.ReasonPushesRefused, r.message(now))
	}
	return true
}

// accepted returns the status of the condition, empty where there is nothing to say yet. Only pushes since the condition turned count against it: replicas that see different
// pushes do not turn it to and fro.
func (r *record) accepted(before *metav1.Condition) metav1.ConditionStatus {
	refused, run := 0, 0
	for _, p := range r.pushes {
		if before != nil && p.at.Before(before.LastTransitionTime.Time) {
			continue
		}
		if run++; p.refused() {
			refused++
			run = 0
		}
	}
	switch {
	case before != nil && before.Status == metav1.ConditionFalse && run < acceptedMany:
		return metav1.ConditionFalse
	case before != nil && before.Status == metav1.ConditionFalse:
		return metav1.ConditionTrue
	case refused >= refusedMany:
		return metav1.ConditionFalse
	case before != nil || run > 0:
		return metav1.ConditionTrue
	}
	return ""
}

// count is how many of the last pushes were refused.
func (r *record) count() int {
	n := 0
	for _, p := range r.pushes {
		if p.refused() {
			n++
		}
	}
	return n
}

// message counts the refusals by kind and names the attribute of the last one.
func (r *record) message(now time.Time) string {
	kinds := map[string]int{}
	var last push
	for _, p := range r.pushes {
		if p.refused() {
			kinds[p.refusal.kind()]++
			last = p
		}
	}
	parts := make([]string, 0, len(kinds))
	for kind, n := range kinds {
		parts = append(parts, fmt.Sprintf("%s: %d", kind, n))
	}
	slices.Sort(parts)
	text := fmt.Sprintf("%d of the last %d changes that the client pushed were refused (%s); the last one %s ago: %s", r.count(), len(r.pushes), strings.Join(parts, ", "),
		now.Sub(last.at).Round(time.Second), last.refusal.kind())
	if last.refusal.Field != "" {
		text += ", attribute " + last.refusal.Field
	}
	return text + ". The identity provider's log has the answers; docs/operations.md says what each kind means"
}
