// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestSuspendedByAnnotation: every app of the namespace is left alone, says why, and goes on when the annotation is removed.
func TestSuspendedByAnnotation(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, pushing([]string{"Staff"}))
	d.Mapping(t, "kim", "crm", named("kim@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	annotate(t, d, "crm", v1alpha1.AnnotationSuspend, "restore of the database")
	message := awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionReady, "False", v1alpha1.ReasonSuspended)
	if !strings.Contains(message, "restore of the database") {
		t.Errorf("the message is %q", message)
	}
	fake.ResetCalls()
	kim := op.CreateUser(t, "kim@corp.test")
	staff := op.CreateGroup(t, "Staff", kim)
	awaitReason(t, d, kim, "crm", v1alpha1.ReasonSuspended)
	harness.Eventually(t, "the group says why it waits", func() error {
		if entry := groupOf(t, d, staff).Status.App("crm"); entry == nil || entry.Reason != v1alpha1.ReasonSuspended || !strings.Contains(entry.Message, "restore") {
			return fmt.Errorf("the entry is %+v", entry)
		}
		return nil
	})
	noCalls(t, fake, watched)
	harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, func(a *v1alpha1.ScimApp) { delete(a.Annotations, v1alpha1.AnnotationSuspend) })
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
	harness.Eventually(t, "the group is pushed", func() error {
		if !meta.IsStatusConditionTrue(groupOf(t, d, staff).Status.Conditions, v1alpha1.ConditionReady) {
			return fmt.Errorf("status %+v", groupOf(t, d, staff).Status)
		}
		return nil
	})
}

// TestSuspendAppsFlag: an operator with the flag calls no app, not even to test credentials, also none that is created later, and stores nothing that outlives it.
func TestSuspendAppsFlag(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fakes := []*fakeapp.App{d.App(t, "crm", fakeapp.Generic, nil)}
	d.Mapping(t, "kim", "crm", named("kim@corp.test"))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	running, err := harness.StartEndpoint(ctx, d.Installation(t), func(o *operator.Options) {
		o.Namespaces, o.SuspendApps = []string{d.Namespace}, true
	})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	stop := running.StopWith(t, cancel)
	t.Cleanup(stop)
	message := awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionReady, "False", v1alpha1.ReasonSuspended)
	if !strings.Contains(message, "--suspend-apps") {
		t.Errorf("the message is %q", message)
	}
	if log := running.Log(200); !strings.Contains(log, "All apps are suspended") {
		t.Errorf("the log does not say so:\n%s", log)
	}
	fakes = append(fakes, d.App(t, "later", fakeapp.Generic, nil))
	awaitCondition(t, d, &v1alpha1.ScimApp{}, "later", v1alpha1.ConditionReady, "False", v1alpha1.ReasonSuspended)
	okta := harness.NewSCIM(running.Origin+"/"+d.Namespace+"/okta/scim/v2", harness.Token, running.Roots)
	kim := okta.CreateUser(t, "kim@corp.test")
	awaitReason(t, d, kim, "crm", v1alpha1.ReasonSuspended)
	for _, fake := range fakes {
		noCalls(t, fake, watched)
	}
	harness.Eventually(t, "the gauge says so", func() error { return suspendedApps(running, 2) })
	stop()
	for _, name := range []string{"crm", "later"} {
		if _, stored := getApp(t, d, name).Annotations[v1alpha1.AnnotationSuspendedByFlag]; stored {
			t.Errorf("the flag was stored in %s", name)
		}
	}
	d.Run(t)
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
}

// suspendedApps reports whether so many apps are suspended by the metrics.
func suspendedApps(running *harness.Endpoint, want float64) error {
	families, err := running.Metrics.Gather()
	if err != nil {
		return err
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() == "scim_app_suspended" {
			for _, metric := range family.GetMetric() {
				sum += metric.GetGauge().GetValue()
			}
		}
	}
	if sum != want {
		return fmt.Errorf("%v apps", sum)
	}
	return nil
}
