// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestAgeOfThePendingRevocationGrowsBetweenScrapes(t *testing.T) {
	now := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	clk, registry := clocktesting.NewFakeClock(now), prometheus.NewRegistry()
	metrics := NewMetrics(registry, clk)
	crm, wiki := types.NamespacedName{Namespace: "corp", Name: "crm"}, types.NamespacedName{Namespace: "corp", Name: "wiki"}
	want := func(what string, want ...string) {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, family := range families {
			for _, m := range family.GetMetric() {
				got = append(got, fmt.Sprint(family.GetName(), " ", m.GetLabel()[0].GetValue(), " ", m.GetGauge().GetValue()))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	metrics.PendingRevocations(crm, 2, now.Add(-time.Minute))
	metrics.PendingRevocations(wiki, 0, time.Time{})
	want("at first", "scim_app_pending_revocations crm 2", "scim_app_pending_revocations wiki 0",
		"scim_oldest_pending_revocation_seconds crm 60", "scim_oldest_pending_revocation_seconds wiki 0")
	clk.Step(time.Minute)
	metrics.forget(wiki)
	want("a minute later", "scim_app_pending_revocations crm 2", "scim_oldest_pending_revocation_seconds crm 120")
	metrics.PendingRevocations(crm, 1, now.Add(time.Hour))
	want("with a time of a clock that was ahead", "scim_app_pending_revocations crm 1", "scim_oldest_pending_revocation_seconds crm 0")
}
