// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	scimconn "github.com/scim-operator/scim-operator/internal/connector/scim"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/kube"
)

func TestConditionsWhileTheCredentialsAreTested(t *testing.T) {
	for name, tc := range map[string]struct {
		before     string
		changed    bool
		connection connection
		want       string
	}{
		"a new app":                        {connection: connection{first: true}, want: "Unknown NotTested"},
		"after a restart":                  {before: v1alpha1.ReasonSucceeded, connection: connection{first: true}, want: "True Succeeded"},
		"after a restart, rejected before": {before: v1alpha1.ReasonCredentialsRejected, connection: connection{first: true}, want: "False CredentialsRejected"},
		"after a restart, the spec changed meanwhile": {
			before: v1alpha1.ReasonSucceeded, changed: true, connection: connection{first: true}, want: "Unknown NotTested",
		},
		"after a restart, suspended before": {before: v1alpha1.ReasonSuspended, connection: connection{first: true}, want: "Unknown NotTested"},
		"the same credentials again":        {before: v1alpha1.ReasonSucceeded, changed: true, connection: connection{good: true}, want: "True Succeeded"},
		"another token":                     {before: v1alpha1.ReasonSucceeded, want: "Unknown NotTested"},
	} {
		t.Run(name, func(t *testing.T) {
			app := pt.App("crm")
			if tc.before != "" {
				status := map[string]metav1.ConditionStatus{v1alpha1.ReasonSucceeded: metav1.ConditionTrue, v1alpha1.ReasonSuspended: metav1.ConditionUnknown}[tc.before]
				if status == "" {
					status = metav1.ConditionFalse
				}
				kube.SetCondition(app, v1alpha1.ConditionCredentialsValid, status, tc.before, "as it was")
			}
			if tc.changed {
				app.Generation++
			}
			s := &scope{app: app, connection: &tc.connection}
			setStatus(s, runState{})
			if diff := cmp.Diff(tc.want, short(app, v1alpha1.ConditionCredentialsValid)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFingerprintOfTheConnection(t *testing.T) {
	base, options := pt.App("crm"), scimconn.Options{BaseURL: "https://crm.test", Token: "t"}
	for name, tc := range map[string]struct {
		change          func(*v1alpha1.ScimApp, *scimconn.Options)
		retested, other bool
	}{
		"nothing":       {change: func(*v1alpha1.ScimApp, *scimconn.Options) {}},
		"another token": {change: func(_ *v1alpha1.ScimApp, o *scimconn.Options) { o.Token = "u" }, retested: true, other: true},
		"another CA":    {change: func(_ *v1alpha1.ScimApp, o *scimconn.Options) { o.CABundle = []byte("ca") }, retested: true, other: true},
		"another URL":   {change: func(_ *v1alpha1.ScimApp, o *scimconn.Options) { o.BaseURL = "https://crm2.test" }, retested: true, other: true},
		"another limit": {change: func(_ *v1alpha1.ScimApp, o *scimconn.Options) { o.Limits.Burst = 70000 }, retested: true},
		"concurrency":   {change: func(a *v1alpha1.ScimApp, _ *scimconn.Options) { a.Spec.Limits = &v1alpha1.AppLimits{Concurrency: 3} }, retested: true},
		"a person asks": {
			change: func(a *v1alpha1.ScimApp, _ *scimconn.Options) {
				a.Annotations = map[string]string{v1alpha1.AnnotationReconcile: "1"}
			},
			retested: true,
		},
	} {
		app, changed := base.DeepCopy(), options
		tc.change(app, &changed)
		if got := fingerprint(app, changed) != fingerprint(base, options); got != tc.retested {
			t.Errorf("%s: tested again %t", name, got)
		}
		if got := credentials(app, changed) != credentials(base, options); got != tc.other {
			t.Errorf("%s: other credentials %t", name, got)
		}
	}
}
