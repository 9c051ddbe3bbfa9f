// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// maxRequested bounds GuardStatus.requested.
const maxRequested = 8

// InForce returns the limits in force and the status that records them: the strictest for which the spec asked at any time within the window. A stricter spec applies at
// once, a looser one only to revocations of a window that began after it was written. status is nil for a new app.
func InForce(spec *v1alpha1.Guard, status *v1alpha1.GuardStatus, now time.Time) (Limits, v1alpha1.GuardStatus) {
	after := v1alpha1.GuardStatus{}
	if status != nil {
		after = *status.DeepCopy()
	}
	after.Requested = requestedWithin(after.Requested, LimitsOf(spec), now)
	strict := LimitsOf(spec)
	for i := range after.Requested {
		strict = strict.stricter(limitsIn(&after.Requested[i]))
	}
	after.Minimum, after.Percent, after.LeaversPerHour = int32(strict.Minimum), int32(strict.Percent), int32(strict.Leavers)
	after.LooserFrom = nil
	if until := after.Requested[0].Until; until != nil {
		from := metav1.NewTime(until.Add(Window))
		after.LooserFrom = &from
	}
	return strict, after
}

// requestedWithin returns the limits of the window, the oldest first: those that the spec asks for now are the last, and each of the others is stricter in something than
// all that follow.
func requestedWithin(requested []v1alpha1.RequestedLimits, current Limits, now time.Time) []v1alpha1.RequestedLimits {
	all := append(closedAt(requested, current, now), v1alpha1.RequestedLimits{
		Minimum: int32(current.Minimum), Percent: int32(current.Percent), LeaversPerHour: int32(current.Leavers),
	})
	var kept []v1alpha1.RequestedLimits
	strict := current
	for i := len(all) - 1; i >= 0; i-- {
		stricter := strict.stricter(limitsIn(&all[i]))
		if i == len(all)-1 || stricter != strict {
			kept = append(kept, all[i])
		}
		strict = stricter
	}
	slices.Reverse(kept)
	for len(kept) > maxRequested {
		kept[1] = merged(&kept[0], &kept[1])
		kept = kept[1:]
	}
	return kept
}

// closedAt returns those limits of the window that the spec asks for no longer. A time in the future comes from a clock that was ahead.
func closedAt(requested []v1alpha1.RequestedLimits, current Limits, now time.Time) []v1alpha1.RequestedLimits {
	var closed []v1alpha1.RequestedLimits
	for i := range requested {
		entry := requested[i]
		switch {
		case entry.Until == nil && limitsIn(&entry) == current:
			continue
		case entry.Until == nil, entry.Until.After(now):
			until := metav1.NewTime(now.Truncate(time.Second))
			entry.Until = &until
		case now.Sub(entry.Until.Time) >= Window:
			continue
		}
		closed = append(closed, entry)
	}
	return closed
}

// merged returns the stricter limits of both, until the later one ends.
func merged(earlier, later *v1alpha1.RequestedLimits) v1alpha1.RequestedLimits {
	strict := limitsIn(earlier).stricter(limitsIn(later))
	return v1alpha1.RequestedLimits{Minimum: int32(strict.Minimum), Percent: int32(strict.Percent), LeaversPerHour: int32(strict.Leavers), Until: later.Until}
}

func limitsIn(r *v1alpha1.RequestedLimits) Limits {
	return Limits{Minimum: int(r.Minimum), Percent: int(r.Percent), Leavers: int(r.LeaversPerHour)}
}

// stricter returns the smaller of each limit.
func (l Limits) stricter(other Limits) Limits {
	return Limits{Minimum: min(l.Minimum, other.Minimum), Percent: min(l.Percent, other.Percent), Leavers: min(l.Leavers, other.Leavers)}
}
