// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// oneApp is an API server with one ScimApp, which counts the writes of its status.
type oneApp struct {
	client.Client
	app    v1alpha1.ScimApp
	writes int
}

func (o *oneApp) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if key.Name != o.app.Name {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	o.app.DeepCopyInto(into.(*v1alpha1.ScimApp))
	return nil
}

func (o *oneApp) Status() client.SubResourceWriter { return statusOf{SubResourceWriter: nil, of: o} }

type statusOf struct {
	client.SubResourceWriter
	of *oneApp
}

func (s statusOf) Patch(_ context.Context, object client.Object, _ client.Patch, _ ...client.SubResourcePatchOption) error {
	s.of.writes++
	object.(*v1alpha1.ScimApp).DeepCopyInto(&s.of.app)
	return nil
}

func TestAPhaseThatFailsIsShownInTheStatus(t *testing.T) {
	timeout := apierrors.NewServerTimeout(schema.GroupResource{Resource: "scimapps"}, "patch", 1)
	known := errors.New("secret of kim@corp.test")
	for name, tc := range map[string]struct {
		err             error
		reason, message string
	}{
		"with what the API server answered": {err: timeout, reason: v1alpha1.ReasonReconcileFailed, message: "ServerTimeout"},
		"with what is known of the error":   {err: known, reason: "Known", message: "it is known"},
		"without the text of the error":     {err: errors.New("kim@corp.test is wrong"), reason: v1alpha1.ReasonReconcileFailed, message: "log of the operator"},
		"with a time limit that was over":   {err: context.DeadlineExceeded, reason: v1alpha1.ReasonReconcileFailed, message: "did not answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			api, now := &oneApp{}, clocktesting.NewFakeClock(time.Unix(1_000_000, 0))
			api.app.Name, api.app.ResourceVersion, api.app.Generation = "crm", "1", 3
			kube.SetCondition(&api.app, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "all is well")
			fails := reconcile.Func(func(context.Context, ctrl.Request) (ctrl.Result, error) { return ctrl.Result{}, tc.err })
			explain := func(err error) (kube.Explanation, bool) {
				return kube.Explanation{Reason: "Known", Message: "it is known"}, errors.Is(err, known)
			}
			r := kube.ReportFailures(fails, api, now, &v1alpha1.ScimApp{}, explain)
			try := func() *metav1.Condition {
				if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "crm"}}); !errors.Is(err, tc.err) {
					t.Fatalf("the error is %v", err)
				}
				return meta.FindStatusCondition(api.app.Status.Conditions, v1alpha1.ConditionReady)
			}
			if got := try(); got.Status != metav1.ConditionTrue {
				t.Error("the first failure is shown: a retry may end it")
			}
			now.Step(time.Minute)
			got := try()
			if got.Status != metav1.ConditionUnknown || got.Reason != tc.reason || !strings.Contains(got.Message, tc.message) ||
				!strings.Contains(got.Message, "retrying") || got.ObservedGeneration != 3 {
				t.Errorf("got %+v", got)
			}
			if strings.Contains(got.Message, "kim") {
				t.Errorf("a personal value: %s", got.Message)
			}
			now.Step(time.Hour)
			try()
			if api.writes != 1 {
				t.Errorf("%d writes", api.writes)
			}
		})
	}
}

func TestAFailureThatIsOverIsForgotten(t *testing.T) {
	api, now := &oneApp{}, clocktesting.NewFakeClock(time.Unix(1_000_000, 0))
	api.app.Name = "crm"
	var next error
	r := kube.ReportFailures(reconcile.Func(func(context.Context, ctrl.Request) (ctrl.Result, error) { return ctrl.Result{}, next }), api, now, &v1alpha1.ScimApp{}, nil)
	for _, next = range []error{errors.New("a"), nil, errors.New("b"), nil, errors.New("c")} {
		_, _ = r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "crm"}})
		now.Step(time.Minute)
	}
	if api.writes != 0 {
		t.Errorf("%d writes for failures that were over with the next reconcile", api.writes)
	}
}

func TestAFailureOfAnObjectThatDoesNotExistWritesNothing(t *testing.T) {
	api, now := &oneApp{}, clocktesting.NewFakeClock(time.Unix(1_000_000, 0))
	r := kube.ReportFailures(reconcile.Func(func(context.Context, ctrl.Request) (ctrl.Result, error) { return ctrl.Result{}, errors.New("a") }), api, now, &v1alpha1.ScimApp{}, nil)
	for range 2 {
		_, _ = r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "other"}})
		now.Step(time.Minute)
	}
	if api.writes != 0 {
		t.Errorf("%d writes", api.writes)
	}
}
