// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/kube/kubetest"
)

// failingCache is a cache that cannot list anything for a time.
type failingCache struct {
	client.Client
	cache *pt.Cache
	fails func() bool
}

func (c *failingCache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if c.fails() {
		return errors.New("no list")
	}
	return c.cache.List(ctx, list, opts...)
}

func TestAppsAreReconciledWithWhatConcernsThem(t *testing.T) {
	crm, wiki := pt.App("crm"), pt.App("wiki")
	crm.Spec.SCIM.Token.Name = "crm-token"
	wiki.Spec.Groups = []v1alpha1.PushedGroup{{DisplayName: "staff"}}
	secret := func(name string) *corev1.Secret { return &corev1.Secret{ObjectMeta: pt.Meta(name)} }
	for name, tc := range map[string]struct {
		before, after client.Object
		// heals is when apps can be listed again.
		heals time.Duration
		want  map[string]time.Duration
	}{
		"its Secret":            {after: secret("crm-token"), want: map[string]time.Duration{"crm": 0}},
		"its Secret is deleted": {before: secret("crm-token"), want: map[string]time.Duration{"crm": 0}},
		"another Secret":        {after: secret("other"), want: map[string]time.Duration{}},
		"its Secret while apps cannot be listed": {
			after: secret("crm-token"), heals: 3 * time.Second, want: map[string]time.Duration{"crm": 3 * time.Second, "wiki": 3 * time.Second},
		},
		"a group": {after: pt.Group("staff"), want: map[string]time.Duration{"wiki": 0}},
		"a group while apps cannot be listed": {
			before: pt.Group("staff"), heals: time.Second, want: map[string]time.Duration{"crm": time.Second, "wiki": time.Second},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			clock := clocktesting.NewFakePassiveClock(begin)
			c := &failingCache{cache: pt.NewCache(), fails: func() bool { return clock.Since(begin) < tc.heals }}
			c.cache.Put(crm)
			c.cache.Put(wiki)
			r := &Reconciler{Client: c, Clock: clock}
			queue := kubetest.NewQueue(clock)
			for _, watch := range r.Watches() {
				switch {
				case tc.after != nil && reflect.TypeOf(watch.Object) == reflect.TypeOf(tc.after):
					watch.Handler.Create(t.Context(), event.CreateEvent{Object: tc.after}, queue)
				case tc.before != nil && reflect.TypeOf(watch.Object) == reflect.TypeOf(tc.before):
					watch.Handler.Delete(t.Context(), event.DeleteEvent{Object: tc.before}, queue)
				}
			}
			seen := map[string]time.Duration{}
			queue.Run(t.Context(), r.sweeps().Reconciler(reconcile.Func(func(_ context.Context, req ctrl.Request) (ctrl.Result, error) {
				seen[req.Name] = clock.Since(begin).Truncate(time.Second)
				return ctrl.Result{}, nil
			})), begin.Add(time.Minute))
			if diff := cmp.Diff(tc.want, seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}
