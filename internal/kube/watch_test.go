// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/internal/kube"
)

// One namespace has a hundred requests when another one has its first: the controller gives it the next turn.
func TestNamespacesOfAControllerTakeTurns(t *testing.T) {
	const load = 100
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var order []string
	reconciler := reconcile.Func(func(_ context.Context, req ctrl.Request) (ctrl.Result, error) {
		if order = append(order, req.Namespace); len(order) == load+1 {
			cancel()
		}
		return ctrl.Result{}, nil
	})
	mgr, err := ctrl.NewManager(&rest.Config{}, manager.Options{
		Metrics:        server.Options{BindAddress: "0"},
		MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return meta.NewDefaultRESTMapper(nil), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	resync := &kube.Resync{Schedule: kube.Schedule{Period: time.Hour, Clock: clock.RealClock{}}}
	var events kube.Trigger
	for n := range load {
		events.Add(request("busy", n).NamespacedName)
	}
	events.Add(request("quiet", 0).NamespacedName)
	if err := kube.Build(mgr, "turns", nil, controller.Options{MaxConcurrentReconciles: 1}, reconciler, resync, &events); err != nil {
		t.Fatal(err)
	}
	if err := mgr.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if at := slices.Index(order, "quiet"); at < 0 || at > 1 {
		t.Errorf("of %d requests, the one of the quiet namespace was number %d", len(order), at+1)
	}
}
