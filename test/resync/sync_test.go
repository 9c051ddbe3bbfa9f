// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package resync

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/test/harness"
)

// reconciles are those of each controller of this process.
func reconciles(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "controller_runtime_reconcile_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "controller" {
					made[label.GetValue()] += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return made
}

// Every object is reconciled several times. Nothing is written, and the app is not called.
func TestAResyncOfWhatIsInSyncWritesNothingAndCallsNoApp(t *testing.T) {
	const users = 20
	d := harness.NewDirectory(t)
	op := d.RunWith(t, func(o *operator.Options) { o.ResyncPeriod = 2 * time.Second })
	fake := d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) {
		app.Spec.Features = append(app.Spec.Features, v1alpha1.FeaturePushGroups)
		app.Spec.Groups = []v1alpha1.PushedGroup{{DisplayName: "staff", Creation: v1alpha1.GroupCreate}}
	})
	d.Mapping(t, "everybody", "crm", v1alpha1.Subjects{Expression: "true"})
	ids := make([]string, users)
	for i := range ids {
		ids[i] = op.CreateUser(t, fmt.Sprintf("user-%d@corp.test", i))
	}
	op.CreateGroup(t, "staff", ids...)
	harness.Eventually(t, "the group is pushed", func() error {
		if group, found := fake.Group("staff"); !found || len(group.Members) != users {
			return fmt.Errorf("the app has %+v", group)
		}
		return nil
	})
	d.AwaitActivity(t, "okta")
	harness.Eventually(t, "the app's counters have settled", func() error {
		app := &v1alpha1.ScimApp{}
		if err := d.Admin.Get(t.Context(), d.Key("crm"), app); err != nil || app.Status.Accounts != users || app.Status.Pending != 0 {
			return fmt.Errorf("status %+v, error %v", app.Status, err)
		}
		return nil
	})
	// What was just written is recorded, and counters in a status follow within ten seconds.
	harness.Eventually(t, "a resync that writes nothing and calls no app", func() error {
		op.API.Reset()
		fake.ResetCalls()
		awaitRounds(t, users)
		if writes, calls := op.API.Writes(), fake.Calls(); len(writes) > 0 || len(calls) > 0 {
			return fmt.Errorf("writes %v, calls %v", writes, fake.Counts())
		}
		return nil
	})
	op.API.Reset()
	fake.ResetCalls()
	awaitRounds(t, 3*users)
	if writes, calls := op.API.Writes(), fake.Calls(); len(writes) > 0 || len(calls) > 0 {
		t.Errorf("writes %v, calls %v", writes, fake.Counts())
	}
}

// awaitRounds waits for so many reconciles of users, and some of each other kind.
func awaitRounds(t *testing.T, users float64) {
	t.Helper()
	before := reconciles(t)
	harness.Eventually(t, "the resync", func() error {
		now := reconciles(t)
		for _, other := range []string{"scimgroup", "scimapp", "scimrolemapping", "scimclient"} {
			if now[other] < before[other]+3 {
				return errors.New(other + " was not resynced")
			}
		}
		if now["scimuser"] < before["scimuser"]+users {
			return errors.New("users were not resynced")
		}
		return nil
	})
}
